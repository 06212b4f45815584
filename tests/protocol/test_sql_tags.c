/*
 * protocol/sql_tags.h. What it finds is held against a reader that is written for being plain: it goes over a comment byte by byte and keeps
 * all tags.
 */
#include "protocol/sql_tags.h"
#include "tests/protocol/tag_comments.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the plain reader ---- */

enum { PLAIN_TAGS_MAX = 100, PLAIN_SIZE_MAX = 1000 };

struct plain_tags {
    size_t count;
    char keys[PLAIN_TAGS_MAX][PLAIN_SIZE_MAX], values[PLAIN_TAGS_MAX][PLAIN_SIZE_MAX];
};

static bool is_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"
#define BLANKS  " \t\n\v\f\r"

static const char *trimmed(const char *text)
{
    static char out[PLAIN_SIZE_MAX];
    strcpy(out, text + strspn(text, BLANKS));
    while (*out != '\0' && is_in(out[strlen(out) - 1], BLANKS)) out[strlen(out) - 1] = '\0';
    return out;
}

/* "%2F" stands for a slash, "%%2F" too; a backslash for the quote or backslash behind it; a control character for a blank. */
static void decode(const char *text, char *out)
{
    const char hex[] = "0123456789abcdef";
    while (*text != '\0') {
        unsigned byte = (unsigned char)*text;
        size_t used = 1;
        if (text[0] == '%' && text[1] == '%') used = 2;
        const char *sign = text + used - 1;
        if (*sign == '%' && is_in(sign[1], DIGITS "abcdefABCDEF") && is_in(sign[2], DIGITS "abcdefABCDEF")) {
            byte = (unsigned)(strchr(hex, is_in(sign[1], DIGITS) ? sign[1] : sign[1] | 0x20) - hex) * 16 +
                   (unsigned)(strchr(hex, is_in(sign[2], DIGITS) ? sign[2] : sign[2] | 0x20) - hex);
            used += 2;
        } else if (text[0] == '\\' && is_in(text[1], "'\\")) {
            byte = (unsigned char)text[1];
            used = 2;
        }
        *out++ = byte < ' ' || byte == 127 ? ' ' : (char)byte;
        text += used;
    }
    *out = '\0';
}

static void keep(struct plain_tags *tags, const char *raw_key, const char *raw_value)
{
    char *key = tags->keys[tags->count];
    if (*raw_key == '\0' || is_in(*raw_key, DIGITS) || raw_key[strspn(raw_key, LETTERS DIGITS "_-.%")] != '\0') return;
    decode(raw_key, key);
    decode(raw_value, tags->values[tags->count]);
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->keys[i], key) == 0) return;
    cr_assert_lt(++tags->count, PLAIN_TAGS_MAX);
}

/* The size of a key with a comma before it and a sign of equality behind it, at the end of the text; 0: that is not its end. */
static size_t key_at_end(const char *text)
{
    size_t size = strlen(text);
    size_t start = size;
    if (size == 0 || text[size - 1] != '=') return 0;
    while (start > 1 && is_in(text[start - 2], LETTERS DIGITS "_-.%")) start--;
    if (start == size || start < 2 || text[start - 2] != ',') return 0;
    return size - start + 1;
}

/* Behind its opening quote. Returns where to go on. */
static const char *read_quoted(const char *at, char *value)
{
    char before[PLAIN_SIZE_MAX] = "";
    for (const char *start = at; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0') {
            at++;
        } else if (*at == '\'') {
            sprintf(before, "%.*s", (int)(at - start), start);
            size_t size = strlen(before);
            size_t key_size = key_at_end(before);
            strcpy(value, before);
            if (key_size > 0) { /* this one's quote is missing: the comma before the key is the end */
                value[size - key_size - 1] = '\0';
                return at - key_size - 1;
            }
            if (size > 0 && before[size - 1] == ',') {
                value[size - 1] = '\0';
                return at + 1;
            }
            const char *next = at + 1 + strspn(at + 1, BLANKS);
            if (*next == '\0' || *next == ',') return at + 1;
        }
        if (at[1] == '\0') strcpy(value, trimmed(start));
    }
    return at;
}

static const char *read_bare(const char *at, char *value)
{
    char raw[PLAIN_SIZE_MAX];
    size_t size = strcspn(at, ",");
    sprintf(raw, "%.*s", (int)size, at);
    strcpy(value, trimmed(raw));
    if (*value != '\0' && value[strlen(value) - 1] == '\'') value[strlen(value) - 1] = '\0';
    return at + size;
}

