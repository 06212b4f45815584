#ifndef TESTS_PROTOCOL_MESSAGE_SAMPLES_H
#define TESTS_PROTOCOL_MESSAGE_SAMPLES_H

#include "protocol/bytes.h"

/* A message, how it is written, and how its body is read: what every codec of messages has to keep, whatever the message. */
struct message_sample {
    const char *name;
    void (*write)(struct bytes_writer *writer);
    enum codec_result (*decode)(const uint8_t *body, size_t size); /* NULL: nobody reads this message, or it may have several sizes */
    const uint8_t *bytes;                                          /* at most MESSAGE_SAMPLE_MAX */
    size_t size;
};
enum { MESSAGE_SAMPLE_MAX = 127 };
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/*
 * Each is written as it stands, fails at every smaller capacity without a byte behind it, is framed, and has a body that is read whole and at no other size.
 * `type_name`: of its type byte, NULL: unknown. The test fails at the first that is not so.
 */
void message_samples_hold(const struct message_sample *samples, size_t count, const char *(*type_name)(uint8_t type));

#endif
