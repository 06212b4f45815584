/* protocol/frontend.h, typed messages: each sample is written, compared with its bytes, cut everywhere, and read back. */
#include "protocol/frontend.h"

#include "protocol/frame.h"
#include "tests/protocol/message_samples.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is written; each of these gives the bytes of the sample of the same name ---- */

static void write_query(struct bytes_writer *writer)
{
    frontend_write_query(writer, "select 1");
}
static void write_empty_query(struct bytes_writer *writer)
{
    frontend_write_query(writer, "");
}
static void write_parse(struct bytes_writer *writer)
{
    static const uint32_t types[] = {23, 0xfffffffeu};
    frontend_write_parse(writer, "s1", "select $1", types, 2);
}
static void write_parse_without_types(struct bytes_writer *writer)
{
    frontend_write_parse(writer, "", "x", NULL, 0);
}
static void write_bind(struct bytes_writer *writer)
{
    static const char *const values[] = {"42", NULL, ""};
    frontend_write_bind(writer, "p", "s1", values, 3);
}
static void write_bind_without_values(struct bytes_writer *writer)
{
    frontend_write_bind(writer, "", "", NULL, 0);
}
static void write_describe(struct bytes_writer *writer)
{
    frontend_write_describe(writer, 'S', "s1");
}
static void write_close(struct bytes_writer *writer)
{
    frontend_write_close(writer, 'P', "");
}
static void write_execute(struct bytes_writer *writer)
{
    frontend_write_execute(writer, "p", 0x01020304);
}
static void write_sync(struct bytes_writer *writer)
{
    frontend_write_sync(writer);
}
static void write_flush(struct bytes_writer *writer)
{
    frontend_write_flush(writer);
}
static void write_terminate(struct bytes_writer *writer)
{
    frontend_write_terminate(writer);
}
static void write_copy_data(struct bytes_writer *writer)
{
    frontend_write_copy_data(writer, "1\t2\n", 4);
}
static void write_copy_done(struct bytes_writer *writer)
{
    frontend_write_copy_done(writer);
}
static void write_copy_fail(struct bytes_writer *writer)
{
    frontend_write_copy_fail(writer, "no");
}
static void write_function_call(struct bytes_writer *writer)
{
    static const uint8_t argument[] = {0, 0, 0, 7};
    const uint8_t *const arguments[] = {argument, NULL};
    static const uint32_t sizes[] = {4, 0};
    frontend_write_function_call(writer, 952, arguments, sizes, 2);
}
static void write_password(struct bytes_writer *writer)
{
    frontend_write_password(writer, "pw");
}
static void write_sasl_initial(struct bytes_writer *writer)
{
    frontend_write_sasl_initial(writer, "SCRAM-SHA-256", "n,,", 3);
}
static void write_sasl_initial_without_data(struct bytes_writer *writer)
{
    frontend_write_sasl_initial(writer, "M", NULL, 0);
}
static void write_sasl_response(struct bytes_writer *writer)
{
    frontend_write_sasl_response(writer, "c=biws", 6);
}

/* ---- decoders in one shape; what they give is checked in the tests by name ---- */

static enum codec_result decode_text(const uint8_t *body, size_t size)
{
    const char *text;
    return frontend_parse_query(body, size, &text);
}

static enum codec_result decode_parse(const uint8_t *body, size_t size)
{
    struct frontend_parse_message message;
    return frontend_parse_parse(body, size, &message);
}

static enum codec_result decode_target(const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    return frontend_parse_target(body, size, &kind, &name);
}

static enum codec_result decode_execute(const uint8_t *body, size_t size)
{
    const char *portal;
    uint32_t max_rows;
    return frontend_parse_execute(body, size, &portal, &max_rows);
}

static enum codec_result decode_password(const uint8_t *body, size_t size)
{
    const char *password;
    return frontend_parse_password(body, size, &password);
}

static enum codec_result decode_sasl_initial(const uint8_t *body, size_t size)
{
    const char *mechanism;
    const uint8_t *data;
    size_t data_size;
    return frontend_parse_sasl_initial(body, size, &mechanism, &data, &data_size);
}

