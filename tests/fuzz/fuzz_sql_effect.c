/* protocol/sql_effect.h: the input is SQL text. */
#include "protocol/sql_effect.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Statements lie in order, names and bodies within them; and the short way of sql_effect_of says what the scan says. */
static void check(const char *text, size_t size, enum sql_strings strings)
{
    struct sql_effect_scan scan;
    struct sql_statement statement;
    uint32_t effects = 0;
    size_t count = 0;
    size_t counted;
    size_t end = 0;
    sql_effect_init(&scan, text, size, strings);
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
    check((const char *)data, size, SQL_STRINGS_STANDARD);
    check((const char *)data, size, SQL_STRINGS_BACKSLASH);
    return 0;
}
