/*
 * Names of custom settings in SQL text. It looks at tokens, not at grammar: a name too many costs its reader a look, one too few would be a setting that nobody
 * asks for.
 */
#include "protocol/sql_setting_names.h"

#include <string.h>
#include <strings.h>

/* Code within code: DO $$ .. EXECUTE '..' .. $$. */
enum { DEPTH_MAX = 3 };

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

bool sql_is_setting_name(const char *text, size_t size)
{
    if (size == 0 || size > SQL_SETTING_NAME_MAX) return false;
    bool has_dot = false, is_start = true;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (is_start && !is_letter(c)) return false;
        if (c == '.')
            has_dot = true;
        else if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '$')
            return false;
        is_start = c == '.';
    }
    return has_dot && !is_start;
}

struct search {
    void (*found)(void *context, const char *name, size_t size);
    void *context;
    enum sql_strings strings;
};

/* name . name ... with nothing but white space between: the name without it and without quotes. */
struct dotted {
    char text[SQL_SETTING_NAME_MAX];
    size_t size;
    bool is_too_long;
    bool wants_dot;
};

static void add(struct dotted *dotted, const char *text, size_t size)
{
    if (size > sizeof dotted->text - dotted->size) {
        dotted->is_too_long = true;
        return;
    }
    memcpy(dotted->text + dotted->size, text, size);
    dotted->size += size;
}

static void end(struct dotted *dotted, const struct search *search)
{
    if (!dotted->is_too_long && sql_is_setting_name(dotted->text, dotted->size)) search->found(search->context, dotted->text, dotted->size);
    *dotted = (struct dotted){0};
}

/* What stands between the quotes of a constant, whichever they are. */
static void content(const char *text, const struct sql_token_span *token, size_t *start_out, size_t *size_out)
{
    size_t start = token->start, end = token->end;
    char quote = '\'';
    if (text[start] == '$') {
        const char *tag_end = memchr(text + start + 1, '$', end - start - 1);
        size_t tag_size = tag_end ? (size_t)(tag_end - (text + start)) + 1 : 0;
        if (tag_size && end - start >= 2 * tag_size) {
            *start_out = start + tag_size;
            *size_out = end - start - 2 * tag_size;
            return;
        }
    }
    while (start < end && text[start] != quote) start++;
    start += start < end;
    if (end > start && text[end - 1] == quote) end--;
    *start_out = start;
    *size_out = end - start;
}

static void search_text(const struct search *search, const char *text, size_t size, int depth);

static void constant(const struct search *search, const char *text, const struct sql_token_span *token, int depth)
{
    size_t start, size;
    content(text, token, &start, &size);
    if (sql_is_setting_name(text + start, size))
        search->found(search->context, text + start, size);
    else if (depth < DEPTH_MAX)
        search_text(search, text + start, size, depth + 1);
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return size == strlen(word) && strncasecmp(text, word, size) == 0;
}

/* SET [SESSION | LOCAL] or RESET: the next name is a setting's. */
static bool leads_to_name(const char *text, size_t size, bool was_leading)
{
    return is_word(text, size, "set") || is_word(text, size, "reset") ||
           (was_leading && (is_word(text, size, "local") || is_word(text, size, "session")));
}

/* Within a constant the quotes of another one are doubled: '.. set_config(''app.x'' ..'. They read as an empty constant in front of the name. */
static bool is_quotes_only(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\'') return false;
    return true;
}

static bool is_constant(enum sql_token kind)
{
    return kind >= SQL_STRING && kind <= SQL_DOLLAR_STRING;
}

static bool next_code(struct sql_lex *lex, struct sql_token_span *token_out)
{
    do {
        if (!sql_lex_next(lex, token_out)) return false;
    } while (token_out->kind == SQL_LINE_COMMENT || token_out->kind == SQL_BLOCK_COMMENT);
    return true;
}

/* (VALUES ('app.x', ..), ..) and unnest(array['app.x', ..]): a column may be a list of names that stand in the text. */
static bool lists_values(const char *text, size_t size, enum sql_strings strings)
{
    struct sql_lex lex;
    struct sql_token_span token;
    sql_lex_init(&lex, text, size, strings);
    while (next_code(&lex, &token))
        if (token.kind == SQL_WORD && (is_word(text + token.start, token.end - token.start, "values") ||
                                       is_word(text + token.start, token.end - token.start, "unnest")))
            return true;
    return false;
}

static bool is_at(const char *text, const struct sql_token_span *token, char character)
{
    return token->kind == SQL_CHARACTER && text[token->start] == character;
}

enum name_argument { NAME_READABLE, NAME_OF_COLUMN, NAME_COMPUTED };

