/* protocol/sql_tags.h and sql_comments.h: the input is SQL text. */
#include "protocol/sql_tags.h"

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
    if (sql_comments_last(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    if (sql_comments_first(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    return 0;
}
