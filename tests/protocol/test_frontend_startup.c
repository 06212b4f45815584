/* protocol/frontend.h, startup packets and the `options` parameter. */
#include "protocol/frontend.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* In memory of exactly this size, so that the sanitizers see a read behind it. */
static enum codec_result parse_copy(const uint8_t *data, size_t size)
{
    struct frontend_startup startup;
    const char *why = NULL;
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, data, size);
    enum codec_result result = frontend_parse_startup(copy, size, &startup, &why);
    if (result == CODEC_BAD) cr_assert(why != NULL && *why != '\0');
    free(copy);
    return result;
}

static void check_every_prefix(const uint8_t *data, size_t size)
{
    for (size_t cut = 0; cut < size; cut++) cr_assert_eq(parse_copy(data, cut), CODEC_MORE, "cut to %zu", cut);
    cr_assert_eq(parse_copy(data, size), CODEC_OK);
}

/* A packet of `length` bytes, or the part of it that fits in 16; the rest are zeros. */
static enum codec_result parse_header(uint32_t length, uint32_t code)
{
    uint8_t data[16] = {0};
    struct bytes_writer writer;
    bytes_writer_init(&writer, data, sizeof data);
    bytes_write_u32(&writer, length);
    bytes_write_u32(&writer, code);
    return parse_copy(data, length < sizeof data ? length < 8 ? 8 : length : sizeof data);
}

enum { CODE_CANCEL = 80877102, CODE_SSL = 80877103, CODE_GSSENC = 80877104, VERSION_3 = 3 << 16 };

Test(frontend_startup, parameters_come_in_order)
{
    static const uint8_t packet[] = "\0\0\0\x21\0\x03\0\x02user\0alice\0options\0\0x\0y\0";
    cr_assert_eq(sizeof packet, 0x21);
    struct frontend_startup startup;
    const char *why;
    const char *name;
    const char *value;
    check_every_prefix(packet, sizeof packet);
    cr_assert_eq(frontend_parse_startup(packet, sizeof packet, &startup, &why), CODEC_OK);
    cr_assert_eq(startup.kind, FRONTEND_STARTUP);
    cr_assert_eq(startup.packet_size, sizeof packet);
    cr_assert_eq(startup.version_major, 3);
    cr_assert_eq(startup.version_minor, 2);
    cr_assert(frontend_next_parameter(&startup.parameters, &name, &value));
    cr_assert_str_eq(name, "user");
    cr_assert_str_eq(value, "alice");
    cr_assert(frontend_next_parameter(&startup.parameters, &name, &value));
    cr_assert_str_eq(name, "options");
    cr_assert_str_eq(value, "");
    cr_assert(frontend_next_parameter(&startup.parameters, &name, &value));
    cr_assert_str_eq(name, "x");
    cr_assert_str_eq(value, "y");
    cr_assert_not(frontend_next_parameter(&startup.parameters, &name, &value));
    cr_assert_not(frontend_next_parameter(&startup.parameters, &name, &value));
}

Test(frontend_startup, only_the_first_packet_is_consumed)
{
    static const uint8_t data[] = "\0\0\0\x09\0\x03\0\0\0GET / HTTP";
    struct frontend_startup startup;
    const char *why;
    cr_assert_eq(frontend_parse_startup(data, sizeof data, &startup, &why), CODEC_OK);
    cr_assert_eq(startup.packet_size, 9);
    const char *name;
    const char *value;
    cr_assert_not(frontend_next_parameter(&startup.parameters, &name, &value));
}

Test(frontend_startup, parameters_that_are_no_pairs)
{
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x08\0\x03\0\0")), CODEC_BAD, "no terminator");
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x0f\0\x03\0\0user\0a\0")), CODEC_BAD, "no terminator behind the pair");
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x0e\0\x03\0\0user\0\0")), CODEC_BAD, "the terminator is the value");
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x0d\0\x03\0\0user\0")), CODEC_BAD, "no value");
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x0c\0\x03\0\0user")), CODEC_BAD, "a name without end");
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x0e\0\x03\0\0user\0a")), CODEC_BAD, "a value without end");
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x0a\0\x03\0\0\0\0")), CODEC_BAD, "a byte behind the terminator");
    cr_assert_eq(parse_copy(BYTES("\0\0\0\x12\0\x03\0\0user\0a\0\0\0x")), CODEC_BAD, "bytes behind the terminator");
}

