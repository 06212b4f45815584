/* protocol/sql_tags.h */
#include "protocol/sql_tags.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From memory that ends where the text does. */
static void parse(const char *text, size_t size, struct sql_tags *tags)
{
    char *copy = malloc(size + (size == 0));
    memcpy(copy, text, size);
    sql_tags_parse(tags, copy, size, SQL_STRINGS_STANDARD);
    free(copy);
}

/* All tags as "key=value|key=value". */
static const char *tags_of(const char *text)
{
    static char out[SQL_TAGS_TEXT_MAX + 3 * SQL_TAGS_MAX];
    struct sql_tags tags;
    size_t size = 0;
    parse(text, strlen(text), &tags);
    out[0] = '\0';
    for (uint32_t i = 0; i < tags.count; i++) {
        const struct sql_tag *tag = &tags.items[i];
        size += (size_t)sprintf(out + size, "%s%.*s=%.*s", i > 0 ? "|" : "", (int)tag->key_size, tags.text + tag->key, (int)tag->value_size,
                                tags.text + tag->value);
    }
    return out;
}

struct tags_case {
    const char *text;
    const char *tags;
};

static const struct tags_case cases[] = {
    /* sqlcommenter, appended */
    {"SELECT 1 /*controller='index',route='%5Epolls%2F',traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01'*/",
     "controller=index|route=^polls/|traceparent=00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01"},
    {"SELECT 1 /* controller='index' , action = 'show' */ ; ", "controller=index|action=show"},
    {"SELECT 1 /*a='it\\'s',b='x'*/", "a=it's|b=x"},
    {"SELECT 1 /*a='%27%2C%3D%20',b='%e2%82%ac'*/", "a=',= |b=\xe2\x82\xac"},
    {"SELECT 1 /*%61%62='x'*/", "ab=x"},
    {"SELECT 1 /*a='',b='x'*/", "a=|b=x"},
    {"SELECT 1 /*a='x,y',b='z'*/", "a=x,y|b=z"},
    /* the malformed example of the specification */
    {"SELECT * FROM t "
     "/*action='%2Fparam*d',controller='index,'framework='spring',traceparent='00-1-2-01',tracestate='congo%3Dt61rcWkgMzE'*/",
     "action=/param*d|controller=index|framework=spring|traceparent=00-1-2-01|tracestate=congo=t61rcWkgMzE"},
    /* a driver that has not halved the signs */
    {"SELECT 1 /*route='%%5Epolls%%2F',rate='100%%'*/", "route=^polls/|rate=100%"},
    {"SELECT 1 /*rate='100%',b='%zz',c='%2'*/", "rate=100%|b=%zz|c=%2"},
    /* quotes that are missing */
    {"SELECT 1 /*a=x,b=y z*/", "a=x|b=y z"},
    {"SELECT 1 /*a='x,b='y'*/", "a=x|b=y"},
    {"SELECT 1 /*a=x',b='y'*/", "a=x|b=y"},
    {"SELECT 1 /*a='x*/", "a=x"},
    {"SELECT 1 /*a='x',b='y,z*/", "a=x|b=y,z"},
    {"SELECT 1 /*a='x' b='y'*/", "a=x' b='y"},
    /* Marginalia, and Rails' own */
    {"SELECT 1 /*application:Shop,controller:orders,action:index*/", "application=Shop|controller=orders|action=index"},
    {"SELECT 1 /* application:Shop, line:/app/x.rb:12:in 'index' */", "application=Shop|line=/app/x.rb:12:in 'index"},
    {"SELECT 1 /*application='Shop',controller='users'*/ /*+ SeqScan(t) */", "application=Shop|controller=users"},
    /* in front */
    {"/*dddbs='db',ddps='web'*/ SELECT 1", "dddbs=db|ddps=web"},
    {" \n-- x\n/*a='x'*/ SELECT 1", "a=x"},
    {"/*+ SeqScan(t) */ /*a='x'*/ SELECT 1", "a=x"},
    {"/*a='x',b='y'*/ SELECT 1 /*b='z',c='w'*/", "b=z|c=w|a=x"},
    {"/*a='x'*/", "a=x"},
    {"/* a */ SELECT 1 /* b */", ""},
    /* neither first nor last */
    {"SELECT /*a='x'*/ 1", ""},
    {"SELECT 1 /*a='x'*/ -- b", ""},
    {"SELECT 1 /*a='x'*/ , 2", ""},
    /* no tags */
    {"", ""},
    {";", ""},
    {"/", ""},
    {"*/", ""},
    {"/*/", ""},
    {"/**/", ""},
    {"/*a='x'", ""},
    {"SELECT 1", ""},
    {"SELECT 1 /*+ a='x' */", ""},
    {"SELECT '/*a=x*/'", ""},
    {"SELECT 1 /*a='x--y'*/", "a=x--y"},
    {"SELECT 1 -- /*a='x'*/", ""},
    {"SELECT '--' /*a='x'*/", "a=x"},
    {"SELECT 1 -- x\n /*a='x'*/", "a=x"},
    {"SELECT 1 -- x\r /*a='x'*/", "a=x"},
    {"SELECT 2*/*a='x'*/", "a=x"},
    {"SELECT '/*' /*a='x'*/", "a=x"},
    {"SELECT '*/' /*a='x'*/", "a=x"},
    {"SELECT $$ /* $$ /*a='x'*/", "a=x"},
    {"SELECT 1 /* /*b='y'*/ ,a='x' */", "a=x"},
    {"SELECT 1 /*a='x',b=/*c*/1*/", "a=x|b=/*c*/1"},
    {"SELECT 1 /* TODO (later): a, b=c */", "b=c"},
    {"SELECT 1 /* this is: prose, and = so, is 5=6, =7 */", "and=so"},
    {"SELECT 1 /*,,a='x',,b='y',*/", "a=x|b=y"},
    {"SELECT 1 /*a='x',a='y'*/", "a=x"},
    {"SELECT 1 /*a='x\ny\x01z'*/", "a=x y z"},
    {"SELECT 1 /*'a'='x'*/", ""},
};

