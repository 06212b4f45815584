/* protocol/frame.h: the header of every message after startup. */
#include "protocol/frame.h"

#include <criterion/criterion.h>

static enum codec_result parse_length(uint32_t length, struct frame *frame_out)
{
    const uint8_t header[FRAME_HEADER_SIZE] = {'D', (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                                               (uint8_t)length};
    return frame_parse_header(header, sizeof header, frame_out);
}

Test(frame, reads_type_and_body_size)
{
    static const uint8_t header[] = {'Q', 0x00, 0x01, 0x02, 0x03};
    struct frame frame;
    cr_assert_eq(frame_parse_header(header, sizeof header, &frame), CODEC_OK);
    cr_assert_eq(frame.type, 'Q');
    cr_assert_eq(frame.body_size, 0x00010203u - 4);
}

Test(frame, every_prefix_wants_more)
{
    static const uint8_t header[] = {'Q', 0xff, 0xff, 0xff, 0xff};
    struct frame frame = {.type = 'x', .body_size = 77};
    for (size_t size = 0; size < sizeof header; size++) cr_assert_eq(frame_parse_header(header, size, &frame), CODEC_MORE);
    cr_assert_eq(frame.type, 'x');
    cr_assert_eq(frame.body_size, 77);
}

Test(frame, the_body_need_not_be_there)
{
    struct frame frame;
    cr_assert_eq(parse_length(0x7fffffffu, &frame), CODEC_OK);
    cr_assert_eq(frame.body_size, 0x7ffffffbu);
}

Test(frame, lengths_that_cannot_be)
{
    static const uint32_t bad[] = {0, 1, 2, 3, 0x80000000u, 0x80000004u, 0xfffffffeu, 0xffffffffu};
    struct frame frame;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) cr_assert_eq(parse_length(bad[i], &frame), CODEC_BAD, "%x", bad[i]);
    cr_assert_eq(parse_length(4, &frame), CODEC_OK);
    cr_assert_eq(frame.body_size, 0);
}
