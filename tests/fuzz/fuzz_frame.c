/* protocol/frame.h over a stream of messages: the walk a relay does. */
#include "protocol/frame.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The header says nothing until it is whole, and written again it is the same. */
static void check_header(const uint8_t *data, const struct frame *frame)
{
    struct frame other;
    uint8_t buffer[FRAME_HEADER_SIZE];
    struct bytes_writer writer;
    for (size_t cut = 0; cut < FRAME_HEADER_SIZE; cut++) assert(frame_parse_header(data, cut, &other) == CODEC_MORE);
    assert(frame->body_size <= 0x7fffffffu - 4);
    bytes_writer_init(&writer, buffer, sizeof buffer);
    bytes_write_u8(&writer, frame->type);
    bytes_write_u32(&writer, frame->body_size + 4);
    assert(!writer.has_failed && memcmp(buffer, data, sizeof buffer) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t position = 0;
    for (;;) {
        struct frame frame;
        size_t left = size - position;
        enum codec_result result = frame_parse_header(data + position, left, &frame);
        assert((result == CODEC_MORE) == (left < FRAME_HEADER_SIZE));
        if (result != CODEC_OK) return 0;
        check_header(data + position, &frame);
        if (frame.body_size > left - FRAME_HEADER_SIZE) return 0;
        position += FRAME_HEADER_SIZE + frame.body_size;
    }
}