Test(sql_tags, cases)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_str_eq(tags_of(cases[i].text), cases[i].tags, "%s\nis:  %s\nnot: %s", cases[i].text, tags_of(cases[i].text),
                         cases[i].tags);
}

/* The keys of the cases, asked for one by one, have the values that they have among all. */
Test(sql_tags, of_some_keys_are_those_of_all)
{
    static const char *const asked_for[] = {"a", "b", "ab", "controller", "route", "action", "traceparent", "job"};
    size_t found = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sql_tags all, some;
        parse(cases[i].text, strlen(cases[i].text), &all);
        cr_assert(all.count == 0 || sql_comments_may_be_in(cases[i].text, strlen(cases[i].text)), "%s", cases[i].text);
        for (size_t j = 0; j < sizeof asked_for / sizeof asked_for[0]; j++) {
            struct sql_tag_keys keys = {.count = 0};
            size_t size = 0, some_size = 0;
            sql_tag_keys_add(&keys, asked_for[j]);
            sql_tags_parse_some(&some, &keys, cases[i].text, strlen(cases[i].text), SQL_STRINGS_STANDARD);
            const char *value = sql_tags_get(&all, asked_for[j], &size);
            const char *some_value = sql_tags_get(&some, asked_for[j], &some_size);
            cr_assert(!value == !some_value && size == some_size && (!value || memcmp(value, some_value, size) == 0), "%s of %s",
                      asked_for[j], cases[i].text);
            found += value != NULL;
        }
    }
    cr_assert_gt(found, 20);
}

Test(sql_tags, more_keys_than_there_is_room_for_are_all_keys)
{
    static const char *const many[] = {"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"};
    struct sql_tag_keys keys = {.count = 0};
    struct sql_tags tags;
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) sql_tag_keys_add(&keys, many[i]);
    const char *text = "SELECT 1 /*x='1',k9='2'*/";
    sql_tags_parse_some(&tags, &keys, text, strlen(text), SQL_STRINGS_STANDARD);
    cr_assert_eq(tags.count, 2);
}

Test(sql_tags, hold_what_fits)
{
    char text[20000] = "SELECT 1 /*";
    struct sql_tags tags;
    size_t size;
    for (int i = 0; i < 20; i++) sprintf(text + strlen(text), "k%d='v%d',", i, i);
    strcat(text, "*/");
    parse(text, strlen(text), &tags);
    cr_assert_eq(tags.count, SQL_TAGS_MAX);
    cr_assert(tags.is_full);
    cr_assert_not_null(sql_tags_get(&tags, "k15", &size));
    cr_assert_null(sql_tags_get(&tags, "k16", &size));

    strcpy(text, "SELECT 1 /*a='x',long='");
    for (int i = 0; i < 2000; i++) strcat(text, "y");
    strcat(text, "',b='z'*/");
    parse(text, strlen(text), &tags);
    cr_assert(tags.is_full);
    cr_assert_eq(tags.count, 2);
    cr_assert_not_null(sql_tags_get(&tags, "b", &size));

    strcpy(text, "/*a='x'*/ SELECT 1 /*c='");
    for (int i = 0; i < SQL_COMMENT_SIZE_MAX; i++) strcat(text, "y");
    strcat(text, "',b='z'*/");
    parse(text, strlen(text), &tags);
    cr_assert_eq(tags.count, 1);
    cr_assert_not_null(sql_tags_get(&tags, "a", &size));
}