Test(frontend_startup, any_cut_that_claims_to_be_whole_is_bad)
{
    uint8_t packet[] = "\0\0\0\x17\0\x03\0\0user\0alice\0x\0y\0"; /* and the NUL of the literal */
    for (uint8_t length = 8; length < sizeof packet; length++) {
        packet[3] = length;
        cr_assert_eq(parse_copy(packet, length), CODEC_BAD, "length %d", length);
    }
    packet[3] = sizeof packet;
    cr_assert_eq(parse_copy(packet, sizeof packet), CODEC_OK);
}

Test(frontend_startup, lengths)
{
    for (uint32_t length = 0; length < 8; length++) cr_assert_eq(parse_header(length, VERSION_3), CODEC_BAD, "%u", length);
    cr_assert_eq(parse_header(FRONTEND_STARTUP_SIZE_MAX, VERSION_3), CODEC_MORE);
    static const uint32_t bad[] = {FRONTEND_STARTUP_SIZE_MAX + 1, 0x7fffffffu, 0x80000000u, 0x80000009u, 0xffffffffu};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) cr_assert_eq(parse_header(bad[i], VERSION_3), CODEC_BAD, "%x", bad[i]);
    cr_assert_eq(parse_copy(BYTES("GET ")), CODEC_BAD, "the length alone condemns it");
    cr_assert_eq(parse_copy(BYTES("\x16\x03\x01\x02")), CODEC_BAD, "a TLS ClientHello");
}

Test(frontend_startup, the_largest_packet)
{
    uint8_t *packet = malloc(FRONTEND_STARTUP_SIZE_MAX);
    memset(packet, 'a', FRONTEND_STARTUP_SIZE_MAX);
    memcpy(packet, "\0\0\x27\x10\0\x03\0\0user", 12);
    packet[12] = '\0';
    packet[FRONTEND_STARTUP_SIZE_MAX - 2] = '\0';
    packet[FRONTEND_STARTUP_SIZE_MAX - 1] = '\0';
    check_every_prefix(packet, FRONTEND_STARTUP_SIZE_MAX);
    free(packet);
}

Test(frontend_startup, other_major_versions_are_left_to_the_caller)
{
    static const uint16_t majors[] = {0, 2, 4, 1234, 0xffff};
    for (size_t i = 0; i < sizeof majors / sizeof majors[0]; i++) {
        const uint8_t packet[] = {0, 0, 0, 10, (uint8_t)(majors[i] >> 8), (uint8_t)majors[i], 0, 7, 'a', 'b'};
        struct frontend_startup startup;
        const char *why;
        const char *name;
        const char *value;
        cr_assert_eq(frontend_parse_startup(packet, sizeof packet, &startup, &why), CODEC_OK);
        cr_assert_eq(startup.kind, FRONTEND_STARTUP);
        cr_assert_eq(startup.version_major, majors[i]);
        cr_assert_eq(startup.version_minor, 7);
        cr_assert_not(frontend_next_parameter(&startup.parameters, &name, &value));
    }
}

Test(frontend_startup, encryption_requests)
{
    uint8_t buffer[8];
    struct bytes_writer writer;
    struct frontend_startup startup;
    const char *why;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    frontend_write_ssl_request(&writer);
    cr_assert_arr_eq(buffer, "\0\0\0\x08\x04\xd2\x16\x2f", sizeof buffer);
    check_every_prefix(buffer, sizeof buffer);
    cr_assert_eq(frontend_parse_startup(buffer, sizeof buffer, &startup, &why), CODEC_OK);
    cr_assert_eq(startup.kind, FRONTEND_SSL_REQUEST);
    cr_assert_eq(startup.packet_size, 8);

    bytes_writer_init(&writer, buffer, sizeof buffer);
    frontend_write_gssenc_request(&writer);
    cr_assert_arr_eq(buffer, "\0\0\0\x08\x04\xd2\x16\x30", sizeof buffer);
    check_every_prefix(buffer, sizeof buffer);
    cr_assert_eq(frontend_parse_startup(buffer, sizeof buffer, &startup, &why), CODEC_OK);
    cr_assert_eq(startup.kind, FRONTEND_GSSENC_REQUEST);

    for (uint32_t length = 9; length < 30; length++) {
        cr_assert_eq(parse_header(length, CODE_SSL), CODEC_BAD);
        cr_assert_eq(parse_header(length, CODE_GSSENC), CODEC_BAD);
    }
}

