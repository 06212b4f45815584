#ifndef PROTOCOL_BYTES_H
#define PROTOCOL_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Bounded reading and writing of the protocol's primitive types: big-endian integers, NUL-terminated strings, blocks.
 *
 * Failure sticks: after one read past the end, or one write past the capacity, every later call does nothing and
 * returns zero or NULL. A codec therefore reads like the schema of its message and asks once, at the end.
 */

/* What every codec of this folder answers. MORE: the input is a true prefix of a message; call again with more bytes. */
enum codec_result { CODEC_OK, CODEC_MORE, CODEC_BAD };

struct bytes_reader {
    const uint8_t *data; /* borrowed */
    size_t size;
    size_t position;
    bool has_failed;
};

static inline void bytes_reader_init(struct bytes_reader *reader, const uint8_t *data, size_t size)
{
    assert(data != NULL || size == 0);
    /* An empty buffer may come as NULL; pointer arithmetic and memchr may not get one. */
    reader->data = data != NULL ? data : (const uint8_t *)"";
    reader->size = size;
    reader->position = 0;
    reader->has_failed = false;
}

/* The next `size` bytes within the reader's data; fails when fewer are left. Compares as `size > left`. */
static inline const uint8_t *bytes_read_block(struct bytes_reader *reader, size_t size)
{
    if (reader->has_failed || size > reader->size - reader->position) {
        reader->has_failed = true;
        return NULL;
    }
    const uint8_t *block = reader->data + reader->position;
    reader->position += size;
    return block;
}

static inline uint8_t bytes_read_u8(struct bytes_reader *reader)
{
    const uint8_t *b = bytes_read_block(reader, 1);
    return b == NULL ? 0 : b[0];
}

static inline uint16_t bytes_read_u16(struct bytes_reader *reader)
{
    const uint8_t *b = bytes_read_block(reader, 2);
    if (b == NULL) return 0;
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t bytes_read_u32(struct bytes_reader *reader)
{
    const uint8_t *b = bytes_read_block(reader, 4);
    return b == NULL ? 0 : (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

/* The string within the reader's data; fails when no NUL is left. */
static inline const char *bytes_read_cstring(struct bytes_reader *reader)
{
    if (reader->has_failed) return NULL;
    const uint8_t *start = reader->data + reader->position;
    size_t left = reader->size - reader->position;
    const uint8_t *end = left > 0 && *start == '\0' ? start : memchr(start, '\0', left); /* most names are empty */
    if (end == NULL) {
        reader->has_failed = true;
        return NULL;
    }
    reader->position += (size_t)(end - start) + 1;
    return (const char *)start;
}

static inline size_t bytes_left(const struct bytes_reader *reader)
{
    return reader->has_failed ? 0 : reader->size - reader->position;
}

/* Nothing failed and nothing is left over. */
static inline bool bytes_reader_is_done(const struct bytes_reader *reader)
{
    return !reader->has_failed && reader->position == reader->size;
}

struct bytes_writer {
    uint8_t *data; /* borrowed */
    size_t capacity;
    size_t size; /* written so far */
    bool has_failed;
};

void bytes_writer_init(struct bytes_writer *writer, uint8_t *data, size_t capacity);
void bytes_write_u8(struct bytes_writer *writer, uint8_t value);
void bytes_write_u16(struct bytes_writer *writer, uint16_t value);
void bytes_write_u32(struct bytes_writer *writer, uint32_t value);
void bytes_write_block(struct bytes_writer *writer, const void *block, size_t size);
/* The string with its NUL. */
void bytes_write_cstring(struct bytes_writer *writer, const char *string);
/*
 * Start a typed message and patch its length afterwards. `bytes_begin_message` returns the mark for `bytes_end_message`: where
 * the length field is. A message above 0x7fffffff bytes fails.
 */
size_t bytes_begin_message(struct bytes_writer *writer, uint8_t type);
void bytes_end_message(struct bytes_writer *writer, size_t mark);

#endif
