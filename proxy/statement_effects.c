/* Effects of statements, kept with them; and names of statements in SQL. Not for: what follows from an effect (rewrite.c, inquiry.c). */
#include "proxy/statement_effects.h"

#include <string.h>
#include <strings.h>

#include "proxy/text_buffer.h"

_Static_assert(SQL_EFFECT_COUNT <= 31, "the highest bit is ours");

static bool drops_on_commit(const char *text, size_t size, enum sql_strings strings)
{
    static const char *const words[] = {"on", "commit", "drop"};
    enum { WORDS = sizeof words / sizeof words[0] };
    struct sql_lex lex;
    struct sql_token_span token;
    unsigned matched = 0;
    sql_lex_init(&lex, text, size, strings);
    while (matched < WORDS && sql_lex_next(&lex, &token)) {
        if (token.kind == SQL_LINE_COMMENT || token.kind == SQL_BLOCK_COMMENT) continue;
        size_t length = token.end - token.start;
        bool is_next =
            token.kind == SQL_WORD && length == strlen(words[matched]) && strncasecmp(text + token.start, words[matched], length) == 0;
        matched = is_next ? matched + 1 : 0;
    }
    return matched == WORDS;
}

uint32_t statement_effects_of_text(const char *text, size_t size, bool can_scan, enum sql_strings strings)
{
    if (!can_scan) return EFFECT_OPAQUE_CODE;
    size_t count;
    uint32_t effects = sql_effect_of(text, size, strings, &count) & (EFFECTS_TO_ASK | EFFECTS_ON_NAMES | EFFECT_CREATE);
    /* DISCARD ALL is refused among other statements. */
    if (count > 1) effects &= ~(uint32_t)EFFECT_DISCARD_ALL;
    /* A table that ends with its transaction is nobody's state afterwards. */
    if ((effects & EFFECT_TEMP) && count == 1 && drops_on_commit(text, size, strings)) effects &= ~(uint32_t)EFFECT_TEMP;
    return effects;
}

uint32_t statement_effects(struct statement *statement, bool can_scan, enum sql_strings strings)
{
    if (!statement->is_scanned) {
        const char *text = (const char *)statement->tail;
        statement->effects = statement_effects_of_text(text, strlen(text), can_scan, strings);
        statement->is_scanned = true;
    }
    return statement->effects;
}

char *statement_rename(const char *text, size_t size, enum sql_strings strings,
                       const char *(*rename)(void *context, const char *name, uint32_t effect), void *context)
{
    struct sql_effect_scan scan;
    struct sql_statement statement;
    struct text_buffer result = {0};
    size_t copied = 0;
    sql_effect_init(&scan, text, size, strings);
    while (sql_effect_next(&scan, &statement)) {
        char name[SQL_IDENTIFIER_SIZE_MAX + 1];
        uint32_t effect = statement.effects & EFFECTS_ON_NAMES;
        bool is_named = statement.name.text && !statement.is_all && sql_identifier_text(&statement.name, name) > 0;
        if (!effect || !(is_named || statement.is_all)) continue;
        const char *other = rename(context, is_named ? name : NULL, effect);
        if (!other) continue;
        size_t start = (size_t)(statement.name.text - text);
        text_buffer_add_bytes(&result, text + copied, start - copied);
        text_buffer_add(&result, other);
        copied = start + statement.name.size;
    }
    if (result.text) text_buffer_add_bytes(&result, text + copied, size - copied);
    return result.text;
}
