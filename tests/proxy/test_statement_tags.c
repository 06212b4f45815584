/* What the search for duplicates learns from the tags of a statement. */
#include "proxy/statement_tags.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sql_value_key key = {{1, 2}};

/* NULL: it has none. */
static const struct execution_tags *read_text(const char *text)
{
    static struct statement_tags_reader reader;
    static struct statement_tags tags;
    struct statement_tags_memory *memory = NULL;
    size_t size = strlen(text);
    statement_tags_init(&reader, &key);
    bool has_tags = statement_tags_read(&reader, &memory, &text, &size, SQL_STRINGS_STANDARD, &tags);
    free(memory);
    return has_tags ? &tags.tags : NULL;
}

static const struct execution_tags *read_comment(const char *comment)
{
    char text[600];
    snprintf(text, sizeof text, "SELECT 1 /*%s*/", comment);
    return read_text(text);
}

static void check_route(const char *comment, const char *route)
{
    const struct execution_tags *tags = read_comment(comment);
    cr_assert_not_null(tags);
    cr_assert_eq(tags->route_size, strlen(route), "%s", comment);
    cr_assert_eq(tags->route_size == 0, tags->route == NULL);
    cr_assert_str_eq(tags->route ? tags->route : "", route);
}

Test(statement_tags, route)
{
    check_route("controller='c',route='/x',endpoint_id='e',action='a',job='j'", "/x");
    check_route("controller='c',route='%2Fx',job='j'", "/x");
    check_route("controller='c',endpoint_id='e',action='a',job='j'", "e");
    check_route("controller='c',action='a',job='j'", "c#a");
    check_route("controller:c", "c");
    check_route("route='',controller='c',action=''", "c");
    check_route("action='a',job='j'", "j");
    check_route("framework='django'", "");
    cr_assert_null(read_comment("application='shop'"));
    cr_assert_null(read_comment(""));
    cr_assert_null(read_text("SELECT 1"));
}

Test(statement_tags, routes_are_cut_at_characters)
{
    char comment[400] = "route='", expected[200] = "";
    for (int i = 0; i < STATEMENT_ROUTE_SIZE - 3; i++) strcat(expected, "a");
    strcat(comment, expected);
    strcat(comment, "\xe2\x82\xac'");
    check_route(comment, expected);

    strcpy(comment, "controller='");
    strcat(comment, expected);
    strcat(comment, "',action='index'");
    strcat(expected, "#i");
    check_route(comment, expected);
}

static const char *unit_of(const char *comment)
{
    const struct execution_tags *tags = read_comment(comment);
    cr_assert_not_null(tags);
    cr_assert_eq(tags->unit == 0, tags->unit_text == NULL);
    cr_assert_eq(tags->unit_text_size, tags->unit_text ? strlen(tags->unit_text) : 0);
    return tags->unit_text ? tags->unit_text : "";
}

static const char *unit_of_trace(const char *traceparent)
{
    char comment[300];
    snprintf(comment, sizeof comment, "traceparent='%s'", traceparent);
    return unit_of(comment);
}

Test(statement_tags, trace_id)
{
    const char *id = "5bd66ef5095369c7b0d1f8f4bd33716a";
    cr_assert_str_eq(unit_of_trace("00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01"), id);
    cr_assert_str_eq(unit_of_trace("00-5BD66EF5095369C7B0D1F8F4BD33716A-c532cb4098ac3dd2-01"), id);
    cr_assert_str_eq(unit_of_trace("00%2D5bd66ef5095369c7b0d1f8f4bd33716a%2dc532cb4098ac3dd2-01"), id);
    cr_assert_str_eq(unit_of_trace("00-00000000000000000000000000000001-c532cb4098ac3dd2-01"), "00000000000000000000000000000001");
    static const char *const none[] = {"00-00000000000000000000000000000000-c532cb4098ac3dd2-01",
                                       "00-5bd66ef5095369c7b0d1f8f4bd33716-c532cb4098ac3dd2-01",
                                       "00-5bd66ef5095369c7b0d1f8f4bd33716x-c532cb4098ac3dd2-01",
                                       "00-5bd66ef5095369c7b0d1f8f4bd33716a",
                                       "00 5bd66ef5095369c7b0d1f8f4bd33716a-01",
                                       "5bd66ef5095369c7b0d1f8f4bd33716a",
                                       ""};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) cr_assert_str_empty(unit_of_trace(none[i]), "%s", none[i]);
}

