/* protocol/sql_tags.h, sql_tags_repeat.h and sql_comments.h: the input is SQL text, and where there is a zero, another text before it. */
#include "protocol/sql_tags_repeat.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sql_tag_keys *make_keys(void)
{
    static const char *const texts[] = {"route", "job", "controller", "action", "traceparent", "a", "ab", "a%b", "1", ""};
    static struct sql_tag_keys keys;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) assert(sql_tag_keys_add(&keys, texts[i]) == i);
    return &keys;
}

/* What is asked for by itself is what it is among others, unless these took its room. */
static void check_alone(const struct sql_tags *tags, const char *key, unsigned number, const char *text, size_t size)
{
    struct sql_tag_keys keys = {.count = 0};
    struct sql_tags alone;
    size_t value_size, alone_size;
    sql_tag_keys_add(&keys, key);
    sql_tags_parse(&alone, &keys, text, size, SQL_STRINGS_STANDARD);
    const char *value = sql_tags_get(tags, number, &value_size);
    const char *alone_value = sql_tags_get(&alone, 0, &alone_size);
    assert(!value || value_size <= SQL_TAGS_TEXT_MAX);
    if (tags->is_full) return;
    assert(!value == !alone_value && value_size == alone_size);
    assert(!value || memcmp(value, alone_value, value_size) == 0);
}

/* What is said to hold behind another text. */
static void check_repeat(const struct sql_tag_keys *keys, const char *before, size_t before_size, const char *text, size_t size)
{
    struct sql_tags_repeat repeat;
    struct sql_comments comments;
    struct sql_tags former, changed, tags;
    sql_comments_find(&comments, before, before_size, SQL_STRINGS_STANDARD);
    sql_tags_read(&former, keys, before, &comments);
    sql_tags_repeat_note(&repeat, &former, before, &comments);
    sql_comments_find(&comments, text, size, SQL_STRINGS_STANDARD);
    if (!sql_tags_repeat_holds(&repeat, &changed, keys, text, &comments)) return;
    sql_tags_read(&tags, keys, text, &comments);
    assert(!tags.is_full && !former.is_full);
    for (unsigned i = 0; i < keys->count; i++) {
        size_t value_size, expected_size;
        const char *value = sql_tags_get((changed.found >> i & 1) != 0 ? &changed : &former, i, &value_size);
        const char *expected = sql_tags_get(&tags, i, &expected_size);
        assert(!value == !expected && value_size == expected_size);
        assert(!value || memcmp(value, expected, value_size) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sql_tag_keys *keys = make_keys();
    const char *text = (const char *)data;
    struct sql_tags tags;
    size_t start;
    size_t end;
    sql_tags_parse(&tags, keys, text, size, SQL_STRINGS_STANDARD);
    assert(tags.text_size <= SQL_TAGS_TEXT_MAX);
    assert(tags.found == 0 || sql_comments_may_be_in(text, size));
    for (unsigned i = 0; i < keys->count; i++) check_alone(&tags, keys->items[i].text, i, text, size);
    const char *zero = memchr(text, '\0', size);
    if (zero) check_repeat(keys, text, (size_t)(zero - text), zero + 1, size - (size_t)(zero - text) - 1);
    if (sql_comments_last(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    if (sql_comments_first(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    return 0;
}