static const struct message_sample samples[] = {
    {"query", write_query, decode_text, BYTES("Q\0\0\0\x0dselect 1\0")},
    {"empty query", write_empty_query, decode_text, BYTES("Q\0\0\0\x05\0")},
    {"parse", write_parse, decode_parse, BYTES("P\0\0\0\x1bs1\0select $1\0\0\x02\0\0\0\x17\xff\xff\xff\xfe")},
    {"parse without types", write_parse_without_types, decode_parse, BYTES("P\0\0\0\x09\0x\0\0\0")},
    {"bind", write_bind, NULL, BYTES("B\0\0\0\x1dp\0s1\0\0\0\0\x03\0\0\0\x02\x34\x32\xff\xff\xff\xff\0\0\0\0\0\0")},
    {"bind without values", write_bind_without_values, NULL, BYTES("B\0\0\0\x0c\0\0\0\0\0\0\0\0")},
    {"describe", write_describe, decode_target, BYTES("D\0\0\0\x08Ss1\0")},
    {"close", write_close, decode_target, BYTES("C\0\0\0\x06P\0")},
    {"execute", write_execute, decode_execute, BYTES("E\0\0\0\x0ap\0\x01\x02\x03\x04")},
    {"sync", write_sync, NULL, BYTES("S\0\0\0\x04")},
    {"flush", write_flush, NULL, BYTES("H\0\0\0\x04")},
    {"terminate", write_terminate, NULL, BYTES("X\0\0\0\x04")},
    {"copy data", write_copy_data, NULL, BYTES("d\0\0\0\x08\x31\t\x32\n")},
    {"copy done", write_copy_done, NULL, BYTES("c\0\0\0\x04")},
    {"copy fail", write_copy_fail, NULL, BYTES("f\0\0\0\x07no\0")},
    {"function call", write_function_call, NULL,
     BYTES("F\0\0\0\x1c\0\0\x03\xb8\0\x01\0\x01\0\x02\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\x01")},
    {"password", write_password, decode_password, BYTES("p\0\0\0\x07pw\0")},
    {"sasl initial", write_sasl_initial, decode_sasl_initial, BYTES("p\0\0\0\x19SCRAM-SHA-256\0\0\0\0\x03n,,")},
    {"sasl initial without data", write_sasl_initial_without_data, decode_sasl_initial, BYTES("p\0\0\0\x0aM\0\xff\xff\xff\xff")},
    {"sasl response", write_sasl_response, NULL, BYTES("p\0\0\0\x0a\x63=biws")},
};

Test(frontend, samples)
{
    message_samples_hold(samples, sizeof samples / sizeof samples[0], frontend_type_name);
}

Test(frontend, type_names)
{
    cr_assert_str_eq(frontend_type_name('Q'), "Query");
    cr_assert_str_eq(frontend_type_name(FRONTEND_COPY_FAIL), "CopyFail");
    cr_assert_null(frontend_type_name(0));
    cr_assert_null(frontend_type_name('Z'));
    cr_assert_null(frontend_type_name(255));
}

Test(frontend, query)
{
    const char *text;
    cr_assert_eq(frontend_parse_query(BYTES("select 1\0"), &text), CODEC_OK);
    cr_assert_str_eq(text, "select 1");
    cr_assert_eq(frontend_parse_query(BYTES("select\0 1\0"), &text), CODEC_BAD, "a NUL inside");
}

Test(frontend, parse)
{
    static const uint8_t body[] = {'s', 0, 'q', 0, 0, 2, 0, 0, 0, 23, 1, 2, 3, 4};
    struct frontend_parse_message message;
    cr_assert_eq(frontend_parse_parse(body, sizeof body, &message), CODEC_OK);
    cr_assert_str_eq(message.statement, "s");
    cr_assert_str_eq(message.text, "q");
    cr_assert_eq(message.type_count, 2);
    cr_assert_eq(message.types, body + 6);
}

Test(frontend, parse_with_more_types_than_bytes)
{
    static const uint8_t body[] = {0, 0, 0xff, 0xff, 0, 0, 0, 23};
    struct frontend_parse_message message;
    cr_assert_eq(frontend_parse_parse(body, sizeof body, &message), CODEC_BAD);
}

Test(frontend, parse_with_the_most_types)
{
    enum { COUNT = UINT16_MAX, SIZE = 2 + 2 + 4 * COUNT };
    uint8_t *body = calloc(1, SIZE);
    body[2] = 0xff;
    body[3] = 0xff;
    struct frontend_parse_message message;
    cr_assert_eq(frontend_parse_parse(body, SIZE, &message), CODEC_OK);
    cr_assert_eq(message.type_count, COUNT);
    cr_assert_eq(frontend_parse_parse(body, SIZE - 1, &message), CODEC_BAD);
    free(body);
}

