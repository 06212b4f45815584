/* RESET and SET .. TO DEFAULT. Not for what else a statement does to its session: sql_effect.c. */
#include "protocol/sql_reset.h"

#include "protocol/sql_identifier.h"

#include <string.h>
#include <strings.h>

struct reader {
    struct sql_lex lex;
    struct sql_token_span token; /* the one at hand; no comment */
};

static void advance(struct reader *reader)
{
    do {
        sql_lex_next(&reader->lex, &reader->token);
    } while (reader->token.kind == SQL_LINE_COMMENT || reader->token.kind == SQL_BLOCK_COMMENT);
}

static const char *text_of(const struct reader *reader, size_t *size_out)
{
    *size_out = reader->token.end - reader->token.start;
    return reader->lex.text + reader->token.start;
}

static bool is_at(const struct reader *reader, const char *what)
{
    size_t size;
    const char *text = text_of(reader, &size);
    return reader->token.kind != SQL_END && size == strlen(what) && strncasecmp(text, what, size) == 0;
}

static bool take(struct reader *reader, const char *what)
{
    bool is_here = is_at(reader, what);
    if (is_here) advance(reader);
    return is_here;
}

static bool name(char *name_out, const char *known)
{
    strcpy(name_out, known);
    return true;
}

/* An identifier, or several with dots between. */
static bool read_dotted(struct reader *reader, char *name_out)
{
    size_t used = 0;
    do {
        char part[SQL_IDENTIFIER_SIZE_MAX + 1];
        struct sql_identifier identifier = {.escape = '\\'};
        identifier.text = text_of(reader, &identifier.size);
        size_t size = reader->token.kind == SQL_END ? 0 : sql_identifier_text(&identifier, part);
        if (size == 0 || used + size + 1 > SQL_RESET_NAME_MAX) return false;
        memcpy(name_out + used, part, size);
        used += size;
        name_out[used++] = '.';
        advance(reader);
    } while (take(reader, "."));
    name_out[used - 1] = '\0';
    return true;
}

/* The setting at hand, in any of the spellings of SET and RESET. */
static bool read_name(struct reader *reader, char *name_out)
{
    struct reader start = *reader;
    if (take(reader, "time") && take(reader, "zone")) return name(name_out, "timezone");
    *reader = start;
    if (take(reader, "session") && take(reader, "authorization")) return name(name_out, "session_authorization");
    *reader = start;
    if (take(reader, "transaction") && take(reader, "isolation")) return name(name_out, "transaction_isolation");
    *reader = start;
    return read_dotted(reader, name_out);
}

static bool reads_default(struct reader *reader, const char *setting)
{
    if (strcmp(setting, "timezone") == 0 && is_at(reader, "local")) return true;
    return is_at(reader, "default");
}

enum sql_reset sql_reset_of(const char *text, size_t size, enum sql_strings strings, char name_out[SQL_RESET_NAME_MAX + 1])
{
    struct reader reader;
    sql_lex_init(&reader.lex, text, size, strings);
    advance(&reader);
    if (take(&reader, "reset")) {
        if (is_at(&reader, "all")) return SQL_RESET_ALL;
        return read_name(&reader, name_out) ? SQL_RESET_ONE : SQL_RESET_NOTHING;
    }
    if (!take(&reader, "set")) return SQL_RESET_NOTHING;
    struct reader start = reader;
    if (take(&reader, "names") && (reader.token.kind == SQL_END || is_at(&reader, "default")) && name(name_out, "client_encoding"))
        return SQL_RESET_ONE;
    reader = start;
    /* SESSION is a scope, unless it is a part of the name. */
    if (take(&reader, "session") && (is_at(&reader, "authorization") || is_at(&reader, "=") || is_at(&reader, "."))) reader = start;
    if (!read_name(&reader, name_out)) return SQL_RESET_NOTHING;
    if (is_at(&reader, "to") || is_at(&reader, "=")) advance(&reader);
    return reads_default(&reader, name_out) ? SQL_RESET_ONE : SQL_RESET_NOTHING;
}
