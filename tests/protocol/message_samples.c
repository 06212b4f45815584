/* What holds for every sample of a message. */
#include "tests/protocol/message_samples.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/frame.h"

/* In memory of exactly this size, so that the sanitizers see a read behind it. */
static enum codec_result decode_copy(const struct message_sample *sample, const uint8_t *body, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, body, size);
    enum codec_result result = sample->decode(copy, size);
    free(copy);
    return result;
}

static void is_written_as_it_stands(const struct message_sample *sample)
{
    uint8_t buffer[MESSAGE_SAMPLE_MAX + 1];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sample->size);
    sample->write(&writer);
    cr_assert_not(writer.has_failed, "%s", sample->name);
    cr_assert_eq(writer.size, sample->size, "%s: %zu", sample->name, writer.size);
    cr_assert_arr_eq(buffer, sample->bytes, sample->size, "%s", sample->name);
}

static void fails_at_every_smaller_capacity(const struct message_sample *sample)
{
    for (size_t capacity = 0; capacity < sample->size; capacity++) {
        uint8_t buffer[MESSAGE_SAMPLE_MAX + 1];
        memset(buffer, 0x55, sizeof buffer);
        struct bytes_writer writer;
        bytes_writer_init(&writer, buffer, capacity);
        sample->write(&writer);
        cr_assert(writer.has_failed, "%s at %zu", sample->name, capacity);
        for (size_t i = capacity; i < sizeof buffer; i++) cr_assert_eq(buffer[i], 0x55, "%s at %zu", sample->name, capacity);
    }
}

static void is_framed(const struct message_sample *sample, const char *(*type_name)(uint8_t type))
{
    struct frame frame;
    for (size_t size = 0; size < FRAME_HEADER_SIZE; size++)
        cr_assert_eq(frame_parse_header(sample->bytes, size, &frame), CODEC_MORE, "%s", sample->name);
    cr_assert_eq(frame_parse_header(sample->bytes, sample->size, &frame), CODEC_OK, "%s", sample->name);
    cr_assert_eq(frame.body_size, sample->size - FRAME_HEADER_SIZE, "%s", sample->name);
    cr_assert_not_null(type_name(frame.type), "%s", sample->name);
}

static void is_read_whole_and_at_no_other_size(const struct message_sample *sample)
{
    const uint8_t *body = sample->bytes + FRAME_HEADER_SIZE;
    size_t size = sample->size - FRAME_HEADER_SIZE;
    cr_assert_eq(decode_copy(sample, body, size), CODEC_OK, "%s", sample->name);
    for (size_t cut = 0; cut < size; cut++) cr_assert_eq(decode_copy(sample, body, cut), CODEC_BAD, "%s cut to %zu", sample->name, cut);
    for (int extra = 0; extra < 256; extra++) {
        uint8_t longer[MESSAGE_SAMPLE_MAX + 1];
        memcpy(longer, body, size);
        longer[size] = (uint8_t)extra;
        cr_assert_eq(decode_copy(sample, longer, size + 1), CODEC_BAD, "%s and %d", sample->name, extra);
    }
}

void message_samples_hold(const struct message_sample *samples, size_t count, const char *(*type_name)(uint8_t type))
{
    for (const struct message_sample *sample = samples; sample < samples + count; sample++) {
        cr_assert_leq(sample->size, (size_t)MESSAGE_SAMPLE_MAX, "%s", sample->name);
        is_written_as_it_stands(sample);
        fails_at_every_smaller_capacity(sample);
        is_framed(sample, type_name);
        if (sample->decode != NULL) is_read_whole_and_at_no_other_size(sample);
    }
}