Test(frontend, bind_names_need_only_the_head_of_the_body)
{
    static const uint8_t body[] = {'p', 0, 's', '1', 0, 0, 0, 0xff, 0xff};
    const char *portal;
    const char *statement;
    for (size_t size = 0; size < 5; size++) cr_assert_eq(frontend_parse_bind_names(body, size, &portal, &statement), CODEC_MORE);
    for (size_t size = 5; size <= sizeof body; size++) {
        cr_assert_eq(frontend_parse_bind_names(body, size, &portal, &statement), CODEC_OK);
        cr_assert_str_eq(portal, "p");
        cr_assert_str_eq(statement, "s1");
    }
}

Test(frontend, targets)
{
    char kind;
    const char *name;
    cr_assert_eq(frontend_parse_target(BYTES("Ss1\0"), &kind, &name), CODEC_OK);
    cr_assert_eq(kind, 'S');
    cr_assert_str_eq(name, "s1");
    cr_assert_eq(frontend_parse_target(BYTES("P\0"), &kind, &name), CODEC_OK);
    cr_assert_eq(kind, 'P');
    cr_assert_str_eq(name, "");
    for (int byte = 0; byte < 256; byte++) {
        const uint8_t body[] = {(uint8_t)byte, 'x', 0};
        enum codec_result expected = byte == 'S' || byte == 'P' ? CODEC_OK : CODEC_BAD;
        cr_assert_eq(frontend_parse_target(body, sizeof body, &kind, &name), expected, "%d", byte);
    }
}

Test(frontend, execute)
{
    const char *portal;
    uint32_t max_rows;
    cr_assert_eq(frontend_parse_execute(BYTES("p\0\x01\x02\x03\x04"), &portal, &max_rows), CODEC_OK);
    cr_assert_str_eq(portal, "p");
    cr_assert_eq(max_rows, 0x01020304);
}

Test(frontend, password)
{
    const char *password;
    cr_assert_eq(frontend_parse_password(BYTES("pw\0"), &password), CODEC_OK);
    cr_assert_str_eq(password, "pw");
    cr_assert_eq(frontend_parse_password(BYTES("\0"), &password), CODEC_OK);
    cr_assert_str_eq(password, "");
    cr_assert_eq(frontend_parse_password(BYTES("p\0w\0"), &password), CODEC_BAD, "a NUL inside");
}

Test(frontend, sasl_initial)
{
    static const uint8_t body[] = {'M', 0, 0, 0, 0, 2, 'a', 0};
    const char *mechanism;
    const uint8_t *data;
    size_t size;
    cr_assert_eq(frontend_parse_sasl_initial(body, sizeof body, &mechanism, &data, &size), CODEC_OK);
    cr_assert_str_eq(mechanism, "M");
    cr_assert_eq(data, body + 6);
    cr_assert_eq(size, 2);

    cr_assert_eq(frontend_parse_sasl_initial(BYTES("M\0\0\0\0\0"), &mechanism, &data, &size), CODEC_OK);
    cr_assert_not_null(data, "empty is not absent");
    cr_assert_eq(size, 0);

    cr_assert_eq(frontend_parse_sasl_initial(BYTES("M\0\xff\xff\xff\xff"), &mechanism, &data, &size), CODEC_OK);
    cr_assert_null(data);
    cr_assert_eq(size, 0);
}

Test(frontend, sasl_initial_lies_about_its_length)
{
    static const uint32_t lies[] = {0, 1, 3, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const uint8_t body[] = {'M', 0,  (uint8_t)(lies[i] >> 24), (uint8_t)(lies[i] >> 16), (uint8_t)(lies[i] >> 8), (uint8_t)lies[i],
                                'a', 'b'};
        const char *mechanism;
        const uint8_t *data;
        size_t size;
        cr_assert_eq(frontend_parse_sasl_initial(body, sizeof body, &mechanism, &data, &size), CODEC_BAD, "%x", lies[i]);
    }
}

Test(frontend, sasl_initial_with_a_negative_length_other_than_absent)
{
    const char *mechanism;
    const uint8_t *data;
    size_t size;
    cr_assert_eq(frontend_parse_sasl_initial(BYTES("M\0\x80\0\0\0"), &mechanism, &data, &size), CODEC_BAD);
    cr_assert_eq(frontend_parse_sasl_initial(BYTES("M\0\xff\xff\xff\xfe"), &mechanism, &data, &size), CODEC_BAD);
}
