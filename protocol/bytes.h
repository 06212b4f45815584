#ifndef PROTOCOL_BYTES_H
#define PROTOCOL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

void bytes_reader_init(struct bytes_reader *reader, const uint8_t *data, size_t size);
uint8_t bytes_read_u8(struct bytes_reader *reader);
uint16_t bytes_read_u16(struct bytes_reader *reader);
uint32_t bytes_read_u32(struct bytes_reader *reader);
/* The string within the reader's data; fails when no NUL is left. */
const char *bytes_read_cstring(struct bytes_reader *reader);
/* The next `size` bytes within the reader's data; fails when fewer are left. Compares as `size > left`. */
const uint8_t *bytes_read_block(struct bytes_reader *reader, size_t size);
size_t bytes_left(const struct bytes_reader *reader);
/* Nothing failed and nothing is left over. */
bool bytes_reader_is_done(const struct bytes_reader *reader);

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
