#include <criterion/criterion.h>
#include <string.h>

#include "proxy/json_text.h"
#include "proxy/log_line.h"

TestSuite(log_line);

static const struct timespec noon = {.tv_sec = 1767268800, .tv_nsec = 7000000};

static const char *finished(struct log_line *line)
{
    log_line_finish(line);
    cr_assert_leq(line->size, sizeof line->text);
    cr_assert_eq(line->text[line->size - 1], '\n');
    line->text[line->size - 1] = '\0';
    return line->text;
}

Test(log_line, the_same_event_in_both_forms)
{
    static const char *const expected[] = {
        [LOG_FORMAT_TEXT] = "2026-01-01T12:00:00.007Z warning login_failed user=\"m\xc3\xbcller o\" client=-9223372036854775808 count=3",
        [LOG_FORMAT_JSON] =
            "{\"time\":\"2026-01-01T12:00:00.007Z\",\"level\":\"warning\",\"event\":\"login_failed\",\"user\":\"m\xc3\xbcller o\","
            "\"client\":-9223372036854775808,\"count\":3}"};
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        struct log_line line;
        log_line_begin(&line, (enum log_format)format, LOG_LEVEL_WARNING, &noon, "login_failed");
        log_line_text(&line, "user", "m\xc3\xbcller o");
        log_line_number(&line, "client", INT64_MIN);
        log_line_number(&line, "count", 3);
        cr_assert_str_eq(finished(&line), expected[format]);
    }
}

Test(log_line, the_text_has_its_event_behind_the_time)
{
    struct log_line line;
    log_line_begin(&line, LOG_FORMAT_TEXT, LOG_LEVEL_INFO, &noon, "started");
    finished(&line);
    cr_assert_str_eq(line.text + line.after_time, "started");
}

Test(log_line, hostile_bytes_are_escaped_exactly)
{
    static const struct {
        const char *value, *json;
    } cases[] = {
        {"", ""},
        {"plain = text", "plain = text"},
        {"\"}\n{\"event\":\"forged\"", "\\\"}\\u000a{\\\"event\\\":\\\"forged\\\""},
        {"back\\slash/", "back\\\\slash/"},
        {"\x01\x1b[31m\x7f", "\\u0001\\u001b[31m\\u007f"},
        {"\xff\xfe", "\\ufffd\\ufffd"},
        {"cut \xe2\x82", "cut \\ufffd\\ufffd"},
        {"overlong \xc0\xaf", "overlong \\ufffd\\ufffd"},
        {"surrogate \xed\xa0\x80", "surrogate \\ufffd\\ufffd\\ufffd"},
        {"too large \xf4\x90\x80\x80", "too large \\ufffd\\ufffd\\ufffd\\ufffd"},
        {"c1 \xc2\x9b", "c1 \\u009b"},
        {"right to left \xe2\x80\xae", "right to left \\u202e"},
        {"line separator \xe2\x80\xa8", "line separator \\u2028"},
        {"\xe2\x82\xac\xf0\x9f\x90\x98", "\xe2\x82\xac\xf0\x9f\x90\x98"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char written[256] = "";
        for (const char *at = cases[i].value; *at != '\0';) {
            char character[JSON_TEXT_CHARACTER_MAX];
            at += json_text_character(at, character);
            strcat(written, character);
        }
        cr_expect_str_eq(written, cases[i].json);
    }
}

/* Whether it is one JSON object whose members are strings, numbers and true: enough of RFC 8259 for what a line holds. */
static bool is_object(const char *at)
{
    if (*at++ != '{') return false;
    for (;;) {
        for (int part = 0; part < 2; part++) {
            if (part == 1 && *at++ != ':') return false;
            if (*at == '"') {
                for (at++; *at != '"'; at++) {
                    if ((unsigned char)*at < ' ') return false;
                    if (*at == '\\' && *++at == 'u' && strspn(at + 1, "0123456789abcdef") < 4) return false;
                    if (*at == '\0') return false;
                }
                at++;
            } else if (part == 1 && strncmp(at, "true", 4) == 0) {
                at += 4;
            } else if (part == 1 && strspn(at, "-0123456789") > 0) {
                at += strspn(at, "-0123456789");
            } else {
                return false;
            }
        }
        if (*at == '}') return at[1] == '\0';
        if (*at++ != ',') return false;
    }
}

Test(log_line, json_that_does_not_fit_is_cut_and_still_json)
{
    static char value[3000];
    for (size_t size = 1700; size < 2300; size++) {
        for (int kind = 0; kind < 3; kind++) {
            static const char *const fillings[] = {"x", "\x01", "\xe2\x82\xac"};
            struct log_line line;
            *value = '\0';
            for (size_t used = 0, step = strlen(fillings[kind]); used + step <= size; used += step) strcpy(value + used, fillings[kind]);
            log_line_begin(&line, LOG_FORMAT_JSON, LOG_LEVEL_INFO, &noon, "event");
            log_line_text(&line, "first", value);
            log_line_text(&line, "a_rather_long_second_key", "and its value");
            log_line_number(&line, "third", 3);
            bool is_cut = line.is_cut;
            const char *text = finished(&line);
            cr_assert(is_object(text), "%s", text);
            cr_assert_eq(strstr(text, ",\"cut\":true}") != NULL, is_cut);
            cr_assert_eq(strstr(text, "\"third\":3}") != NULL, !is_cut);
        }
    }
}

/* A value that ends just where the room ends, and more pairs behind it. */
Test(log_line, text_that_just_fits_leaves_no_room_for_more)
{
    static char value[2100], more[4000];
    memset(more, 'y', sizeof more - 1);
    for (size_t size = 1900; size < 2050; size++) {
        struct log_line line;
        memset(value, ' ', size);
        value[size] = '\0';
        log_line_begin(&line, LOG_FORMAT_TEXT, LOG_LEVEL_INFO, &noon, "event");
        log_line_text(&line, "first", value);
        log_line_text(&line, "second", more);
        const char *text = finished(&line);
        cr_assert_not_null(strstr(text, "..."), "%s", text);
    }
}