/* Every byte in each place of the trace id: the hexadecimal digits and no others. */
Test(statement_tags, digits_of_the_trace_id)
{
    for (size_t place = 0; place < 32; place++) {
        for (unsigned byte = 1; byte < 256; byte++) {
            char text[] = "00-1bd66ef5095369c7b0d1f8f4bd33716a-01";
            text[3 + place] = (char)byte;
            if (byte == '\'' || byte == '%' || byte == '\\' || byte == ',' || byte == '/' || byte == '*') continue;
            bool is_digit = strchr("0123456789abcdefABCDEF", (int)byte) != NULL;
            const char *unit = unit_of_trace(text);
            cr_assert_eq(*unit != '\0', is_digit, "%u at %zu", byte, place);
            if (!is_digit) continue;
            text[3 + place] = (char)(byte >= 'A' && byte <= 'F' ? byte | 0x20 : byte);
            cr_assert(memcmp(unit, text + 3, 32) == 0);
        }
    }
}

Test(statement_tags, request_id)
{
    cr_assert_str_eq(unit_of("correlation_id='c',request_id='r'"), "r");
    cr_assert_str_eq(unit_of("correlation_id:c,request_id:"), "c");
    cr_assert_str_eq(unit_of("traceparent='00-1',request_id='r'"), "r");
    cr_assert_str_eq(unit_of("route='/x'"), "");

    /* The text is cut, what tells units apart is not. */
    char one[200] = "request_id='", other[210];
    for (int i = 0; i < 100; i++) strcat(one, "x");
    snprintf(other, sizeof other, "%sy'", one);
    strcat(one, "z'");
    cr_assert_eq(strlen(unit_of(one)), STATEMENT_UNIT_SIZE - 1);
    uint64_t unit = read_comment(one)->unit;
    cr_assert_neq(read_comment(other)->unit, unit);
    cr_assert_eq(read_comment(one)->unit, unit);
}

Test(statement_tags, framework)
{
    const struct execution_tags *tags = read_comment("framework='django%3A3.2'");
    cr_assert_str_eq(tags->framework, "django:3.2");
    cr_assert_eq(tags->framework_size, 10);
    cr_assert_null(read_comment("framework=''")->framework);
    tags = read_comment("framework='0123456789012345678901234567890123456789'");
    cr_assert_str_eq(tags->framework, "0123456789012345678901234567890");
}

Test(statement_tags, are_cut_off)
{
    static const struct {
        const char *text, *left;
    } cases[] = {
        {"SELECT 1 /*a='b'*/", "SELECT 1 "},
        {"/*a='b'*/SELECT 1", "SELECT 1"},
        {"/*route='b'*/ SELECT 1 /*c*/ ;", " SELECT 1 "},
        {"-- x\n /*a*/ SELECT 1", " SELECT 1"},
        {"/*route='x'*/", "/*route='x'*/"},
        {"/*+ IndexScan(t) */ SELECT 1", "/*+ IndexScan(t) */ SELECT 1"},
        {"SELECT 1", "SELECT 1"},
        {"", ""},
    };
    static struct statement_tags_reader reader;
    struct statement_tags_memory *memory = NULL;
    statement_tags_init(&reader, &key);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct statement_tags tags;
        const char *text = cases[i].text;
        size_t size = strlen(text);
        bool has_tags = statement_tags_read(&reader, &memory, &text, &size, SQL_STRINGS_STANDARD, &tags);
        cr_assert_eq(has_tags, strstr(cases[i].text, "route") != NULL);
        cr_assert(size == strlen(cases[i].left) && memcmp(text, cases[i].left, size) == 0, "%s", cases[i].text);
    }
    free(memory);
}

