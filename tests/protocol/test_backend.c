/* protocol/backend.h: each sample is written, compared with its bytes, cut everywhere, and read back. */
#include "protocol/backend.h"

#include "protocol/frame.h"
#include "tests/protocol/message_samples.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct backend_error full_error = {
    .severity = "FATAL", .sqlstate = "53300", .message = "too many", .detail = "85 of 85", .hint = "wait"};
static const struct backend_error short_error = {.severity = "ERROR", .message = "no"};

/* ---- what is written; each of these gives the bytes of the sample of the same name ---- */

static void write_ok(struct bytes_writer *writer)
{
    backend_write_authentication(writer, BACKEND_AUTH_OK, NULL, 0);
}
static void write_cleartext(struct bytes_writer *writer)
{
    backend_write_authentication(writer, BACKEND_AUTH_CLEARTEXT, NULL, 0);
}
static void write_md5(struct bytes_writer *writer)
{
    backend_write_authentication(writer, BACKEND_AUTH_MD5, "\x01\0\xfe\x7f", 4);
}
static void write_sasl(struct bytes_writer *writer)
{
    backend_write_authentication(writer, BACKEND_AUTH_SASL, "SCRAM-SHA-256\0", 15);
}
static void write_sasl_final(struct bytes_writer *writer)
{
    backend_write_authentication(writer, BACKEND_AUTH_SASL_FINAL, "v=", 2);
}
static void write_parameter_status(struct bytes_writer *writer)
{
    backend_write_parameter_status(writer, "TimeZone", "Etc/UTC");
}
static void write_key_data(struct bytes_writer *writer)
{
    backend_write_key_data(writer, 0x12345678, BYTES("\xde\xad\xbe\xef"));
}
static void write_ready(struct bytes_writer *writer)
{
    backend_write_ready_for_query(writer, 'I');
}
static void write_error(struct bytes_writer *writer)
{
    backend_write_error(writer, &full_error);
}
static void write_notice(struct bytes_writer *writer)
{
    backend_write_notice(writer, &short_error);
}
static void write_negotiate(struct bytes_writer *writer)
{
    static const char *const options[] = {"_pq_.a", "_pq_.b"};
    backend_write_negotiate_protocol_version(writer, 2, options, 2);
}
static void write_negotiate_without_options(struct bytes_writer *writer)
{
    backend_write_negotiate_protocol_version(writer, 0, NULL, 0);
}
static void write_command_complete(struct bytes_writer *writer)
{
    backend_write_command_complete(writer, "SELECT 1");
}
static void write_empty_query(struct bytes_writer *writer)
{
    backend_write_empty_query(writer);
}
static void write_row_description(struct bytes_writer *writer)
{
    static const char *const names[] = {"a", "n"};
    static const uint32_t oids[] = {25, 20};
    backend_write_row_description(writer, names, oids, 2);
}
static void write_no_columns(struct bytes_writer *writer)
{
    backend_write_row_description(writer, NULL, NULL, 0);
}
static void write_data_row(struct bytes_writer *writer)
{
    static const char *const values[] = {"x", NULL, ""};
    backend_write_data_row(writer, values, 3);
}
static void write_parse_complete(struct bytes_writer *writer)
{
    backend_write_bare(writer, BACKEND_PARSE_COMPLETE);
}

/* ---- decoders in one shape; what they give is checked in the tests by name ---- */

static enum codec_result decode_authentication(const uint8_t *body, size_t size)
{
    uint32_t code;
    const uint8_t *data;
    size_t data_size;
    return backend_parse_authentication(body, size, &code, &data, &data_size);
}

static enum codec_result decode_parameter_status(const uint8_t *body, size_t size)
{
    const char *name;
    const char *value;
    return backend_parse_parameter_status(body, size, &name, &value);
}

static enum codec_result decode_ready(const uint8_t *body, size_t size)
{
    char status;
    return backend_parse_ready_for_query(body, size, &status);
}

static enum codec_result decode_error(const uint8_t *body, size_t size)
{
    struct backend_error error;
    return backend_parse_error(body, size, &error);
}

static enum codec_result decode_command_complete(const uint8_t *body, size_t size)
{
    const char *tag;
    return backend_parse_command_complete(body, size, &tag);
}

