/* protocol/sql_tags.h: the input is SQL text. */
#include "protocol/sql_tags.h"

#include <assert.h>

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
    assert(sql_tags_route(&tags, route, sizeof route) < sizeof route);
    sql_tags_trace_id(&tags, trace_id);
    if (sql_tags_last_comment(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    if (sql_tags_first_comment(text, size, SQL_STRINGS_BACKSLASH, &start, &end)) assert(start >= 2 && start <= end && end + 2 <= size);
    return 0;
}
