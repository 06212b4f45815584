/*
 * The messages a server sends: decode and encode side by side, and the SQLSTATE constants. Not for deciding what a
 * message means for a session: that is the caller's.
 *
 * Invariants: a decoder reads nothing outside its body, and answers OK only when the body was used up.
 */
#include "protocol/backend.h"

#include <string.h>

#define X(name, code) const char name[6] = code;
#include "protocol/sqlstates.def"
#undef X

const char *backend_type_name(uint8_t type)
{
    switch (type) {
#define X(name, byte, text) \
    case byte:              \
        return text;
#include "protocol/backend_messages.def"
#undef X
    }
    return NULL;
}

static enum codec_result result_of(const struct bytes_reader *reader)
{
    return bytes_reader_is_done(reader) ? CODEC_OK : CODEC_BAD;
}

/* ---- authentication and welcome ---- */

/* Whether the data has the size that the code asks for, where it asks for one. */
static bool is_authentication_size(uint32_t code, size_t size)
{
    switch (code) {
    case BACKEND_AUTH_OK:
    case BACKEND_AUTH_CLEARTEXT: return size == 0;
    case BACKEND_AUTH_MD5: return size == 4;
    default: return true;
    }
}

enum codec_result backend_parse_authentication(const uint8_t *body, size_t size, uint32_t *code_out, const uint8_t **data_out,
                                               size_t *data_size_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *code_out = bytes_read_u32(&reader);
    *data_size_out = bytes_left(&reader);
    *data_out = bytes_read_block(&reader, *data_size_out);
    if (!is_authentication_size(*code_out, *data_size_out)) return CODEC_BAD;
    return result_of(&reader);
}

void backend_write_authentication(struct bytes_writer *writer, enum backend_authentication code, const void *data, size_t size)
{
    size_t mark = bytes_begin_message(writer, BACKEND_AUTHENTICATION);
    bytes_write_u32(writer, (uint32_t)code);
    bytes_write_block(writer, data, size);
    bytes_end_message(writer, mark);
}

enum codec_result backend_parse_parameter_status(const uint8_t *body, size_t size, const char **name_out, const char **value_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *name_out = bytes_read_cstring(&reader);
    *value_out = bytes_read_cstring(&reader);
    return result_of(&reader);
}

void backend_write_parameter_status(struct bytes_writer *writer, const char *name, const char *value)
{
    size_t mark = bytes_begin_message(writer, BACKEND_PARAMETER_STATUS);
    bytes_write_cstring(writer, name);
    bytes_write_cstring(writer, value);
    bytes_end_message(writer, mark);
}

enum codec_result backend_parse_key_data(const uint8_t *body, size_t size, uint32_t *pid_out, const uint8_t **key_out, size_t *key_size_out)
{
    enum { KEY_SIZE_MIN = 4, KEY_SIZE_MAX = 256 }; /* 4 in protocol 3.0 */
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *pid_out = bytes_read_u32(&reader);
    *key_size_out = bytes_left(&reader);
    *key_out = bytes_read_block(&reader, *key_size_out);
    if (*key_size_out < KEY_SIZE_MIN || *key_size_out > KEY_SIZE_MAX) return CODEC_BAD;
    return result_of(&reader);
}

void backend_write_key_data(struct bytes_writer *writer, uint32_t pid, const uint8_t *key, size_t key_size)
{
    size_t mark = bytes_begin_message(writer, BACKEND_KEY_DATA);
    bytes_write_u32(writer, pid);
    bytes_write_block(writer, key, key_size);
    bytes_end_message(writer, mark);
}

enum codec_result backend_parse_ready_for_query(const uint8_t *body, size_t size, char *status_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *status_out = (char)bytes_read_u8(&reader);
    if (*status_out != 'I' && *status_out != 'T' && *status_out != 'E') return CODEC_BAD;
    return result_of(&reader);
}

void backend_write_ready_for_query(struct bytes_writer *writer, char status)
{
    size_t mark = bytes_begin_message(writer, BACKEND_READY_FOR_QUERY);
    bytes_write_u8(writer, (uint8_t)status);
    bytes_end_message(writer, mark);
}

void backend_write_negotiate_protocol_version(struct bytes_writer *writer, uint32_t newest_minor, const char *const *options,
                                              uint32_t count)
{
    size_t mark = bytes_begin_message(writer, BACKEND_NEGOTIATE_PROTOCOL_VERSION);
    /* The manual says minor version; PostgreSQL sends, and libpq expects, the whole one. */
    bytes_write_u32(writer, (uint32_t)3 << 16 | newest_minor);
    bytes_write_u32(writer, count);
    for (uint32_t i = 0; i < count; i++) bytes_write_cstring(writer, options[i]);
    bytes_end_message(writer, mark);
}

