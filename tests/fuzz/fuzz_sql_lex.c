/* protocol/sql_lex.h and protocol/sql_identifier.h: the input is SQL text. */
#include "protocol/sql_identifier.h"
#include "protocol/sql_lex.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_identifier(const char *text, size_t size, char escape)
{
    struct sql_identifier identifier = {text, size, escape};
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    size_t written = sql_identifier_text(&identifier, name);
    assert(written <= SQL_IDENTIFIER_SIZE_MAX && name[written] == '\0');
}

/* Tokens lie in order, with nothing but white space between them. */
static void check(const char *text, size_t size, enum sql_strings strings)
{
    struct sql_lex lex;
    struct sql_token_span token;
    size_t end = 0;
    sql_lex_init(&lex, text, size, strings);
    while (sql_lex_next(&lex, &token)) {
        assert(token.start >= end && token.end > token.start && token.end <= size);
        assert(!token.is_unterminated || token.end == size);
        for (; end < token.start; end++) assert(text[end] == ' ' || (text[end] >= '\t' && text[end] <= '\r'));
        if (token.kind == SQL_WORD || token.kind == SQL_QUOTED || token.kind == SQL_UNICODE_QUOTED)
            check_identifier(text + token.start, token.end - token.start, size % 2 == 0 ? '\\' : '!');
        end = token.end;
    }
    assert(token.kind == SQL_END && token.start == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check((const char *)data, size, SQL_STRINGS_STANDARD);
    check((const char *)data, size, SQL_STRINGS_BACKSLASH);
    check_identifier((const char *)data, size, '\\');
    return 0;
}
