/* protocol/backend.h over a stream of messages: what decodes is written again, as it was where there is one way to write it. */
#include "protocol/backend.h"

#include "protocol/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(const char *string, const uint8_t *body, size_t size)
{
    const uint8_t *begin = (const uint8_t *)string;
    assert(begin >= body && begin < body + size && memchr(begin, '\0', (size_t)(body + size - begin)) != NULL);
}

/* The decoder of a message and its encoder behind one another. False: the body does not decode. */
static bool rewrite(struct bytes_writer *writer, uint8_t type, const uint8_t *body, size_t size)
{
    const uint8_t *block;
    size_t block_size;
    const char *first;
    const char *second;
    uint32_t number;
    char status;
    switch ((enum backend_type)type) {
    case BACKEND_AUTHENTICATION:
        if (backend_parse_authentication(body, size, &number, &block, &block_size) != CODEC_OK) return false;
        assert(block == body + 4 && block_size == size - 4);
        backend_write_authentication(writer, (enum backend_authentication)number, block, block_size);
        return true;
    case BACKEND_PARAMETER_STATUS:
        if (backend_parse_parameter_status(body, size, &first, &second) != CODEC_OK) return false;
        check_string(first, body, size);
        check_string(second, body, size);
        backend_write_parameter_status(writer, first, second);
        return true;
    case BACKEND_KEY_DATA:
        if (backend_parse_key_data(body, size, &number, &block, &block_size) != CODEC_OK) return false;
        assert(block == body + 4 && block_size == size - 4);
        backend_write_key_data(writer, number, block, block_size);
        return true;
    case BACKEND_READY_FOR_QUERY:
        if (backend_parse_ready_for_query(body, size, &status) != CODEC_OK) return false;
        backend_write_ready_for_query(writer, status);
        return true;
    case BACKEND_COMMAND_COMPLETE:
        if (backend_parse_command_complete(body, size, &first) != CODEC_OK) return false;
        check_string(first, body, size);
        backend_write_command_complete(writer, first);
        return true;
    case BACKEND_ERROR:
    case BACKEND_NOTICE: /* see check_error */
    case BACKEND_NEGOTIATE_PROTOCOL_VERSION:
    case BACKEND_EMPTY_QUERY:
    case BACKEND_ROW_DESCRIPTION:
    case BACKEND_DATA_ROW:
    case BACKEND_PARSE_COMPLETE:
    case BACKEND_BIND_COMPLETE:
    case BACKEND_CLOSE_COMPLETE:
    case BACKEND_NO_DATA:
    case BACKEND_PORTAL_SUSPENDED:
    case BACKEND_PARAMETER_DESCRIPTION:
    case BACKEND_COPY_IN:
    case BACKEND_COPY_OUT:
    case BACKEND_COPY_BOTH:
    case BACKEND_COPY_DATA:
    case BACKEND_COPY_DONE:
    case BACKEND_NOTIFICATION:
    case BACKEND_FUNCTION_RESULT: return false; /* nobody decodes these */
    }
    return false;
}

static void check_rewrite(uint8_t type, const uint8_t *message, size_t size)
{
    uint8_t *buffer = malloc(size);
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, size);
    if (rewrite(&writer, type, message + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE))
        assert(!writer.has_failed && writer.size == size && memcmp(buffer, message, size) == 0);
    free(buffer);
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* An error has many ways to be written; its fields stay the same. */
static void check_error(const uint8_t *body, size_t size)
{
    struct backend_error error;
    if (backend_parse_error(body, size, &error) != CODEC_OK) return;
    const char *const fields[] = {error.severity, error.sqlstate, error.message, error.detail, error.hint};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i] != NULL) check_string(fields[i], body, size);
    }
    for (size_t cut = 0; cut < size && size <= 256; cut++) {
        struct backend_error other;
        assert(backend_parse_error(body, cut, &other) == CODEC_BAD);
    }

    size_t capacity = FRAME_HEADER_SIZE + 2 * size; /* the severity may come out twice */
    uint8_t *buffer = malloc(capacity);
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, capacity);
    backend_write_error(&writer, &error);
    assert(!writer.has_failed);
    struct backend_error other;
    assert(backend_parse_error(buffer + FRAME_HEADER_SIZE, writer.size - FRAME_HEADER_SIZE, &other) == CODEC_OK);
    assert(is_same(error.severity, other.severity) && is_same(error.sqlstate, other.sqlstate) && is_same(error.message, other.message) &&
           is_same(error.detail, other.detail) && is_same(error.hint, other.hint));
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame;
    while (frame_parse_header(data, size, &frame) == CODEC_OK && frame.body_size <= size - FRAME_HEADER_SIZE) {
        size_t message_size = FRAME_HEADER_SIZE + frame.body_size;
        if (backend_type_name(frame.type) != NULL) check_rewrite(frame.type, data, message_size);
        if (frame.type == BACKEND_ERROR || frame.type == BACKEND_NOTICE) check_error(data + FRAME_HEADER_SIZE, frame.body_size);
        data += message_size;
        size -= message_size;
    }
    return 0;
}