static const struct message_sample samples[] = {
    {"ok", write_ok, decode_authentication, BYTES("R\0\0\0\x08\0\0\0\0")},
    {"cleartext", write_cleartext, decode_authentication, BYTES("R\0\0\0\x08\0\0\0\x03")},
    {"md5", write_md5, decode_authentication, BYTES("R\0\0\0\x0c\0\0\0\x05\x01\0\xfe\x7f")},
    {"sasl", write_sasl, NULL, BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0")},
    {"sasl final", write_sasl_final, NULL, BYTES("R\0\0\0\x0a\0\0\0\x0cv=")},
    {"parameter status", write_parameter_status, decode_parameter_status, BYTES("S\0\0\0\x15TimeZone\0Etc/UTC\0")},
    {"key data", write_key_data, NULL, BYTES("K\0\0\0\x0c\x12\x34\x56\x78\xde\xad\xbe\xef")},
    {"ready", write_ready, decode_ready, BYTES("Z\0\0\0\x05I")},
    {"error", write_error, decode_error, BYTES("E\0\0\0\x34SFATAL\0VFATAL\0C53300\0Mtoo many\0D85 of 85\0Hwait\0\0")},
    {"notice", write_notice, decode_error, BYTES("N\0\0\0\x17SERROR\0VERROR\0Mno\0\0")},
    {"negotiate", write_negotiate, NULL, BYTES("v\0\0\0\x1a\0\x03\0\x02\0\0\0\x02_pq_.a\0_pq_.b\0")},
    {"negotiate without options", write_negotiate_without_options, NULL, BYTES("v\0\0\0\x0c\0\x03\0\0\0\0\0\0")},
    {"command complete", write_command_complete, decode_command_complete, BYTES("C\0\0\0\x0dSELECT 1\0")},
    {"empty query", write_empty_query, NULL, BYTES("I\0\0\0\x04")},
    {"row description", write_row_description, NULL,
     BYTES("T\0\0\0\x2e\0\x02\x61\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
           "n\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0")},
    {"no columns", write_no_columns, NULL, BYTES("T\0\0\0\x06\0\0")},
    {"data row", write_data_row, NULL, BYTES("D\0\0\0\x13\0\x03\0\0\0\x01x\xff\xff\xff\xff\0\0\0\0")},
    {"parse complete", write_parse_complete, NULL, BYTES("1\0\0\0\x04")},
};

Test(backend, samples)
{
    message_samples_hold(samples, sizeof samples / sizeof samples[0], backend_type_name);
}

Test(backend, type_names)
{
    cr_assert_str_eq(backend_type_name('Z'), "ReadyForQuery");
    cr_assert_str_eq(backend_type_name(BACKEND_COPY_BOTH), "CopyBothResponse");
    cr_assert_null(backend_type_name(0));
    cr_assert_null(backend_type_name('Q'));
    cr_assert_null(backend_type_name(255));
}

Test(backend, sqlstates_are_five_characters)
{
#define X(name, code) cr_assert_eq(strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 5, "%s", #name);
#include "protocol/sqlstates.def"
#undef X
    cr_assert_str_eq(SQLSTATE_TOO_MANY_CONNECTIONS, "53300");
}

/* pg_type.typlen of PostgreSQL 15. */
Test(backend, columns_have_the_size_of_their_type)
{
    static const struct {
        uint32_t oid;
        int16_t size;
    } types[] = {{16, 1},  {19, 64}, {20, 8},    {21, 2},   {23, 4},   {25, -1},  {26, 4},
                 {700, 4}, {701, 8}, {1043, -1}, {1114, 8}, {1184, 8}, {1700, -1}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        static const char *const names[] = {"a"};
        uint8_t buffer[64];
        struct bytes_writer writer;
        bytes_writer_init(&writer, buffer, sizeof buffer);
        backend_write_row_description(&writer, names, &types[i].oid, 1);
        const uint8_t *size = buffer + FRAME_HEADER_SIZE + 2 + 2 + 4 + 2 + 4;
        cr_assert_eq((int16_t)(size[0] << 8 | size[1]), types[i].size, "%u", types[i].oid);
    }
}

Test(backend, authentication)
{
    static const uint8_t body[] = {0, 0, 0, 11, 'r', '='};
    uint32_t code;
    const uint8_t *data;
    size_t size;
    for (size_t cut = 0; cut < 4; cut++) cr_assert_eq(backend_parse_authentication(body, cut, &code, &data, &size), CODEC_BAD);
    for (size_t cut = 4; cut <= sizeof body; cut++) {
        cr_assert_eq(backend_parse_authentication(body, cut, &code, &data, &size), CODEC_OK);
        cr_assert_eq(code, BACKEND_AUTH_SASL_CONTINUE);
        cr_assert_eq(data, body + 4);
        cr_assert_eq(size, cut - 4);
    }
}

Test(backend, authentication_codes_we_do_not_know_are_the_callers)
{
    uint32_t code;
    const uint8_t *data;
    size_t size;
    cr_assert_eq(backend_parse_authentication(BYTES("\0\0\0\x07"), &code, &data, &size), CODEC_OK);
    cr_assert_eq(code, 7);
}

Test(backend, parameter_status)
{
    const char *name;
    const char *value;
    cr_assert_eq(backend_parse_parameter_status(BYTES("TimeZone\0\0"), &name, &value), CODEC_OK);
    cr_assert_str_eq(name, "TimeZone");
    cr_assert_str_eq(value, "");
}

Test(backend, key_data)
{
    static const uint8_t body[4 + 257] = {0x12, 0x34, 0x56, 0x78, 0xde, 0xad, 0xbe, 0xef};
    uint32_t pid;
    const uint8_t *key;
    size_t size;
    for (size_t cut = 0; cut <= sizeof body; cut++) {
        enum codec_result expected = cut >= 8 && cut <= 4 + 256 ? CODEC_OK : CODEC_BAD;
        cr_assert_eq(backend_parse_key_data(body, cut, &pid, &key, &size), expected, "cut to %zu", cut);
        if (expected == CODEC_BAD) continue;
        cr_assert_eq(pid, 0x12345678);
        cr_assert_eq(key, body + 4);
        cr_assert_eq(size, cut - 4);
    }
}

Test(backend, ready_for_query)
{
    for (int byte = 0; byte < 256; byte++) {
        const uint8_t body[] = {(uint8_t)byte};
        char status;
        enum codec_result expected = byte == 'I' || byte == 'T' || byte == 'E' ? CODEC_OK : CODEC_BAD;
        cr_assert_eq(backend_parse_ready_for_query(body, 1, &status), expected, "%d", byte);
        if (expected == CODEC_OK) cr_assert_eq(status, byte);
    }
}

Test(backend, error_fields_are_read)
{
    struct backend_error error;
    cr_assert_eq(backend_parse_error(BYTES("SFATAL\0VFATAL\0C53300\0Mtoo many\0D85 of 85\0Hwait\0Fx.c\0L12\0\0"), &error), CODEC_OK);
    cr_assert_str_eq(error.severity, full_error.severity);
    cr_assert_str_eq(error.sqlstate, full_error.sqlstate);
    cr_assert_str_eq(error.message, full_error.message);
    cr_assert_str_eq(error.detail, full_error.detail);
    cr_assert_str_eq(error.hint, full_error.hint);
}

Test(backend, severity_is_the_one_that_is_never_translated)
{
    struct backend_error error;
    cr_assert_eq(backend_parse_error(BYTES("SFEHLER\0VERROR\0\0"), &error), CODEC_OK);
    cr_assert_str_eq(error.severity, "ERROR");
    cr_assert_eq(backend_parse_error(BYTES("VERROR\0SFEHLER\0\0"), &error), CODEC_OK);
    cr_assert_str_eq(error.severity, "ERROR");
    cr_assert_eq(backend_parse_error(BYTES("SFEHLER\0\0"), &error), CODEC_OK);
    cr_assert_str_eq(error.severity, "FEHLER");
}

Test(backend, an_error_without_fields)
{
    struct backend_error error;
    cr_assert_eq(backend_parse_error(BYTES("\0"), &error), CODEC_OK);
    cr_assert_null(error.severity);
    cr_assert_null(error.sqlstate);
    cr_assert_null(error.message);
    cr_assert_null(error.detail);
    cr_assert_null(error.hint);
}

Test(backend, command_complete)
{
    const char *tag;
    cr_assert_eq(backend_parse_command_complete(BYTES("INSERT 0 1\0"), &tag), CODEC_OK);
    cr_assert_str_eq(tag, "INSERT 0 1");
}