/* The first argument. Readable is a constant without escapes, or a parameter, and nothing else up to the comma but a cast. */
static enum name_argument name_argument(const char *text, struct sql_lex lex, int depth)
{
    struct sql_token_span token;
    if (!next_code(&lex, &token)) return NAME_READABLE;
    const char *at = text + token.start;
    size_t size = token.end - token.start;
    enum name_argument argument = NAME_READABLE;
    /* A constant within one, whose quotes are doubled, or whose end is the end of ours. */
    if (depth > 0 && token.kind == SQL_STRING && is_quotes_only(at, size)) return NAME_READABLE;
    if (token.kind == SQL_WORD || token.kind == SQL_QUOTED)
        argument = NAME_OF_COLUMN;
    else if (!is_constant(token.kind) && token.kind != SQL_PARAMETER)
        return NAME_COMPUTED;
    if (is_constant(token.kind) && memchr(at, '\\', size)) return NAME_COMPUTED;
    while (next_code(&lex, &token)) {
        if (token.kind == SQL_TYPECAST || is_at(text, &token, ',') || is_at(text, &token, ')')) return argument;
        bool is_qualified = argument == NAME_OF_COLUMN && (is_at(text, &token, '.') || token.kind == SQL_WORD || token.kind == SQL_QUOTED);
        if (!is_qualified) return NAME_COMPUTED;
    }
    return argument;
}

/* Far enough for arguments that people write; what is longer may do anything. */
enum { ARGUMENT_TOKENS_MAX = 100 };

/* set_config(.., .., true): for the transaction only. */
static bool is_local(const char *text, struct sql_lex lex)
{
    struct sql_token_span token;
    size_t open = 1;
    bool is_behind_comma = false, is_true = false;
    for (int i = 0; i < ARGUMENT_TOKENS_MAX && next_code(&lex, &token); i++) {
        if (is_at(text, &token, ')') && --open == 0) return is_true;
        if (is_at(text, &token, '(')) open++;
        is_true = is_behind_comma && open == 1 && token.kind == SQL_WORD && token.end - token.start == 4 &&
                  strncasecmp(text + token.start, "true", 4) == 0;
        is_behind_comma = open == 1 && is_at(text, &token, ',');
    }
    return false;
}

/* `lex` stands behind a name. `has_list` says whether columns may be names that stand in the text: -1 as long as nobody asked. */
static bool calls_with_unknown_name(const char *text, const struct sql_token_span *name, struct sql_lex lex, int depth, int *has_list)
{
    size_t quote = name->kind == SQL_QUOTED, size = name->end - name->start;
    if (size < 2 * quote || !is_word(text + name->start + quote, size - 2 * quote, "set_config")) return false;
    struct sql_token_span token;
    if (!next_code(&lex, &token) || !is_at(text, &token, '(')) return false;
    enum name_argument argument = name_argument(text, lex, depth);
    if (argument == NAME_READABLE || is_local(text, lex)) return false;
    if (argument == NAME_COMPUTED) return true;
    if (*has_list < 0) *has_list = lists_values(text, lex.size, lex.strings);
    return !*has_list;
}

static void search_text(const struct search *search, const char *text, size_t size, int depth)
{
    struct sql_lex lex;
    struct sql_token_span token;
    struct dotted dotted = {0};
    bool is_leading = false;
    int has_list = -1;
    sql_lex_init(&lex, text, size, search->strings);
    while (sql_lex_next(&lex, &token)) {
        const char *at = text + token.start;
        size_t length = token.end - token.start;
        bool is_quoted = token.kind == SQL_QUOTED && length >= 2, is_name = token.kind == SQL_WORD || is_quoted;
        if (token.kind == SQL_LINE_COMMENT || token.kind == SQL_BLOCK_COMMENT) continue;
        if (dotted.wants_dot && token.kind == SQL_CHARACTER && *at == '.') {
            add(&dotted, ".", 1);
            dotted.wants_dot = false;
            continue;
        }
        if (dotted.wants_dot || !is_name) end(&dotted, search);
        if ((is_name && calls_with_unknown_name(text, &token, lex, depth, &has_list)) || (is_leading && token.kind == SQL_UNICODE_QUOTED))
            search->found(search->context, NULL, 0);
        /* Also the words that may stand in front of a name: "SET session.x", "SET app.reset". */
        if (is_name && (is_leading || dotted.size > 0)) {
            add(&dotted, is_quoted ? at + 1 : at, is_quoted ? length - 2 : length);
            dotted.wants_dot = true;
        }
        is_leading = (token.kind == SQL_WORD && leads_to_name(at, length, is_leading)) ||
                     (depth > 0 && token.kind == SQL_STRING && is_quotes_only(at, length));
        if (is_constant(token.kind)) constant(search, text, &token, depth);
    }
    end(&dotted, search);
}

void sql_setting_names(const char *text, size_t size, enum sql_strings strings, void (*found)(void *context, const char *name, size_t size),
                       void *context)
{
    struct search search = {.found = found, .context = context, .strings = strings};
    search_text(&search, text, size, 0);
}

static bool may_be_in_name(char c)
{
    return (unsigned char)c < 0x80 && (is_letter(c) || (c >= '0' && c <= '9') || c == '$' || c == '.');
}

void sql_setting_names_anywhere(const char *text, size_t size, void (*found)(void *context, const char *name, size_t size), void *context)
{
    for (size_t start = 0; start < size;) {
        size_t end = start;
        while (end < size && may_be_in_name(text[end])) end++;
        if (sql_is_setting_name(text + start, end - start)) found(context, text + start, end - start);
        start = end + 1;
    }
}