Test(frontend_startup, cancel_requests)
{
    static const size_t key_sizes[] = {4, 5, 32, FRONTEND_CANCEL_KEY_SIZE_MAX};
    uint8_t key[FRONTEND_CANCEL_KEY_SIZE_MAX];
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof key_sizes / sizeof key_sizes[0]; i++) {
        uint8_t buffer[12 + FRONTEND_CANCEL_KEY_SIZE_MAX];
        struct bytes_writer writer;
        struct frontend_startup startup;
        const char *why;
        bytes_writer_init(&writer, buffer, 12 + key_sizes[i]);
        frontend_write_cancel_request(&writer, 0xdeadbeefu, key, key_sizes[i]);
        cr_assert_not(writer.has_failed);
        cr_assert_eq(writer.size, 12 + key_sizes[i]);
        cr_assert_arr_eq(buffer + 4, "\x04\xd2\x16\x2e\xde\xad\xbe\xef", 8);
        check_every_prefix(buffer, writer.size);
        cr_assert_eq(frontend_parse_startup(buffer, writer.size, &startup, &why), CODEC_OK);
        cr_assert_eq(startup.kind, FRONTEND_CANCEL_REQUEST);
        cr_assert_eq(startup.cancel_pid, 0xdeadbeefu);
        cr_assert_eq(startup.cancel_key_size, key_sizes[i]);
        cr_assert_eq(startup.cancel_key, buffer + 12);
    }
}

Test(frontend_startup, cancel_requests_of_a_wrong_size)
{
    for (uint32_t length = 8; length < 16; length++) cr_assert_eq(parse_header(length, CODE_CANCEL), CODEC_BAD, "%u", length);
    cr_assert_eq(parse_header(12 + FRONTEND_CANCEL_KEY_SIZE_MAX, CODE_CANCEL), CODEC_MORE);
    cr_assert_eq(parse_header(13 + FRONTEND_CANCEL_KEY_SIZE_MAX, CODE_CANCEL), CODEC_BAD);
}

Test(frontend_startup, startup_is_written_as_it_is_read)
{
    static const char *const pairs[] = {"user", "alice", "database", "", NULL};
    static const uint8_t expected[] = "\0\0\0\x1e\0\x03\0\x02user\0alice\0database\0\0";
    uint8_t buffer[64];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    frontend_write_startup(&writer, 3, 2, pairs);
    cr_assert_eq(writer.size, sizeof expected);
    cr_assert_arr_eq(buffer, expected, sizeof expected);
    check_every_prefix(buffer, writer.size);
    for (size_t capacity = 0; capacity < sizeof expected; capacity++) {
        bytes_writer_init(&writer, buffer, capacity);
        frontend_write_startup(&writer, 3, 2, pairs);
        cr_assert(writer.has_failed);
    }
}

/* ---- options ---- */

/* Everything that an options string says, as "name=value;name=value;" and the complaint, if there is one. */
static void read_options(const char *text, char *settings_out, size_t size, const char **why_out)
{
    struct frontend_options options;
    const char *name;
    const char *value;
    char *scratch = malloc(strlen(text) + 2);
    size_t calls = 0;
    settings_out[0] = '\0';
    *why_out = NULL;
    frontend_options_init(&options, text, scratch);
    for (;;) {
        enum codec_result result = frontend_options_next(&options, &name, &value, why_out);
        cr_assert_leq(++calls, strlen(text) + 2, "%s", text);
        cr_assert_neq(result, CODEC_MORE);
        if (result == CODEC_BAD) {
            cr_assert_not_null(*why_out, "%s", text);
            cr_assert_null(name);
            continue;
        }
        if (name == NULL) break;
        cr_assert_lt(strlen(settings_out) + strlen(name) + strlen(value) + 3, size);
        strcat(settings_out, name);
        strcat(settings_out, "=");
        strcat(settings_out, value);
        strcat(settings_out, ";");
    }
    free(scratch);
}

static void expect_settings(const char *text, const char *expected)
{
    char settings[256];
    const char *why;
    read_options(text, settings, sizeof settings, &why);
    cr_assert_null(why, "%s: %s", text, why);
    cr_assert_str_eq(settings, expected, "%s: %s", text, settings);
}

