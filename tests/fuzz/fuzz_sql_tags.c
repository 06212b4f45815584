/* protocol/sql_tags.h: the input is SQL text. */
#include "protocol/sql_tags.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct sql_tags tags;
    char route[32];
    uint8_t trace_id[16];
    size_t start;
    size_t end;
    sql_tags_parse(&tags, text, size, SQL_STRINGS_STANDARD);
    assert(tags.count <= SQL_TAGS_MAX && tags.text_size <= SQL_TAGS_TEXT_MAX);
    for (uint32_t i = 0; i < tags.count; i++) {
        assert((size_t)tags.items[i].key + tags.items[i].key_size <= tags.text_size && tags.items[i].key_size > 0);
        assert((size_t)tags.items[i].value + tags.items[i].value_size <= tags.text_size);
    }
    /* What is asked for by its key is what all of it has by that key, unless that had no room. */
    struct sql_tag_keys keys = {.count = 0};
    struct sql_tags some;
    sql_tag_keys_add(&keys, "route");
    sql_tag_keys_add(&keys, "job");
    sql_tag_keys_add(&keys, "job");
    assert(keys.count == 2);
    sql_tags_parse_some(&some, &keys, text, size, SQL_STRINGS_STANDARD);
    assert(some.count <= tags.count || tags.is_full);
    for (uint32_t i = 0; i < keys.count && !tags.is_full; i++) {
        size_t value_size = 0, some_size = 0;
        const char *value = sql_tags_get(&tags, keys.items[i].text, &value_size);
        const char *some_value = sql_tags_get(&some, keys.items[i].text, &some_size);
        assert(!value == !some_value && value_size == some_size);
        assert(!value || memcmp(value, some_value, value_size) == 0);
    }
    assert(tags.count == 0 || sql_comments_may_be_in(text, size));
    assert(sql_tags_route(&tags, route, sizeof route) < sizeof route);
    sql_tags_trace_id(&tags, trace_id);
    if (sql_comments_last(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    if (sql_comments_first(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    return 0;
}