static void check_route(const char *comment, const char *route)
{
    char text[300];
    char out[64];
    struct sql_tags tags;
    sprintf(text, "SELECT 1 /*%s*/", comment);
    parse(text, strlen(text), &tags);
    cr_assert_eq(sql_tags_route(&tags, out, sizeof out), strlen(route));
    cr_assert_str_eq(out, route);
}

Test(sql_tags, route)
{
    check_route("controller='c',route='/x',endpoint_id='e',action='a',job='j'", "/x");
    check_route("controller='c',endpoint_id='e',action='a',job='j'", "e");
    check_route("controller='c',action='a',job='j'", "c#a");
    check_route("controller:c", "c");
    check_route("route='',controller='c',action=''", "c");
    check_route("action='a',job='j'", "j");
    check_route("framework='django'", "");
    check_route("", "");

    char out[8];
    struct sql_tags tags;
    const char *text = "SELECT 1 /*controller='orders',action='index'*/";
    parse(text, strlen(text), &tags);
    cr_assert_eq(sql_tags_route(&tags, out, sizeof out), 7);
    cr_assert_str_eq(out, "orders#");
    text = "SELECT 1 /*route='abcde\xe2\x82\xac'*/";
    parse(text, strlen(text), &tags);
    cr_assert_eq(sql_tags_route(&tags, out, sizeof out), 5);
    cr_assert_eq(sql_tags_route(&tags, out, 1), 0);
}

static bool trace_id_of(const char *traceparent, uint8_t id_out[16])
{
    char text[300];
    struct sql_tags tags;
    sprintf(text, "SELECT 1 /*traceparent='%s'*/", traceparent);
    parse(text, strlen(text), &tags);
    return sql_tags_trace_id(&tags, id_out);
}

Test(sql_tags, trace_id)
{
    static const uint8_t expected[16] = {0x5b, 0xd6, 0x6e, 0xf5, 0x09, 0x53, 0x69, 0xc7, 0xb0, 0xd1, 0xf8, 0xf4, 0xbd, 0x33, 0x71, 0x6a};
    uint8_t id[16];
    cr_assert(trace_id_of("00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01", id));
    cr_assert_eq(memcmp(id, expected, 16), 0);
    cr_assert(trace_id_of("00-5BD66EF5095369C7B0D1F8F4BD33716A-c532cb4098ac3dd2-01", id));
    cr_assert_eq(memcmp(id, expected, 16), 0);
    cr_assert_not(trace_id_of("00-00000000000000000000000000000000-c532cb4098ac3dd2-01", id));
    cr_assert_not(trace_id_of("00-5bd66ef5095369c7b0d1f8f4bd33716-c532cb4098ac3dd2-01", id));
    cr_assert_not(trace_id_of("00-5bd66ef5095369c7b0d1f8f4bd33716x-c532cb4098ac3dd2-01", id));
    cr_assert_not(trace_id_of("00-5bd66ef5095369c7b0d1f8f4bd33716a", id));
    cr_assert_not(trace_id_of("", id));
}

Test(sql_tags, request_id)
{
    struct sql_tags tags;
    size_t size;
    const char *text = "SELECT 1 /*correlation_id='c',request_id='r'*/";
    parse(text, strlen(text), &tags);
    cr_assert_eq(memcmp(sql_tags_request_id(&tags, &size), "r", 1), 0);
    text = "SELECT 1 /*correlation_id:c,request_id:*/";
    parse(text, strlen(text), &tags);
    cr_assert_eq(memcmp(sql_tags_request_id(&tags, &size), "c", 1), 0);
    cr_assert_eq(size, 1);
    parse("SELECT 1", 8, &tags);
    cr_assert_null(sql_tags_request_id(&tags, &size));
}

Test(sql_tags, prefixes)
{
    struct sql_tags tags;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t size = 0; size <= strlen(cases[i].text); size++) parse(cases[i].text, size, &tags);
    }
}
