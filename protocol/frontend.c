/*
 * The typed messages a client sends: decode and encode side by side. Not for startup packets and their `options`
 * (frontend_startup.c), and not for deciding whether a message may come now: that is the caller's state.
 *
 * Invariants: a decoder reads nothing outside its body, and answers OK only when the body was used up
 * (frontend_parse_bind_names excepted: it looks at the head of a body).
 */
#include "protocol/frontend.h"

#include <string.h>

const char *frontend_type_name(uint8_t type)
{
    switch (type) {
#define X(name, byte, text) \
    case byte:              \
        return text;
#include "protocol/frontend_messages.def"
#undef X
    }
    return NULL;
}

static enum codec_result result_of(const struct bytes_reader *reader)
{
    return bytes_reader_is_done(reader) ? CODEC_OK : CODEC_BAD;
}

static void write_bare(struct bytes_writer *writer, enum frontend_type type)
{
    bytes_end_message(writer, bytes_begin_message(writer, (uint8_t)type));
}

/* A parameter value or argument: length and bytes, or -1 for SQL NULL. */
static void write_value(struct bytes_writer *writer, const void *value, size_t size)
{
    if (value == NULL) {
        bytes_write_u32(writer, UINT32_MAX);
        return;
    }
    /* A size that does not fit in 32 bits makes the message too long, which bytes_end_message refuses. */
    bytes_write_u32(writer, (uint32_t)size);
    bytes_write_block(writer, value, size);
}

/* ---- authentication ---- */

enum codec_result frontend_parse_password(const uint8_t *body, size_t size, const char **password_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *password_out = bytes_read_cstring(&reader);
    return result_of(&reader);
}

void frontend_write_password(struct bytes_writer *writer, const char *password)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_PASSWORD);
    bytes_write_cstring(writer, password);
    bytes_end_message(writer, mark);
}

enum codec_result frontend_parse_sasl_initial(const uint8_t *body, size_t size, const char **mechanism_out, const uint8_t **data_out,
                                              size_t *data_size_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *mechanism_out = bytes_read_cstring(&reader);
    uint32_t data_size = bytes_read_u32(&reader);
    bool is_absent = data_size == UINT32_MAX;
    *data_out = is_absent ? NULL : bytes_read_block(&reader, data_size);
    *data_size_out = is_absent ? 0 : data_size;
    return result_of(&reader);
}

void frontend_write_sasl_initial(struct bytes_writer *writer, const char *mechanism, const void *data, size_t size)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_PASSWORD);
    bytes_write_cstring(writer, mechanism);
    write_value(writer, data, size);
    bytes_end_message(writer, mark);
}

void frontend_write_sasl_response(struct bytes_writer *writer, const void *data, size_t size)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_PASSWORD);
    bytes_write_block(writer, data, size);
    bytes_end_message(writer, mark);
}

/* ---- queries ---- */

enum codec_result frontend_parse_query(const uint8_t *body, size_t size, const char **text_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *text_out = bytes_read_cstring(&reader);
    return result_of(&reader);
}

void frontend_write_query(struct bytes_writer *writer, const char *text)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_QUERY);
    bytes_write_cstring(writer, text);
    bytes_end_message(writer, mark);
}

enum codec_result frontend_parse_parse(const uint8_t *body, size_t size, struct frontend_parse_message *message_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    message_out->statement = bytes_read_cstring(&reader);
    message_out->text = bytes_read_cstring(&reader);
    message_out->type_count = bytes_read_u16(&reader);
    message_out->types = bytes_read_block(&reader, (size_t)message_out->type_count * 4);
    return result_of(&reader);
}

void frontend_write_parse(struct bytes_writer *writer, const char *statement, const char *text, const uint32_t *types, uint16_t type_count)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_PARSE);
    bytes_write_cstring(writer, statement);
    bytes_write_cstring(writer, text);
    bytes_write_u16(writer, type_count);
    for (size_t i = 0; i < type_count; i++) bytes_write_u32(writer, types[i]);
    bytes_end_message(writer, mark);
}

