/*
 * Bounded reads and writes of the protocol's primitive types. Not for whole messages: those are frontend.c and backend.c.
 *
 * Invariants: position <= size and size <= capacity at all times. A bound is compared as `wanted > what is left`, so
 * no length that a peer sent can overflow an addition.
 */
#include "protocol/bytes.h"

#include <assert.h>
#include <string.h>

void bytes_writer_init(struct bytes_writer *writer, uint8_t *data, size_t capacity)
{
    assert(data != NULL || capacity == 0);
    writer->data = data;
    writer->capacity = capacity;
    writer->size = 0;
    writer->has_failed = false;
}

void bytes_write_block(struct bytes_writer *writer, const void *block, size_t size)
{
    if (writer->has_failed || size > writer->capacity - writer->size) {
        writer->has_failed = true;
        return;
    }
    if (size == 0) return;
    memcpy(writer->data + writer->size, block, size);
    writer->size += size;
}

void bytes_write_u8(struct bytes_writer *writer, uint8_t value)
{
    bytes_write_block(writer, &value, 1);
}

void bytes_write_u16(struct bytes_writer *writer, uint16_t value)
{
    const uint8_t b[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    bytes_write_block(writer, b, sizeof b);
}

static void put_u32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

void bytes_write_u32(struct bytes_writer *writer, uint32_t value)
{
    uint8_t b[4];
    put_u32(b, value);
    bytes_write_block(writer, b, sizeof b);
}

void bytes_write_cstring(struct bytes_writer *writer, const char *string)
{
    bytes_write_block(writer, string, strlen(string) + 1);
}

size_t bytes_begin_message(struct bytes_writer *writer, uint8_t type)
{
    bytes_write_u8(writer, type);
    size_t mark = writer->size;
    bytes_write_u32(writer, 0);
    return mark;
}

void bytes_end_message(struct bytes_writer *writer, size_t mark)
{
    if (writer->has_failed) return;
    assert(mark <= writer->size && writer->size - mark >= 4);
    size_t length = writer->size - mark;
    if (length > 0x7fffffffu) {
        writer->has_failed = true;
        return;
    }
    put_u32(writer->data + mark, (uint32_t)length);
}
