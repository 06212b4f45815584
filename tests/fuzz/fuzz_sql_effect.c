/* protocol/sql_effect.h: the input is SQL text. */
#include "protocol/sql_effect.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Statements lie in order, names and bodies within them; and the short ways say what the scan says that reads every token. */
static void check(const char *text, size_t size, enum sql_strings strings, bool is_thorough)
{
    struct sql_effect_scan scan;
    struct sql_statement statement;
    uint32_t effects = 0;
    size_t count = 0;
    size_t counted;
    size_t end = 0;
    sql_effect_init(&scan, text, size, strings);
    scan.is_thorough = is_thorough;
    while (sql_effect_next(&scan, &statement)) {
        assert(statement.start >= end && statement.end > statement.start && statement.end <= size);
        assert(statement.body >= statement.start && statement.body <= statement.end);
        if (statement.name.text != NULL)
            assert(statement.name.text >= text + statement.start && statement.name.text + statement.name.size <= text + statement.end);
        effects |= statement.effects;
        end = statement.end;
        count++;
    }
    assert(sql_effect_of(text, size, strings, &counted) == effects && counted == count);
    assert(effects >> SQL_EFFECT_COUNT == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int i = 0; i < 4; i++) check((const char *)data, size, i & 1 ? SQL_STRINGS_BACKSLASH : SQL_STRINGS_STANDARD, i & 2);
    return 0;
}
