/* A set of function names, and texts that call or create them. Which functions belong in it is the caller's business. */
#include "proxy/function_names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "protocol/sql_identifier.h"
#include "proxy/memory.h"

struct function_name {
    UT_hash_handle hh;
    char text[];
};

void function_names_add(struct function_names *names, const char *name)
{
    struct function_name *known;
    HASH_FIND_STR(names->by_name, name, known);
    if (known) return;
    size_t size = strlen(name) + 1;
    struct function_name *added = memory_zalloc(sizeof *added + size);
    memcpy(added->text, name, size);
    HASH_ADD_KEYPTR(hh, names->by_name, added->text, size - 1, added);
}

/* The identifier that this token is, as PostgreSQL reads it. False: it is none. */
static bool identifier(const char *text, const struct sql_token_span *token, char name_out[SQL_IDENTIFIER_SIZE_MAX + 1])
{
    if (token->kind != SQL_WORD && token->kind != SQL_QUOTED && token->kind != SQL_UNICODE_QUOTED) return false;
    struct sql_identifier identifier = {.text = text + token->start, .size = token->end - token->start, .escape = '\\'};
    return sql_identifier_text(&identifier, name_out) > 0;
}

static bool next(struct sql_lex *lex, struct sql_token_span *token)
{
    while (sql_lex_next(lex, token))
        if (token->kind != SQL_LINE_COMMENT && token->kind != SQL_BLOCK_COMMENT) return true;
    return false;
}

static bool is_character(const char *text, const struct sql_token_span *token, char c)
{
    return token->kind == SQL_CHARACTER && text[token->start] == c;
}

bool function_names_are_called(const struct function_names *names, const char *text, size_t size, enum sql_strings strings)
{
    struct sql_lex lex;
    struct sql_token_span token;
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    const struct function_name *known = NULL;
    sql_lex_init(&lex, text, size, strings);
    while (next(&lex, &token)) {
        if (known && is_character(text, &token, '(')) return true;
        known = NULL;
        if (identifier(text, &token, name)) HASH_FIND_STR(names->by_name, name, known);
    }
    return false;
}

static bool is_word(const char *text, const struct sql_token_span *token, const char *word)
{
    return token->kind == SQL_WORD && token->end - token->start == strlen(word) &&
           strncasecmp(text + token->start, word, strlen(word)) == 0;
}

void function_names_add_created(struct function_names *names, const char *text, size_t size, enum sql_strings strings)
{
    struct sql_lex lex;
    struct sql_token_span token;
    sql_lex_init(&lex, text, size, strings);
    while (next(&lex, &token)) {
        if (!is_word(text, &token, "function") && !is_word(text, &token, "procedure")) continue;
        /* schema . name ( : the last identifier before the parenthesis. */
        char name[SQL_IDENTIFIER_SIZE_MAX + 1] = "";
        while (next(&lex, &token) && (identifier(text, &token, name) || is_character(text, &token, '.'))) continue;
        if (*name && is_character(text, &token, '(')) function_names_add(names, name);
    }
}

void function_names_fini(struct function_names *names)
{
    struct function_name *name, *next_name;
    HASH_ITER(hh, names->by_name, name, next_name) {
        HASH_DEL(names->by_name, name);
        free(name);
    }
}
