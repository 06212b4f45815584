/* protocol/sql_tags_repeat.h. What it says holds is held against a reading of the comment. */
#include "protocol/sql_tags_repeat.h"
#include "tests/protocol/tag_comments.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_SIZE = 3 * TAG_COMMENT_SIZE };

static void make_keys(struct sql_tag_keys *keys)
{
    static const char *const texts[] = {"a", "b", "ab", "a%b", "action", "controller", "framework", "route", "traceparent", "job", "1"};
    *keys = (struct sql_tag_keys){.count = 0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) sql_tag_keys_add(keys, texts[i]);
}

/* One text after another, as of one client. */
struct reading {
    struct sql_tag_keys keys;
    struct sql_tags_repeat repeat;
    char text[TEXT_SIZE];
    struct sql_comments comments;
    struct sql_tags tags;
};

static void read_text(struct reading *reading, const char *text)
{
    strcpy(reading->text, text);
    sql_comments_find(&reading->comments, reading->text, strlen(text), SQL_STRINGS_STANDARD);
    sql_tags_read(&reading->tags, &reading->keys, reading->text, &reading->comments);
}

static void note(struct reading *reading)
{
    sql_tags_repeat_note(&reading->repeat, &reading->tags, reading->text, &reading->comments);
}

/* Whether the text has the tags of the one noted before. Where that is said, it is so. */
static bool repeats(struct reading *reading, const char *text)
{
    static struct reading next;
    static struct sql_tags changed;
    char *copy = strdup(text);
    struct sql_comments comments;
    next.keys = reading->keys;
    read_text(&next, text);
    sql_comments_find(&comments, copy, strlen(copy), SQL_STRINGS_STANDARD);
    bool holds = sql_tags_repeat_holds(&reading->repeat, &changed, &reading->keys, copy, &comments);
    for (unsigned i = 0; holds && i < reading->keys.count; i++) {
        size_t size, expected_size;
        const char *expected = sql_tags_get(&next.tags, i, &expected_size);
        bool is_changed = (changed.found >> i & 1) != 0;
        const char *value = sql_tags_get(is_changed ? &changed : &reading->tags, i, &size);
        cr_assert(!value == !expected && size == expected_size && (!value || memcmp(value, expected, size) == 0), "%s: behind\n%s\n%s",
                  reading->keys.items[i].text, reading->text, text);
    }
    cr_assert(!holds || !next.tags.is_full);
    free(copy);
    return holds;
}

static bool is_repeat(const char *noted, const char *text)
{
    static struct reading reading;
    make_keys(&reading.keys);
    read_text(&reading, noted);
    note(&reading);
    return repeats(&reading, text);
}

#define HEAD "SELECT 1 /*action='list',route='%2Fx',"

Test(sql_tags_repeat, cases)
{
    static const struct {
        const char *noted, *text;
        bool holds;
    } cases[] = {
        {"SELECT 1 /*application:Shop,action:index*/", "SELECT 2 /*application:Shop,action:index*/", true},
        {"SELECT 1 /*application:Shop,action:index*/", "SELECT 2 /*application:Shop,action:show*/", false},
        {"SELECT 1 /*a='x'*/", "/*a='x'*/ SELECT 1", true},
        {HEAD "traceparent='1'*/", HEAD "traceparent='2'*/", true},
        {HEAD "traceparent='1'*/", HEAD "traceparent='2',tracestate='x'*/", true},
        {HEAD "traceparent='1',job='y'*/", HEAD "traceparent='2',job='z'*/", false},
        {HEAD "traceparent='1'*/", HEAD "job='2'*/", false},
        {HEAD "traceparent='1'*/", HEAD "*/", false},
        {HEAD "traceparent='1'*/", HEAD "action='1',traceparent='2'*/", true},
        {HEAD "traceparent='1'*/", "SELECT 1 /*action='lost',route='%2Fx',traceparent='1'*/", false},
        {HEAD "traceparent='1'*/", "SELECT 1 /*action='list'*/", false},
        {HEAD "traceparent='1'*/", "SELECT 1", false},
        {"SELECT 1", "SELECT 1", false},
        /* Where the comma that seemed to end a tag does not. */
        {"SELECT 1 /*a='x,b='y'*/", "SELECT 1 /*a='x,c'*/", false},
        {"SELECT 1 /*a='x\\',b='y'*/", "SELECT 1 /*a='x\\',c*/", false},
        {"SELECT 1 /*a=',b='y'*/", "SELECT 1 /*a=',c'*/", false},
        /* Two comments. */
        {"/*a='x'*/ SELECT 1 /*b='y'*/", "/*a='x'*/ SELECT 1 /*b='y'*/", false},
        {"SELECT 1 /*b='y'*/", "/*a='x'*/ SELECT 1 /*b='y'*/", false},
        {"/*a='x'*/", "/*a='x'*/", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(is_repeat(cases[i].noted, cases[i].text), cases[i].holds, "%s\n%s", cases[i].noted, cases[i].text);
}

Test(sql_tags_repeat, sizes)
{
    char text[SQL_TAGS_REPEAT_SIZE_MAX + 40] = "SELECT 1 /*a='";
    for (int left = SQL_TAGS_REPEAT_SIZE_MAX - 4; left > 0; left--) strcat(text, "x");
    strcat(text, "'*/");
    cr_assert(is_repeat(text, text));
    strcpy(text + strlen(text) - 3, "x'*/");
    cr_assert_not(is_repeat(text, text));
}

Test(sql_tags_repeat, what_it_says_is_what_a_reading_says, .timeout = 20)
{
    const char *seed = getenv("PGTURNSTILE_SEED");
    size_t wanted = getenv("PGTURNSTILE_SOAK") != NULL ? 10000000 : 60000;
    size_t held = 0, changed = 0;
    uint64_t random = seed != NULL ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15u;
    static struct reading reading;
    make_keys(&reading.keys);
    char comment[TAG_COMMENT_SIZE] = "", text[TEXT_SIZE];
    for (size_t i = 0; i < wanted; i++) {
        if (i % 10 == 0) tag_comments_make(comment, &random);
        sprintf(text, "SELECT 1 /*%s*/", comment);
        read_text(&reading, text);
        note(&reading);
        char next[TAG_COMMENT_SIZE];
        strcpy(next, comment);
        for (uint32_t left = random_numbers_below(&random, 3); left > 0; left--)
            tag_comments_mutate(next, reading.repeat.settled <= strlen(next) ? reading.repeat.settled : 0, &random);
        if (random_numbers_below(&random, 4) == 0) tag_comments_mutate(next, 0, &random);
        sprintf(text, "SELECT 2 /*%s*/", next);
        bool holds = repeats(&reading, text);
        held += holds;
        changed += holds && strcmp(next, comment) != 0;
        strcpy(comment, next);
    }
    printf("%zu of %zu held, %zu of them changed\n", held, wanted, changed);
    cr_assert_gt(held, wanted / 10);
    cr_assert_gt(changed, wanted / 50);
}
