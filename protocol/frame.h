#ifndef PROTOCOL_FRAME_H
#define PROTOCOL_FRAME_H

#include "protocol/bytes.h"

/*
 * The envelope of every message after startup: one type byte, then a 32-bit length that counts itself and the body
 * (PostgreSQL manual, "Message Formats").
 */
enum { FRAME_HEADER_SIZE = 5 };

struct frame {
    uint8_t type;
    uint32_t body_size; /* without type byte and length field */
};

/*
 * Read the header at `data`. OK needs FRAME_HEADER_SIZE bytes; the body need not be there.
 * BAD: the length is below 4 or above 0x7fffffff.
 */
static inline enum codec_result frame_parse_header(const uint8_t *data, size_t size, struct frame *frame_out)
{
    if (size < FRAME_HEADER_SIZE) return CODEC_MORE;
    uint32_t length = (uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | (uint32_t)data[4];
    if (length < 4 || length > 0x7fffffffu) return CODEC_BAD;
    frame_out->type = data[0];
    frame_out->body_size = length - 4;
    return CODEC_OK;
}

#endif