static void read_plainly(struct plain_tags *tags, const char *at)
{
    while (at[strcspn(at, "=:,'")] != '\0') {
        char raw[PLAIN_SIZE_MAX], key[PLAIN_SIZE_MAX], value[PLAIN_SIZE_MAX] = "";
        size_t size = strcspn(at, "=:,'");
        char sign = at[size];
        sprintf(raw, "%.*s", (int)size, at);
        strcpy(key, trimmed(raw));
        at += size + 1;
        if (!is_in(sign, "=:")) continue;
        at += strspn(at, BLANKS);
        at = *at == '\'' ? read_quoted(at + 1, value) : read_bare(at, value);
        keep(tags, key, value);
    }
}

/* The last comment first. */
static void read_all(const char *text, struct plain_tags *tags_out)
{
    char comment[PLAIN_SIZE_MAX];
    struct sql_comments comments;
    size_t last_start = SIZE_MAX;
    tags_out->count = 0;
    sql_comments_find(&comments, text, strlen(text), SQL_STRINGS_STANDARD);
    if (comments.has_last) {
        last_start = comments.last_start;
        sprintf(comment, "%.*s", (int)(comments.last_end - comments.last_start), text + comments.last_start);
        read_plainly(tags_out, comment);
    }
    if (comments.has_first && comments.first_start != last_start) {
        sprintf(comment, "%.*s", (int)(comments.first_end - comments.first_start), text + comments.first_start);
        read_plainly(tags_out, comment);
    }
}

/* ---- beside it ---- */

/* From memory that ends where the text does; the values are not to be read any more then, but `check` is called before. */
static void parse(struct sql_tags *tags, const struct sql_tag_keys *keys, const char *text, size_t size,
                  void (*check)(const struct sql_tags *tags, const void *context), const void *context)
{
    char *copy = malloc(size + (size == 0));
    memcpy(copy, text, size);
    sql_tags_parse(tags, keys, copy, size, SQL_STRINGS_STANDARD);
    if (check) check(tags, context);
    free(copy);
}

struct asked {
    const char *text;
    const struct plain_tags *plain;
    struct sql_tag_keys keys;
};

static const char *find_plain(const struct plain_tags *tags, const char *key)
{
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->keys[i], key) == 0) return tags->values[i];
    return NULL;
}

static void check_values(const struct sql_tags *tags, const void *context)
{
    const struct asked *asked = context;
    cr_assert(!tags->is_full, "%s", asked->text);
    for (unsigned i = 0; i < asked->keys.count; i++) {
        size_t size;
        const char *value = sql_tags_get(tags, i, &size);
        const char *expected = find_plain(asked->plain, asked->keys.items[i].text);
        cr_assert_eq(!value, !expected, "%s of %s", asked->keys.items[i].text, asked->text);
        if (!value) continue;
        cr_assert(size == strlen(expected) && memcmp(value, expected, size) == 0, "%s of %s\nis:  %.*s\nnot: %s", asked->keys.items[i].text,
                  asked->text, (int)size, value, expected);
    }
}

