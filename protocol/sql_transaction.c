/*
 * BEGIN and COMMIT in all their spellings, read by PostgreSQL's own grammar (gram.y, TransactionStmt) and by nothing wider. Not for: what other statements do
 * (sql_effect.c).
 */
#include "protocol/sql_transaction.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* Modes: two bits of access, two of deferrability, three of isolation; 0: not said. */
enum { READ_ONLY = 1, READ_WRITE = 2, ACCESS = 3, DEFERRABLE = 4, NOT_DEFERRABLE = 8, DEFERRABILITY = 12, ISOLATION_SHIFT = 4 };

static const char *const levels[] = {"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};

struct parse {
    struct sql_lex lex;
    struct sql_token_span token;
};

static void advance(struct parse *parse)
{
    do {
        sql_lex_next(&parse->lex, &parse->token);
    } while ((parse->token.kind == SQL_LINE_COMMENT || parse->token.kind == SQL_BLOCK_COMMENT) && !parse->token.is_unterminated);
}

static bool accept_word(struct parse *parse, const char *word)
{
    size_t size = parse->token.end - parse->token.start;
    if (parse->token.kind != SQL_WORD || size != strlen(word) || strncasecmp(parse->lex.text + parse->token.start, word, size) != 0)
        return false;
    advance(parse);
    return true;
}

static bool accept_character(struct parse *parse, char character)
{
    if (parse->token.kind != SQL_CHARACTER || parse->lex.text[parse->token.start] != character) return false;
    advance(parse);
    return true;
}

static void skip_semicolons(struct parse *parse)
{
    while (accept_character(parse, ';')) continue;
}

static bool read_level(struct parse *parse, uint8_t *modes)
{
    unsigned level;
    if (!accept_word(parse, "level")) return false;
    if (accept_word(parse, "read"))
        level = accept_word(parse, "uncommitted") ? 1 : accept_word(parse, "committed") ? 2 : 0;
    else if (accept_word(parse, "repeatable"))
        level = accept_word(parse, "read") ? 3 : 0;
    else
        level = accept_word(parse, "serializable") ? 4 : 0;
    *modes = (uint8_t)((*modes & (ACCESS | DEFERRABILITY)) | level << ISOLATION_SHIFT);
    return level != 0;
}

static bool read_access(struct parse *parse, uint8_t *modes)
{
    int access = accept_word(parse, "only") ? READ_ONLY : accept_word(parse, "write") ? READ_WRITE : 0;
    *modes = (uint8_t)((*modes & ~ACCESS) | access);
    return access != 0;
}

/* In any order, with commas or without. */
static bool read_modes(struct parse *parse, uint8_t *modes)
{
    bool wants_mode = false;
    for (;;) {
        if (accept_word(parse, "isolation")) {
            if (!read_level(parse, modes)) return false;
        } else if (accept_word(parse, "read")) {
            if (!read_access(parse, modes)) return false;
        } else if (accept_word(parse, "deferrable")) {
            *modes = (uint8_t)((*modes & ~DEFERRABILITY) | DEFERRABLE);
        } else if (accept_word(parse, "not")) {
            if (!accept_word(parse, "deferrable")) return false;
            *modes = (uint8_t)((*modes & ~DEFERRABILITY) | NOT_DEFERRABLE);
        } else {
            return !wants_mode;
        }
        wants_mode = accept_character(parse, ',');
    }
}

static void accept_noise(struct parse *parse)
{
    if (!accept_word(parse, "work")) accept_word(parse, "transaction");
}

static bool read_end(struct parse *parse)
{
    accept_noise(parse);
    return !accept_word(parse, "and") || (accept_word(parse, "no") && accept_word(parse, "chain"));
}

static enum sql_transaction read_statement(struct parse *parse, uint8_t *modes)
{
    if (accept_word(parse, "begin")) {
        accept_noise(parse);
        return read_modes(parse, modes) ? SQL_TRANSACTION_BEGIN : SQL_TRANSACTION_NONE;
    }
    if (accept_word(parse, "start"))
        return accept_word(parse, "transaction") && read_modes(parse, modes) ? SQL_TRANSACTION_START : SQL_TRANSACTION_NONE;
    if (accept_word(parse, "commit") || accept_word(parse, "end")) return read_end(parse) ? SQL_TRANSACTION_COMMIT : SQL_TRANSACTION_NONE;
    if (accept_word(parse, "rollback") || accept_word(parse, "abort"))
        return read_end(parse) ? SQL_TRANSACTION_ROLLBACK : SQL_TRANSACTION_NONE;
    return SQL_TRANSACTION_EMPTY;
}

bool sql_transaction_is_likely(const char *text, size_t size)
{
    if (size < 2) return true;
    char first = (char)(text[0] | 0x20), second = (char)(text[1] | 0x20);
    if (first < 'a' || first > 'z') return true;
    switch (first) {
    case 'a': return second == 'b';
    case 'b': return second == 'e';
    case 'c': return second == 'o';
    case 'e': return second == 'n';
    case 'r': return second == 'o';
    case 's': return second == 't';
    default: return false;
    }
}

enum sql_transaction sql_transaction_of(const char *text, size_t size, enum sql_strings strings, uint8_t *modes_out)
{
    *modes_out = 0;
    if (!sql_transaction_is_likely(text, size)) return SQL_TRANSACTION_NONE;
    struct parse parse;
    sql_lex_init(&parse.lex, text, size, strings);
    advance(&parse);
    skip_semicolons(&parse);
    enum sql_transaction statement = read_statement(&parse, modes_out);
    skip_semicolons(&parse);
    return parse.token.kind == SQL_END ? statement : SQL_TRANSACTION_NONE;
}

size_t sql_transaction_write_begin(uint8_t modes, char text_out[SQL_TRANSACTION_BEGIN_MAX])
{
    unsigned level = modes >> ISOLATION_SHIFT;
    assert(level <= sizeof levels / sizeof levels[0]);
    const char *const parts[] = {
        "BEGIN",
        level ? " ISOLATION LEVEL " : "",
        level ? levels[level - 1] : "",
        modes & READ_ONLY    ? " READ ONLY"
        : modes & READ_WRITE ? " READ WRITE"
                             : "",
        modes & DEFERRABLE       ? " DEFERRABLE"
        : modes & NOT_DEFERRABLE ? " NOT DEFERRABLE"
                                 : "",
    };
    size_t size = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t part = strlen(parts[i]);
        assert(size + part < SQL_TRANSACTION_BEGIN_MAX);
        memcpy(text_out + size, parts[i], part + 1);
        size += part;
    }
    return size;
}