Test(statement_tags, are_kept)
{
    static struct statement_tags_reader reader;
    struct statement_tags tags, *kept = NULL;
    struct statement_tags_memory *memory = NULL;
    const char *text = "SELECT 1 /*route='/x',request_id='r',framework='rails'*/";
    size_t size = strlen(text);
    statement_tags_init(&reader, &key);
    cr_assert(statement_tags_read(&reader, &memory, &text, &size, SQL_STRINGS_STANDARD, &tags));
    statement_tags_keep(&kept, &tags);
    memset(&tags, 0, sizeof tags);
    cr_assert_str_eq(kept->tags.route, "/x");
    cr_assert_str_eq(kept->tags.unit_text, "r");
    cr_assert_str_eq(kept->tags.framework, "rails");
    free(kept);
    free(memory);
}

/* One after another of one client, with what it said before and without. */
Test(statement_tags, are_the_same_with_a_memory)
{
#define TAGGED "SELECT 1 /*action='list',framework='django',request_id='r',route='%2Fx',"
#define TRACE  "traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716"
    static const char *const texts[] = {
        TAGGED TRACE "a-c532cb4098ac3dd2-01'*/",
        TAGGED TRACE "b-c532cb4098ac3dd2-01'*/",
        TAGGED TRACE "b-c532cb4098ac3dd2-01'*/",
        TAGGED TRACE "-c532cb4098ac3dd2-01'*/",
        TAGGED TRACE "-c532cb4098ac3dd2-01'*/",
        TAGGED TRACE "c-c532cb4098ac3dd2-01'*/",
        TAGGED "tracestate='x'*/",
        TAGGED TRACE "c-c532cb4098ac3dd2-01'*/",
        "SELECT 1",
        "SELECT 1 /*application='shop'*/",
        "SELECT 1 /*application='shop'*/",
        "SELECT 1 /*application='shop'," TRACE "c-c532cb4098ac3dd2-01'*/",
        "SELECT 1 /*application='shop'," TRACE "c-c532cb4098ac3dd2-01'*/",
        "SELECT 1 /*application='shop'," TRACE "-c532cb4098ac3dd2-01'*/",
        "SELECT 1 /*application='shop'*/",
        "SELECT 1 /*application='shop',job='x'*/",
        "SELECT 1 /*application='shop',job='y'*/",
        "/*request_id='r'*/ SELECT 1 /*job='y'*/",
        "/*request_id='s'*/ SELECT 1 /*job='y'*/",
        "SELECT 1 /*request_id:s*/",
        "SELECT 1 /*request_id:s*/",
    };
    static struct statement_tags_reader reader;
    struct statement_tags_memory *memory = NULL;
    statement_tags_init(&reader, &key);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct statement_tags tags;
        const char *text = texts[i];
        size_t size = strlen(text);
        bool has_tags = statement_tags_read(&reader, &memory, &text, &size, SQL_STRINGS_STANDARD, &tags);
        cr_assert(size == strlen(text) || !memcmp(text + size, "/*", 2), "%s", texts[i]);
        const struct execution_tags *expected = read_text(texts[i]);
        cr_assert_eq(has_tags, expected != NULL, "%s", texts[i]);
        if (!expected) continue;
        cr_assert_eq(tags.tags.unit, expected->unit, "%s", texts[i]);
        cr_assert_eq(tags.tags.unit_text_size, expected->unit_text_size);
        cr_assert_str_eq(tags.tags.unit_text ? tags.unit : "", expected->unit_text ? expected->unit_text : "");
        cr_assert_eq(tags.tags.route_size, expected->route_size, "%s", texts[i]);
        cr_assert_str_eq(tags.tags.route ? tags.route : "", expected->route ? expected->route : "");
        cr_assert_str_eq(tags.tags.framework ? tags.framework : "", expected->framework ? expected->framework : "");
    }
    free(memory);
}