/* ---- errors ---- */

enum codec_result backend_parse_error(const uint8_t *body, size_t size, struct backend_error *error_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    memset(error_out, 0, sizeof *error_out);
    const char *translated_severity = NULL;
    for (uint8_t field = bytes_read_u8(&reader); field != '\0'; field = bytes_read_u8(&reader)) {
        const char *value = bytes_read_cstring(&reader);
        switch (field) {
        case 'V': error_out->severity = value; break;
        case 'S': translated_severity = value; break;
        case 'C': error_out->sqlstate = value; break;
        case 'M': error_out->message = value; break;
        case 'D': error_out->detail = value; break;
        case 'H': error_out->hint = value; break;
        default: /* new field types may come any time */ break;
        }
    }
    if (error_out->severity == NULL) error_out->severity = translated_severity;
    return result_of(&reader);
}

static void write_field(struct bytes_writer *writer, char field, const char *value)
{
    if (value == NULL) return;
    bytes_write_u8(writer, (uint8_t)field);
    bytes_write_cstring(writer, value);
}

static void write_report(struct bytes_writer *writer, enum backend_type type, const struct backend_error *report)
{
    size_t mark = bytes_begin_message(writer, (uint8_t)type);
    write_field(writer, 'S', report->severity);
    write_field(writer, 'V', report->severity);
    write_field(writer, 'C', report->sqlstate);
    write_field(writer, 'M', report->message);
    write_field(writer, 'D', report->detail);
    write_field(writer, 'H', report->hint);
    bytes_write_u8(writer, '\0');
    bytes_end_message(writer, mark);
}

void backend_write_error(struct bytes_writer *writer, const struct backend_error *error)
{
    write_report(writer, BACKEND_ERROR, error);
}

void backend_write_notice(struct bytes_writer *writer, const struct backend_error *notice)
{
    write_report(writer, BACKEND_NOTICE, notice);
}

/* ---- results ---- */

enum codec_result backend_parse_command_complete(const uint8_t *body, size_t size, const char **tag_out)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    *tag_out = bytes_read_cstring(&reader);
    return result_of(&reader);
}

void backend_write_command_complete(struct bytes_writer *writer, const char *tag)
{
    size_t mark = bytes_begin_message(writer, BACKEND_COMMAND_COMPLETE);
    bytes_write_cstring(writer, tag);
    bytes_end_message(writer, mark);
}

void backend_write_empty_query(struct bytes_writer *writer)
{
    backend_write_bare(writer, BACKEND_EMPTY_QUERY);
}

/* pg_type.typlen of the fixed-size types that our own results use; -1 (variable) for the rest. */
static uint16_t type_size(uint32_t oid)
{
    switch (oid) {
    case 16: /* bool */ return 1;
    case 21: /* int2 */ return 2;
    case 23: /* int4 */
    case 26: /* oid */
    case 700: /* float4 */ return 4;
    case 20:   /* int8 */
    case 701:  /* float8 */
    case 1114: /* timestamp */
    case 1184: /* timestamptz */ return 8;
    case 19: /* name */ return 64;
    default: return UINT16_MAX;
    }
}

void backend_write_row_description(struct bytes_writer *writer, const char *const *names, const uint32_t *type_oids, uint16_t count)
{
    size_t mark = bytes_begin_message(writer, BACKEND_ROW_DESCRIPTION);
    bytes_write_u16(writer, count);
    for (size_t i = 0; i < count; i++) {
        bytes_write_cstring(writer, names[i]);
        bytes_write_u32(writer, 0); /* of no table */
        bytes_write_u16(writer, 0); /* and no column number */
        bytes_write_u32(writer, type_oids[i]);
        bytes_write_u16(writer, type_size(type_oids[i]));
        bytes_write_u32(writer, UINT32_MAX); /* no type modifier */
        bytes_write_u16(writer, 0);          /* text format */
    }
    bytes_end_message(writer, mark);
}

void backend_write_data_row(struct bytes_writer *writer, const char *const *values, uint16_t count)
{
    size_t mark = bytes_begin_message(writer, BACKEND_DATA_ROW);
    bytes_write_u16(writer, count);
    for (size_t i = 0; i < count; i++) {
        size_t size = values[i] == NULL ? 0 : strlen(values[i]);
        bytes_write_u32(writer, values[i] == NULL ? UINT32_MAX : (uint32_t)size);
        bytes_write_block(writer, values[i], size);
    }
    bytes_end_message(writer, mark);
}

void backend_write_bare(struct bytes_writer *writer, enum backend_type type)
{
    bytes_end_message(writer, bytes_begin_message(writer, (uint8_t)type));
}
