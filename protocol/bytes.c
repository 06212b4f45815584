/*
 * Bounded reads and writes of the protocol's primitive types. Not for whole messages: those are frontend.c and backend.c.
 *
 * Invariants: position <= size and size <= capacity at all times. A bound is compared as `wanted > what is left`, so
 * no length that a peer sent can overflow an addition.
 */
#include "protocol/bytes.h"

#include <assert.h>
#include <string.h>

void bytes_reader_init(struct bytes_reader *reader, const uint8_t *data, size_t size)
{
    assert(data != NULL || size == 0);
    /* An empty buffer may come as NULL; pointer arithmetic and memchr may not get one. */
    reader->data = data != NULL ? data : (const uint8_t *)"";
    reader->size = size;
    reader->position = 0;
    reader->has_failed = false;
}

size_t bytes_left(const struct bytes_reader *reader)
{
    return reader->has_failed ? 0 : reader->size - reader->position;
}

bool bytes_reader_is_done(const struct bytes_reader *reader)
{
    return !reader->has_failed && reader->position == reader->size;
}

const uint8_t *bytes_read_block(struct bytes_reader *reader, size_t size)
{
    if (reader->has_failed || size > reader->size - reader->position) {
        reader->has_failed = true;
        return NULL;
    }
    const uint8_t *block = reader->data + reader->position;
    reader->position += size;
    return block;
}

uint8_t bytes_read_u8(struct bytes_reader *reader)
{
    const uint8_t *b = bytes_read_block(reader, 1);
    return b == NULL ? 0 : b[0];
}

uint16_t bytes_read_u16(struct bytes_reader *reader)
{
    const uint8_t *b = bytes_read_block(reader, 2);
    if (b == NULL) return 0;
    return (uint16_t)(b[0] << 8 | b[1]);
}

uint32_t bytes_read_u32(struct bytes_reader *reader)
{
    const uint8_t *b = bytes_read_block(reader, 4);
    return b == NULL ? 0 : (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

const char *bytes_read_cstring(struct bytes_reader *reader)
{
    if (reader->has_failed) return NULL;
    const uint8_t *start = reader->data + reader->position;
    const uint8_t *end = memchr(start, '\0', reader->size - reader->position);
    if (end == NULL) {
        reader->has_failed = true;
        return NULL;
    }
    reader->position += (size_t)(end - start) + 1;
    return (const char *)start;
}

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