/* All that there are are found, when all are asked for; of some, those. */
static void compare(const char *text, const struct plain_tags *plain)
{
    static const char *const others[] = {"a", "b", "ab", "a%b", "1", "", "route", "action", "traceparent", "tracestate", "job", " a"};
    struct asked all = {.text = text, .plain = plain}, some = all;
    struct sql_tags tags;
    for (size_t i = 0; i < plain->count; i++) sql_tag_keys_add(&all.keys, plain->keys[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) sql_tag_keys_add(&some.keys, others[i]);
    parse(&tags, &all.keys, text, strlen(text), check_values, &all);
    parse(&tags, &some.keys, text, strlen(text), check_values, &some);
}

/* All tags as "key=value|key=value". */
static const char *tags_of(const char *text)
{
    static char out[PLAIN_TAGS_MAX * PLAIN_SIZE_MAX];
    static struct plain_tags plain;
    size_t size = 0;
    read_all(text, &plain);
    compare(text, &plain);
    out[0] = '\0';
    for (size_t i = 0; i < plain.count; i++)
        size += (size_t)sprintf(out + size, "%s%s=%s", i > 0 ? "|" : "", plain.keys[i], plain.values[i]);
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

/* ---- mutated ---- */

Test(sql_tags, are_those_of_the_plain_reader, .timeout = 20)
{
    const char *seed = getenv("PGTURNSTILE_SEED");
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 10000000 : 60000;
    size_t found = 0, without = 0;
    static struct plain_tags plain;
    uint64_t random = seed != NULL ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < wanted; i++) {
        char text[3 * TAG_COMMENT_SIZE] = "", comment[TAG_COMMENT_SIZE];
        if (random_numbers_below(&random, 4) == 0) {
            tag_comments_make(comment, &random);
            sprintf(text, "/*%s*/", comment);
        }
        tag_comments_make(comment, &random);
        sprintf(text + strlen(text), " SELECT 1 /*%s*/", comment);
        read_all(text, &plain);
        compare(text, &plain);
        found += plain.count;
        without += plain.count == 0;
    }
    printf("%zu comments compared, %zu tags, %zu without\n", wanted, found, without);
    cr_assert_gt(found, wanted);
    cr_assert_gt(without, wanted / 50);
}

/* ---- limits ---- */

Test(sql_tags, keys)
{
    char names[SQL_TAG_KEYS_MAX][8];
    struct sql_tag_keys keys = {.count = 0};
    for (unsigned i = 0; i < SQL_TAG_KEYS_MAX; i++) {
        sprintf(names[i], "k%u", i);
        cr_assert_eq(sql_tag_keys_add(&keys, names[i]), i);
    }
    cr_assert_eq(sql_tag_keys_add(&keys, "k7"), 7);
    cr_assert_eq(sql_tag_keys_add(&keys, "k64"), SQL_TAG_KEYS_MAX);
    cr_assert_eq(keys.count, SQL_TAG_KEYS_MAX);

    /* Sizes from which on the bytes alone tell them apart. */
    char text[300];
    struct sql_tags tags;
    size_t size;
    const char *longer = "k123456789012345678901234567890123456789", *other = "k12345678901234567890123456789012345678X";
    keys = (struct sql_tag_keys){.count = 0};
    sql_tag_keys_add(&keys, longer);
    sql_tag_keys_add(&keys, other);
    sprintf(text, "SELECT 1 /*%s='a',%sx='b'*/", other, longer);
    sql_tags_parse(&tags, &keys, text, strlen(text), SQL_STRINGS_STANDARD);
    cr_assert_null(sql_tags_get(&tags, 0, &size));
    cr_assert_eq(size, 0);
    cr_assert_eq(memcmp(sql_tags_get(&tags, 1, &size), "a", 1), 0);
}

static void check_last(const struct sql_tags *tags, const void *context)
{
    size_t size;
    const bool *is_found = context;
    cr_assert(tags->is_full);
    cr_assert_eq(sql_tags_get(tags, 1, &size) != NULL, *is_found);
    cr_assert_null(sql_tags_get(tags, 2, &size));
}

Test(sql_tags, hold_what_fits)
{
    static const char *const fillings[] = {"y", "%79"};
    for (size_t i = 0; i < 2; i++) {
        static char text[20000];
        struct sql_tags tags;
        struct sql_tag_keys keys = {.count = 0};
        sql_tag_keys_add(&keys, "a");
        sql_tag_keys_add(&keys, "b");
        sql_tag_keys_add(&keys, "long");
        strcpy(text, "SELECT 1 /*a='x',long='");
        for (int left = SQL_TAGS_TEXT_MAX + 1; left > 0; left--) strcat(text, fillings[i]);
        strcat(text, "',b='z'*/");
        parse(&tags, &keys, text, strlen(text), check_last, &(bool){true});

        /* What fits exactly takes no room from what is plain. */
        size_t size;
        strcpy(text, "SELECT 1 /*a='x',long='");
        for (int left = SQL_TAGS_TEXT_MAX; left > 0; left--) strcat(text, fillings[i]);
        strcat(text, "',b='z'*/");
        sql_tags_parse(&tags, &keys, text, strlen(text), SQL_STRINGS_STANDARD);
        cr_assert_not(tags.is_full);
        cr_assert(sql_tags_get(&tags, 2, &size) && size == SQL_TAGS_TEXT_MAX);
        cr_assert(sql_tags_get(&tags, 1, &size) && size == 1);
    }

    static char text[20000] = "/*a='x'*/ SELECT 1 /*c='";
    struct sql_tags tags;
    struct sql_tag_keys keys = {.count = 0};
    size_t size;
    sql_tag_keys_add(&keys, "a");
    sql_tag_keys_add(&keys, "b");
    for (int i = 0; i < SQL_COMMENT_SIZE_MAX; i++) strcat(text, "y");
    strcat(text, "',b='z'*/");
    parse(&tags, &keys, text, strlen(text), NULL, NULL);
    cr_assert_eq(tags.found, 1);
    sql_tags_parse(&tags, &keys, text, strlen(text), SQL_STRINGS_STANDARD);
    cr_assert_not_null(sql_tags_get(&tags, 0, &size));
}

Test(sql_tags, prefixes)
{
    struct sql_tags tags;
    struct sql_tag_keys keys = {.count = 0};
    sql_tag_keys_add(&keys, "a");
    sql_tag_keys_add(&keys, "route");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t size = 0; size <= strlen(cases[i].text); size++) parse(&tags, &keys, cases[i].text, size, NULL, NULL);
}
