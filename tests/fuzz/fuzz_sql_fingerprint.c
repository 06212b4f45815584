/* protocol/sql_fingerprint.h and sql_value_hash.h: the input is SQL text; its first byte says how much of it is looked at. */
#include "protocol/sql_fingerprint.h"
#include "protocol/sql_plain_list.h"
#include "protocol/sql_value_hash.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sql_value_key key = {{1, 2}};

static void check_literals(const char *text, const struct sql_fingerprint *fingerprint)
{
    for (uint32_t i = 0; i < fingerprint->literal_count && i < SQL_LITERALS_MAX; i++) {
        const struct sql_literal *literal = &fingerprint->literals[i];
        assert(literal->start >= fingerprint->start && literal->start + literal->size <= fingerprint->end);
        assert(literal->slot <= fingerprint->slot_count);
        if (literal->kind != SQL_LITERAL_PARAMETER) sql_value_hash_literal(&key, text, literal);
    }
}

/* Both ways to read a list are the same, and end in what closes it. */
static void check_lists(const char *text, size_t size)
{
    enum { LISTS_MAX = 8 };
    unsigned count = 0;
    for (size_t at = 0; at < size && count < LISTS_MAX; at++) {
        if (text[at] != '(' && text[at] != '[') continue;
        count++;
        for (int kind = SQL_PLAIN_LIST; kind <= SQL_PLAIN_ROWS; kind++) {
            struct sql_plain_list one, other;
            bool is_list = sql_plain_list(text, size, at + 1, (enum sql_plain_list_kind)kind, &one);
            assert(sql_plain_list_by_lanes(text, size, at + 1, (enum sql_plain_list_kind)kind, &other) == is_list);
            if (!is_list) continue;
            assert(one.end < size && text[one.end] == (kind == SQL_PLAIN_ARRAY ? ']' : ')'));
            assert(one.end == other.end && one.length == other.length && one.literal_count == other.literal_count);
        }
    }
}

/* The canonical text of a statement has its shape; the statements are those of sql_effect. */
static void check(const char *text, size_t size, enum sql_strings strings, size_t scan_max)
{
    static char display[1 << 16];
    struct sql_fingerprint_scan scan;
    struct sql_fingerprint_scan again;
    struct sql_fingerprint fingerprint;
    struct sql_fingerprint other;
    size_t statement_count;
    size_t count = 0;
    sql_fingerprint_init(&scan, text, size, strings, scan_max);
    for (; sql_fingerprint_next(&scan, &fingerprint); count++) {
        assert(fingerprint.start <= fingerprint.end && fingerprint.end <= size);
        check_literals(text, &fingerprint);
        size_t display_size = sql_fingerprint_display(&scan, &fingerprint, display, sizeof display);
        assert(display_size < sizeof display && display[display_size] == '\0');
        if (fingerprint.is_truncated || display_size > sizeof display / 2) continue;
        sql_fingerprint_init(&again, display, display_size, SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
        assert(sql_fingerprint_next(&again, &other));
        assert(other.hash == fingerprint.hash);
    }
    if (scan_max < size) return;
    sql_effect_of(text, size, strings, &statement_count);
    assert(count == statement_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const char *text = (const char *)data + 1;
    check(text, size - 1, SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    check(text, size - 1, SQL_STRINGS_BACKSLASH, SQL_FINGERPRINT_SCAN_MAX);
    check(text, size - 1, SQL_STRINGS_STANDARD, data[0]);
    check_lists(text, size - 1);
    return 0;
}