enum codec_result frontend_parse_bind_names(const uint8_t *body, size_t size, const char **portal_out, const char **statement_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *portal_out = bytes_read_cstring(&reader);
    *statement_out = bytes_read_cstring(&reader);
    return reader.has_failed ? CODEC_MORE : CODEC_OK;
}

void frontend_write_bind(struct bytes_writer *writer, const char *portal, const char *statement, const char *const *values, uint16_t count)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_BIND);
    bytes_write_cstring(writer, portal);
    bytes_write_cstring(writer, statement);
    bytes_write_u16(writer, 0); /* no format codes: all text */
    bytes_write_u16(writer, count);
    for (size_t i = 0; i < count; i++) write_value(writer, values[i], values[i] == NULL ? 0 : strlen(values[i]));
    bytes_write_u16(writer, 0);
    bytes_end_message(writer, mark);
}

enum codec_result frontend_parse_target(const uint8_t *body, size_t size, char *kind_out, const char **name_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *kind_out = (char)bytes_read_u8(&reader);
    *name_out = bytes_read_cstring(&reader);
    if (*kind_out != 'S' && *kind_out != 'P') return CODEC_BAD;
    return result_of(&reader);
}

static void write_target(struct bytes_writer *writer, enum frontend_type type, char kind, const char *name)
{
    size_t mark = bytes_begin_message(writer, (uint8_t)type);
    bytes_write_u8(writer, (uint8_t)kind);
    bytes_write_cstring(writer, name);
    bytes_end_message(writer, mark);
}

void frontend_write_describe(struct bytes_writer *writer, char kind, const char *name)
{
    write_target(writer, FRONTEND_DESCRIBE, kind, name);
}

void frontend_write_close(struct bytes_writer *writer, char kind, const char *name)
{
    write_target(writer, FRONTEND_CLOSE, kind, name);
}

enum codec_result frontend_parse_execute(const uint8_t *body, size_t size, const char **portal_out, uint32_t *max_rows_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *portal_out = bytes_read_cstring(&reader);
    *max_rows_out = bytes_read_u32(&reader);
    return result_of(&reader);
}

void frontend_write_execute(struct bytes_writer *writer, const char *portal, uint32_t max_rows)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_EXECUTE);
    bytes_write_cstring(writer, portal);
    bytes_write_u32(writer, max_rows);
    bytes_end_message(writer, mark);
}

void frontend_write_sync(struct bytes_writer *writer)
{
    write_bare(writer, FRONTEND_SYNC);
}

void frontend_write_flush(struct bytes_writer *writer)
{
    write_bare(writer, FRONTEND_FLUSH);
}

void frontend_write_terminate(struct bytes_writer *writer)
{
    write_bare(writer, FRONTEND_TERMINATE);
}

void frontend_write_copy_data(struct bytes_writer *writer, const void *data, size_t size)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_COPY_DATA);
    bytes_write_block(writer, data, size);
    bytes_end_message(writer, mark);
}

void frontend_write_copy_done(struct bytes_writer *writer)
{
    write_bare(writer, FRONTEND_COPY_DONE);
}

void frontend_write_copy_fail(struct bytes_writer *writer, const char *reason)
{
    size_t mark = bytes_begin_message(writer, FRONTEND_COPY_FAIL);
    bytes_write_cstring(writer, reason);
    bytes_end_message(writer, mark);
}

void frontend_write_function_call(struct bytes_writer *writer, uint32_t oid, const uint8_t *const *arguments, const uint32_t *sizes,
                                  uint16_t count)
{
    enum { FORMAT_BINARY = 1 };
    size_t mark = bytes_begin_message(writer, FRONTEND_FUNCTION_CALL);
    bytes_write_u32(writer, oid);
    bytes_write_u16(writer, 1); /* one format code, for all arguments */
    bytes_write_u16(writer, FORMAT_BINARY);
    bytes_write_u16(writer, count);
    for (size_t i = 0; i < count; i++) write_value(writer, arguments[i], sizes[i]);
    bytes_write_u16(writer, FORMAT_BINARY);
    bytes_end_message(writer, mark);
}