/* `expected` is what was said in front of the fault, `word` is in the complaint. */
static void expect_bad(const char *text, const char *expected, const char *word)
{
    char settings[256];
    const char *why;
    read_options(text, settings, sizeof settings, &why);
    cr_assert_not_null(why, "%s", text);
    cr_assert_not_null(strstr(why, word), "%s: %s", text, why);
    cr_assert_str_eq(settings, expected, "%s: %s", text, settings);
}

Test(frontend_options, settings)
{
    expect_settings("", "");
    expect_settings(" \t\n\v\f\r ", "");
    expect_settings("-c work_mem=4MB", "work_mem=4MB;");
    expect_settings("-cwork_mem=4MB", "work_mem=4MB;");
    expect_settings("--work_mem=4MB", "work_mem=4MB;");
    expect_settings("--work-mem=4MB", "work_mem=4MB;");
    expect_settings("-c work-mem=4-MB", "work_mem=4-MB;");
    expect_settings("  -c  a=1\t-c\nb=2 --c-d=3  ", "a=1;b=2;c_d=3;");
    expect_settings("-c a=", "a=;");
    expect_settings("-c a==b=c", "a==b=c;");
    expect_settings("-c -c=1", "_c=1;");
}

Test(frontend_options, escapes)
{
    expect_settings("-c search_path=a,\\ b", "search_path=a, b;");
    expect_settings("-c a=\\\\", "a=\\;");
    expect_settings("-c a=\\\\ -c b=2", "a=\\;b=2;");
    expect_settings("-c a=\\'x\\\"", "a='x\";");
    expect_settings("\\-\\c a\\=1", "a=1;");
    expect_settings("-c a=\\\t", "a=\t;");
    expect_settings("-c\\ a=1", " a=1;");
}

Test(frontend_options, words_that_are_no_setting)
{
    expect_bad("-c=", "", "name");
    expect_bad("-c =", "", "name");
    expect_bad("-c =1", "", "name");
    expect_bad("--=1", "", "name");
    expect_bad("-c", "", "-c");
    expect_bad("-c   ", "", "-c");
    expect_bad("-cfoo", "", "'='");
    expect_bad("-c foo", "", "'='");
    expect_bad("--foo", "", "'='");
    expect_bad("--", "", "'--'");
    expect_bad("-- a=1", "", "'--'");
    expect_bad("-", "", "not a switch");
    expect_bad("a=1", "", "not a switch");
    expect_bad("-e", "", "other than -c");
    expect_bad("-W 5", "", "other than -c");
    expect_bad("-ec a=1", "", "other than -c");
    expect_bad("\\", "", "backslash");
    expect_bad("-c a=\\", "", "backslash");
    expect_bad("-c a=\\\\\\", "", "backslash");
    expect_bad("-c \\", "", "backslash");
}

Test(frontend_options, settings_in_front_of_a_fault_are_given_and_none_behind)
{
    expect_bad("-c a=1 -e -c b=2", "a=1;", "other than -c");
    expect_bad("-c a=1 --b -c c=3", "a=1;", "'='");
    expect_bad("--a=1 \\", "a=1;", "backslash");
}

Test(frontend_options, the_end_stays_the_end)
{
    char scratch[16];
    struct frontend_options options;
    const char *name;
    const char *value;
    const char *why;
    frontend_options_init(&options, "--a=1", scratch);
    cr_assert_eq(frontend_options_next(&options, &name, &value, &why), CODEC_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(frontend_options_next(&options, &name, &value, &why), CODEC_OK);
        cr_assert_null(name);
        cr_assert_null(value);
    }
}

/* Every string of up to six of the characters that mean something: it must end, and the scratch must do. */
Test(frontend_options, every_short_string_ends)
{
    static const char characters[] = {'-', 'c', '=', ' ', '\\', 'a'};
    enum { KINDS = sizeof characters, LENGTH_MAX = 6 };
    for (size_t length = 0, count = 1; length <= LENGTH_MAX; length++, count *= KINDS) {
        for (size_t number = 0; number < count; number++) {
            char text[LENGTH_MAX + 1] = {0};
            char settings[64];
            const char *why;
            for (size_t i = 0, rest = number; i < length; i++, rest /= KINDS) text[i] = characters[rest % KINDS];
            read_options(text, settings, sizeof settings, &why);
        }
    }
}
