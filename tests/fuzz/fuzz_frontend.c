/* protocol/frontend.h over a stream of typed messages: what decodes is written again as it was, and cut anywhere it is refused. */
#include "protocol/frontend.h"

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

/* ---- decoder and encoder behind one another; nothing is written when the body does not decode ---- */

static enum codec_result rewrite_query(struct bytes_writer *writer, const uint8_t *body, size_t size)
{
    const char *text;
    enum codec_result result = frontend_parse_query(body, size, &text);
    if (result != CODEC_OK) return result;
    check_string(text, body, size);
    frontend_write_query(writer, text);
    return result;
}

static enum codec_result rewrite_parse(struct bytes_writer *writer, const uint8_t *body, size_t size)
{
    struct frontend_parse_message message;
    enum codec_result result = frontend_parse_parse(body, size, &message);
    if (result != CODEC_OK) return result;
    check_string(message.statement, body, size);
    check_string(message.text, body, size);
    uint32_t *types = malloc(sizeof(uint32_t) * ((size_t)message.type_count + 1));
    struct bytes_reader reader;
    bytes_reader_init(&reader, message.types, (size_t)message.type_count * 4);
    for (size_t i = 0; i < message.type_count; i++) types[i] = bytes_read_u32(&reader);
    assert(bytes_reader_is_done(&reader));
    frontend_write_parse(writer, message.statement, message.text, types, message.type_count);
    free(types);
    return result;
}

static enum codec_result rewrite_target(struct bytes_writer *writer, const uint8_t *body, size_t size, bool is_close)
{
    char kind;
    const char *name;
    enum codec_result result = frontend_parse_target(body, size, &kind, &name);
    if (result != CODEC_OK) return result;
    check_string(name, body, size);
    assert(kind == 'S' || kind == 'P');
    if (is_close)
        frontend_write_close(writer, kind, name);
    else
        frontend_write_describe(writer, kind, name);
    return result;
}

static enum codec_result rewrite_describe(struct bytes_writer *writer, const uint8_t *body, size_t size)
{
    return rewrite_target(writer, body, size, false);
}

static enum codec_result rewrite_close(struct bytes_writer *writer, const uint8_t *body, size_t size)
{
    return rewrite_target(writer, body, size, true);
}

static enum codec_result rewrite_execute(struct bytes_writer *writer, const uint8_t *body, size_t size)
{
    const char *portal;
    uint32_t max_rows;
    enum codec_result result = frontend_parse_execute(body, size, &portal, &max_rows);
    if (result != CODEC_OK) return result;
    check_string(portal, body, size);
    frontend_write_execute(writer, portal, max_rows);
    return result;
}

static enum codec_result rewrite_password(struct bytes_writer *writer, const uint8_t *body, size_t size)
{
    const char *password;
    enum codec_result result = frontend_parse_password(body, size, &password);
    if (result != CODEC_OK) return result;
    check_string(password, body, size);
    frontend_write_password(writer, password);
    return result;
}

static enum codec_result rewrite_sasl_initial(struct bytes_writer *writer, const uint8_t *body, size_t size)
{
    const char *mechanism;
    const uint8_t *data;
    size_t data_size;
    enum codec_result result = frontend_parse_sasl_initial(body, size, &mechanism, &data, &data_size);
    if (result != CODEC_OK) return result;
    check_string(mechanism, body, size);
    assert(data == NULL ? data_size == 0 : data > body && data + data_size == body + size);
    frontend_write_sasl_initial(writer, mechanism, data, data_size);
    return result;
}

/* `message` is whole, header included. Only short bodies are cut everywhere: each cut costs a pass. */
static void check_rewrite(enum codec_result (*rewrite)(struct bytes_writer *, const uint8_t *, size_t), const uint8_t *message, size_t size)
{
    enum { CUT_SIZE_MAX = 256 };
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    size_t body_size = size - FRAME_HEADER_SIZE;
    uint8_t *buffer = malloc(size);
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, size);
    enum codec_result result = rewrite(&writer, body, body_size);
    assert(result != CODEC_MORE);
    if (result == CODEC_OK) {
        assert(!writer.has_failed && writer.size == size && memcmp(buffer, message, size) == 0);
        for (size_t cut = 0; cut < body_size && body_size <= CUT_SIZE_MAX; cut++) {
            bytes_writer_init(&writer, buffer, size);
            assert(rewrite(&writer, body, cut) == CODEC_BAD);
        }
    }
    free(buffer);
}

/* The head of Bind decodes from the moment its second NUL is there, always to the same names. */
static void check_bind_names(const uint8_t *body, size_t size)
{
    const char *portal;
    const char *statement;
    enum codec_result result = frontend_parse_bind_names(body, size, &portal, &statement);
    assert(result != CODEC_BAD);
    if (result == CODEC_MORE) return;
    check_string(portal, body, size);
    check_string(statement, body, size);
    size_t head = strlen(portal) + strlen(statement) + 2;
    assert(portal == (const char *)body && statement == portal + strlen(portal) + 1 && head <= size);
    assert(frontend_parse_bind_names(body, head, &portal, &statement) == CODEC_OK);
    assert(frontend_parse_bind_names(body, head - 1, &portal, &statement) == CODEC_MORE);
}

static void check_message(uint8_t type, const uint8_t *message, size_t size)
{
    if (frontend_type_name(type) == NULL) return;
    switch ((enum frontend_type)type) {
    case FRONTEND_QUERY: check_rewrite(rewrite_query, message, size); break;
    case FRONTEND_PARSE: check_rewrite(rewrite_parse, message, size); break;
    case FRONTEND_BIND: check_bind_names(message + FRAME_HEADER_SIZE, size - FRAME_HEADER_SIZE); break;
    case FRONTEND_DESCRIBE: check_rewrite(rewrite_describe, message, size); break;
    case FRONTEND_CLOSE: check_rewrite(rewrite_close, message, size); break;
    case FRONTEND_EXECUTE: check_rewrite(rewrite_execute, message, size); break;
    case FRONTEND_PASSWORD:
        check_rewrite(rewrite_password, message, size);
        check_rewrite(rewrite_sasl_initial, message, size);
        break;
    case FRONTEND_SYNC:
    case FRONTEND_FLUSH:
    case FRONTEND_TERMINATE:
    case FRONTEND_COPY_DATA:
    case FRONTEND_COPY_DONE:
    case FRONTEND_COPY_FAIL:
    case FRONTEND_FUNCTION_CALL: break; /* nobody decodes these */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame;
    while (frame_parse_header(data, size, &frame) == CODEC_OK && frame.body_size <= size - FRAME_HEADER_SIZE) {
        size_t message_size = FRAME_HEADER_SIZE + frame.body_size;
        check_message(frame.type, data, message_size);
        data += message_size;
        size -= message_size;
    }
    return 0;
}
