/*
 * Statements and their effects on the session. This is no parser: it reads the head of each statement as far as its kind asks for, then looks
 * for the few words that matter anywhere. It does not know which effects matter to whom.
 *
 * Invariants: every token is fetched by advance(), which sees names and parentheses whatever asked for the token; a token that may matter is
 * left to step(), not skipped; where a text can be read in two ways, the effects of both are reported.
 */
#include "protocol/sql_effect.h"

#include "protocol/sql_suspects.h"

#include <string.h>

/* ---- the words ---- */

enum word {
    WORD_NONE,
#define X(name, text, first, before_last, last, role, effects) name,
#include "protocol/sql_words.def"
#undef X
    WORD_COUNT
};

enum role { ROLE_NONE, ROLE_VERB, ROLE_KEYWORD, ROLE_NAME };

struct word_entry {
    const char *text;
    uint8_t size;
    uint8_t role;
    uint32_t effects;
};

static const struct word_entry words[WORD_COUNT] = {
#define X(name, text, first, before_last, last, role, effects) [name] = {text, sizeof text - 1, role, effects},
#include "protocol/sql_words.def"
#undef X
};

/* Tried out until no two words had one slot. Of letters, the bits that both cases share. */
#define SLOT(first, before_last, last, size) \
    ((((first) | 0x20u) * 7 + ((before_last) | 0x20u) * 32 + ((last) | 0x20u) * 52 + 10u * (size)) % SLOT_COUNT)
enum { SLOT_COUNT = 1024, WORD_SIZE_MIN = 2, WORD_SIZE_MAX = 35 };

static const uint8_t slots[SLOT_COUNT] = {
#define X(name, text, first, before_last, last, role, effects) [SLOT(first, before_last, last, sizeof text - 1)] = name,
#include "protocol/sql_words.def"
#undef X
};

/* One to eight bytes in a number; some may be in it twice. */
static inline uint64_t load(const char *text, size_t size)
{
    if (size < 4) return (uint64_t)(uint8_t)text[0] << 16 | (uint64_t)(uint8_t)text[size / 2] << 8 | (uint8_t)text[size - 1];
    uint32_t first, last;
    memcpy(&first, text, sizeof first);
    memcpy(&last, text + size - sizeof last, sizeof last);
    return (uint64_t)first << 32 | last;
}

/* `lower` has letters in lower case, digits and '_'. Upper case lacks one bit, at each byte of `lower` that has the bit above it too. */
static inline bool is_same_folded(const char *text, const char *lower, size_t size)
{
    for (;;) {
        size_t part = size < 8 ? size : 8;
        uint64_t wanted = load(lower, part);
        uint64_t case_bits = wanted & (wanted >> 1) & UINT64_C(0x2020202020202020);
        if ((load(text, part) | case_bits) != wanted) return false;
        if (size <= 8) return true;
        text += part, lower += part, size -= part;
    }
}

static inline enum word word_of(const char *text, size_t size)
{
    if (size < WORD_SIZE_MIN || size > WORD_SIZE_MAX) return WORD_NONE;
    uint8_t word = slots[SLOT((uint8_t)text[0], (uint8_t)text[size - 2], (uint8_t)text[size - 1], size)];
    if (words[word].size != size || !is_same_folded(text, words[word].text, size)) return WORD_NONE;
    return (enum word)word;
}

/* The session's own schema for temporary objects goes by its number too. */
static bool is_numbered_pg_temp(const char *text, size_t size)
{
    return size > 8 && (text[0] | 0x20) == 'p' && is_same_folded(text, "pg_temp_", 8);
}

/* ---- tokens ---- */

/* A name, quoted or not, without its quotes. Returns which word it is. */
static inline enum word note_name(struct sql_effect_scan *scan, const char *text, size_t size)
{
    enum word word = word_of(text, size);
    if (word != WORD_NONE && words[word].role == ROLE_NAME) {
        scan->statement->effects |= words[word].effects;
        scan->has_settings |= word == WORD_PG_SETTINGS;
    }
    if (is_numbered_pg_temp(text, size)) scan->statement->effects |= EFFECT_TEMP;
    return word;
}

/* With the escape character that is the default. When a UESCAPE clause comes, it may be any name: see step_word(). */
static void note_unicode_name(struct sql_effect_scan *scan, const char *text, size_t size)
{
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    struct sql_identifier identifier = {text, size, '\\'};
    note_name(scan, name, sql_identifier_text(&identifier, name));
}

static inline void note_character(struct sql_effect_scan *scan, char character)
{
    if (character == '(') {
        scan->depth++;
    } else if (character == ')') {
        if (scan->depth > 0) scan->depth--;
    } else {
        scan->is_semicolon = character == ';';
    }
}

/* Fetch the next token that is no comment. */
static inline void advance(struct sql_effect_scan *scan)
{
    struct sql_token_span *token = &scan->token;
    scan->previous_word = scan->word;
    scan->previous_kind = token->kind;
    scan->word = WORD_NONE;
    scan->is_semicolon = false;
    scan->end = token->end;
    do {
        sql_lex_next(&scan->lex, token);
    } while (token->kind == SQL_LINE_COMMENT || token->kind == SQL_BLOCK_COMMENT);

    const char *text = scan->lex.text + token->start;
    size_t size = token->end - token->start;
    if (token->kind == SQL_WORD) {
        scan->word = (uint8_t)note_name(scan, text, size);
    } else if (token->kind == SQL_CHARACTER) {
        note_character(scan, *text);
    } else if (token->kind == SQL_QUOTED) {
        if (size > 2) note_name(scan, text + 1, size - 2);
    } else if (token->kind == SQL_UNICODE_QUOTED) {
        note_unicode_name(scan, text, size);
    }
}

static inline bool is_at_end(const struct sql_effect_scan *scan)
{
    return scan->token.kind == SQL_END || (scan->is_semicolon && scan->depth == 0 && scan->atomic_depth == 0);
}

static bool is_identifier(const struct sql_effect_scan *scan)
{
    return scan->token.kind == SQL_WORD || scan->token.kind == SQL_QUOTED || scan->token.kind == SQL_UNICODE_QUOTED;
}

static bool is_character(const struct sql_effect_scan *scan, char character)
{
    return scan->token.kind == SQL_CHARACTER && scan->lex.text[scan->token.start] == character;
}

static void add_effects(struct sql_effect_scan *scan, uint32_t effects)
{
    scan->statement->effects |= effects;
}

/* ---- names of statements, cursors, channels, savepoints ---- */

static struct sql_identifier identifier_at_hand(const struct sql_effect_scan *scan)
{
    return (struct sql_identifier){scan->lex.text + scan->token.start, scan->token.end - scan->token.start, '\\'};
}

/* The first name of the text between two semicolons counts. */
static void put_name(struct sql_effect_scan *scan, struct sql_identifier name)
{
    if (scan->statement->name.text == NULL && !scan->statement->is_all) scan->statement->name = name;
}

/* The name at hand, with its UESCAPE clause. */
static void scan_name(struct sql_effect_scan *scan)
{
    struct sql_identifier name = identifier_at_hand(scan);
    bool may_have_clause = scan->token.kind == SQL_UNICODE_QUOTED;
    if (!is_identifier(scan)) return;
    advance(scan);
    if (may_have_clause && scan->word == WORD_UESCAPE) {
        advance(scan);
        if (scan->token.kind == SQL_STRING && scan->token.end - scan->token.start == 3) {
            name.escape = scan->lex.text[scan->token.start + 1];
            advance(scan);
        }
    }
    put_name(scan, name);
}

/* The name behind `noise`, a word that need not be there and that may be the name itself; ALL or * instead of it. */
static void scan_name_behind(struct sql_effect_scan *scan, enum word noise)
{
    struct sql_identifier noise_name = identifier_at_hand(scan);
    bool has_noise = noise != WORD_NONE && scan->word == noise;
    if (has_noise) advance(scan);
    if (scan->word == WORD_ALL || is_character(scan, '*')) {
        scan->statement->is_all |= scan->statement->name.text == NULL;
        advance(scan);
    } else if (is_identifier(scan)) {
        scan_name(scan);
    } else if (has_noise) {
        put_name(scan, noise_name);
    }
}

/* ---- heads of statements. Each is called with the verb at hand and leaves the first token it has no use for. ---- */

static void step(struct sql_effect_scan *scan);

static void scan_plain_name(struct sql_effect_scan *scan)
{
    advance(scan);
    scan_name_behind(scan, WORD_NONE);
}

static void scan_deallocate(struct sql_effect_scan *scan)
{
    advance(scan);
    scan_name_behind(scan, WORD_PREPARE);
}

static void scan_release(struct sql_effect_scan *scan)
{
    advance(scan);
    scan_name_behind(scan, WORD_SAVEPOINT);
}

static void scan_execute(struct sql_effect_scan *scan)
{
    advance(scan);
    scan_name(scan);
    scan->statement->body = scan->token.start;
}

/* PREPARE name (types) AS text; PREPARE TRANSACTION 'gid', after which the session is in no transaction. */
static void scan_prepare(struct sql_effect_scan *scan)
{
    advance(scan);
    struct sql_identifier name = identifier_at_hand(scan);
    if (scan->word == WORD_TRANSACTION) {
        advance(scan);
        if (scan->token.kind >= SQL_STRING && scan->token.kind <= SQL_DOLLAR_STRING) {
            add_effects(scan, EFFECT_COMMIT);
            return;
        }
        put_name(scan, name);
    } else {
        scan_name(scan);
    }
    add_effects(scan, EFFECT_PREPARE);
    while (!is_at_end(scan) && !(scan->word == WORD_AS && scan->depth == 0)) advance(scan);
    if (is_at_end(scan)) return;
    advance(scan);
    scan->statement->body = scan->token.start;
}

static void scan_commit(struct sql_effect_scan *scan)
{
    advance(scan);
    if (scan->word != WORD_PREPARED) add_effects(scan, EFFECT_COMMIT);
}

static void scan_rollback(struct sql_effect_scan *scan)
{
    advance(scan);
    if (scan->word == WORD_WORK || scan->word == WORD_TRANSACTION) advance(scan);
    if (scan->word == WORD_TO) {
        add_effects(scan, EFFECT_ROLLBACK_TO);
        advance(scan);
        scan_name_behind(scan, WORD_SAVEPOINT);
    } else if (scan->word != WORD_PREPARED) {
        add_effects(scan, EFFECT_ROLLBACK);
    }
}

static void scan_declare(struct sql_effect_scan *scan)
{
    scan->is_declare = true;
    advance(scan);
    scan_name(scan);
}

static void scan_discard(struct sql_effect_scan *scan)
{
    advance(scan);
    add_effects(scan, scan->word == WORD_ALL ? EFFECT_DISCARD_ALL : EFFECT_DISCARD_OTHER);
}

/*
 * Behind a word that is a keyword of SET, or the (first) name of a setting that happens to be called so: "SET local.x = 1", "SET transaction TO ..".
 */
static bool is_setting(const struct sql_effect_scan *scan)
{
    return scan->word == WORD_TO || is_character(scan, '=') || is_character(scan, '.');
}

/* A setting's name, or ROLE or the like, at hand. PostgreSQL compares settings without case even when quoted. */
static void scan_setting(struct sql_effect_scan *scan)
{
    if (scan->word == WORD_ROLE) {
        advance(scan);
        add_effects(scan, is_setting(scan) ? EFFECT_ROLE | EFFECT_SET : EFFECT_ROLE);
    } else if (scan->word == WORD_SESSION) {
        advance(scan);
        add_effects(scan, scan->word == WORD_AUTHORIZATION ? EFFECT_ROLE : EFFECT_SET); /* CHARACTERISTICS, or a setting */
    } else if (scan->word == WORD_TRANSACTION || scan->word == WORD_CONSTRAINTS) {
        advance(scan);
        if (is_setting(scan)) add_effects(scan, EFFECT_SET);
    } else {
        bool may_be_role = scan->word == WORD_SESSION_AUTHORIZATION || (is_identifier(scan) && scan->token.kind != SQL_WORD);
        add_effects(scan, may_be_role ? EFFECT_SET | EFFECT_ROLE : EFFECT_SET);
    }
}

static void scan_set(struct sql_effect_scan *scan)
{
    advance(scan);
    enum word scope = (enum word)scan->word;
    if (scope != WORD_LOCAL && scope != WORD_SESSION) {
        scan_setting(scan);
        return;
    }
    advance(scan);
    if (is_setting(scan)) {
        add_effects(scan, EFFECT_SET);
    } else if (scope == WORD_LOCAL) {
        add_effects(scan, EFFECT_SET_LOCAL);
    } else if (scan->word == WORD_AUTHORIZATION) {
        add_effects(scan, EFFECT_ROLE);
    } else {
        scan_setting(scan); /* CHARACTERISTICS takes the way of any setting */
    }
}

static void scan_reset(struct sql_effect_scan *scan)
{
    advance(scan);
    if (scan->word == WORD_TRANSACTION || scan->word == WORD_CONSTRAINTS)
        add_effects(scan, EFFECT_SET); /* all that can be reset is settings */
    scan_setting(scan);
}

/* `before` is in front of INTO: INSERT and MERGE go into what is there, others make a table. TEMP may be that table's name. */
static void scan_into(struct sql_effect_scan *scan, uint32_t effects)
{
    advance(scan);
    add_effects(scan, effects);
    if (scan->word == WORD_LOCAL || scan->word == WORD_GLOBAL) advance(scan);
    if (scan->word != WORD_TEMP && scan->word != WORD_TEMPORARY) return;
    advance(scan);
    bool is_clause = scan->word == WORD_AS || scan->word == WORD_DEFAULT || scan->word == WORD_FROM || scan->word == WORD_SELECT ||
                     scan->word == WORD_USING || scan->word == WORD_WITH;
    if (is_identifier(scan) && !is_clause) add_effects(scan, EFFECT_TEMP);
}

static void scan_insert(struct sql_effect_scan *scan)
{
    advance(scan);
    if (scan->word == WORD_INTO) scan_into(scan, 0);
}

static void scan_create(struct sql_effect_scan *scan)
{
    scan->is_create = true;
    scan->has_as = false;
    advance(scan);
    if (scan->word == WORD_OR) { /* REPLACE */
        advance(scan);
        advance(scan);
    }
    scan->is_routine = scan->word == WORD_FUNCTION || scan->word == WORD_PROCEDURE;
    if (scan->word == WORD_LOCAL || scan->word == WORD_GLOBAL) advance(scan);
    if (scan->word == WORD_TEMP || scan->word == WORD_TEMPORARY) add_effects(scan, EFFECT_TEMP);
    if (scan->word == WORD_EXTENSION) add_effects(scan, EFFECT_OPAQUE_CODE); /* it runs the extension's script */
}

static void scan_alter(struct sql_effect_scan *scan)
{
    advance(scan);
    if (scan->word == WORD_EXTENSION) add_effects(scan, EFFECT_OPAQUE_CODE);
}

/* EXPLAIN ANALYZE runs the statement. The parentheses hold options, or all of a SELECT. */
static void scan_explain(struct sql_effect_scan *scan)
{
    size_t depth = scan->depth;
    advance(scan);
    if (is_character(scan, '(')) {
        while (!is_at_end(scan) && scan->depth > depth) step(scan);
        if (is_character(scan, ')')) advance(scan);
    } else {
        while (scan->word == WORD_ANALYZE || scan->word == WORD_ANALYSE || scan->word == WORD_VERBOSE) advance(scan);
    }
}

/* Verbs that are not here have the effects that the table of words says, and no more. */
static void (*const heads[WORD_COUNT])(struct sql_effect_scan *scan) = {
    [WORD_ABORT] = scan_rollback,  [WORD_ALTER] = scan_alter,           [WORD_CLOSE] = scan_plain_name,
    [WORD_COMMIT] = scan_commit,   [WORD_CREATE] = scan_create,         [WORD_DECLARE] = scan_declare,
    [WORD_DISCARD] = scan_discard, [WORD_DEALLOCATE] = scan_deallocate, [WORD_END] = scan_commit,
    [WORD_EXECUTE] = scan_execute, [WORD_INSERT] = scan_insert,         [WORD_LISTEN] = scan_plain_name,
    [WORD_MERGE] = scan_insert,    [WORD_PREPARE] = scan_prepare,       [WORD_RELEASE] = scan_release,
    [WORD_RESET] = scan_reset,     [WORD_ROLLBACK] = scan_rollback,     [WORD_SAVEPOINT] = scan_plain_name,
    [WORD_SET] = scan_set,         [WORD_UNLISTEN] = scan_plain_name,
};

static void scan_head(struct sql_effect_scan *scan)
{
    if (scan->word == WORD_EXPLAIN) scan_explain(scan);
    enum word verb = (enum word)scan->word;
    if (words[verb].role != ROLE_VERB) return;
    add_effects(scan, words[verb].effects);
    if (heads[verb] != NULL) heads[verb](scan);
}

/* Behind a semicolon that does not cut: a statement begins there too, or it is the END of the body. */
static void scan_inner_head(struct sql_effect_scan *scan)
{
    if (scan->word != WORD_END || scan->atomic_depth == 0) scan_head(scan);
}

/* ---- anywhere in a statement ---- */

/* CREATE TABLE .. AS EXECUTE name: it can only be the first AS outside of parentheses. */
static void scan_as(struct sql_effect_scan *scan)
{
    bool is_body = scan->is_create && !scan->has_as && scan->depth == 0;
    advance(scan);
    if (!is_body) return;
    scan->has_as = true;
    if (scan->word == WORD_EXECUTE) {
        add_effects(scan, EFFECT_EXECUTE);
        scan_execute(scan);
    }
}

/* CASE and END are also labels of columns, and attributes. */
static bool is_label(const struct sql_effect_scan *scan)
{
    return scan->previous_word == WORD_AS || (scan->end > 0 && scan->lex.text[scan->end - 1] == '.');
}

/* What makes semicolons part of a CREATE FUNCTION. Only one of them in a statement is taken for it. */
static void scan_begin(struct sql_effect_scan *scan)
{
    advance(scan);
    if (scan->word != WORD_ATOMIC || !scan->is_routine) return;
    scan->is_routine = false;
    scan->atomic_depth = 1;
    advance(scan);
    scan_inner_head(scan);
}

/* The token at hand, be it what it may, and those that belong to it. Always advances unless at the end of the text. */
static void step_word(struct sql_effect_scan *scan)
{
    enum word word = (enum word)scan->word;
    if (word == WORD_AS) {
        scan_as(scan);
    } else if (word == WORD_INTO) {
        scan_into(scan, EFFECT_CREATE);
    } else if (word == WORD_BEGIN) {
        scan_begin(scan);
    } else if (word == WORD_CREATE && scan->is_create) { /* CREATE SCHEMA s CREATE .. */
        scan_create(scan);
    } else {
        if (word == WORD_UPDATE) scan->has_update = true;
        if (word == WORD_HOLD && scan->is_declare && scan->previous_word == WORD_WITH) add_effects(scan, EFFECT_CURSOR_HOLD);
        if (word == WORD_UESCAPE && scan->previous_kind == SQL_UNICODE_QUOTED) add_effects(scan, EFFECT_OPAQUE_CODE); /* any name */
        if (word == WORD_CASE && scan->atomic_depth > 0 && !is_label(scan)) scan->atomic_depth++;
        if (word == WORD_END && scan->atomic_depth > 0 && !is_label(scan)) scan->atomic_depth--;
        advance(scan);
    }
}

static inline void step(struct sql_effect_scan *scan)
{
    if (scan->word != WORD_NONE) {
        step_word(scan);
    } else {
        advance(scan);
    }
}

/* What may change how the bytes behind it are read. */
static inline bool is_mark(char c)
{
    static const bool marks[UINT8_MAX + 1] = {
        ['\''] = true, ['"'] = true, ['$'] = true, ['\\'] = true, ['-'] = true, ['/'] = true, ['('] = true, [')'] = true, [';'] = true};
    return marks[(uint8_t)c];
}

/* Behind the closing quote; 0: there is none, or a backslash before it may make it none. */
static size_t behind_quotes(const char *text, size_t size, size_t at)
{
    const char *start = text + at + 1, *end = memchr(start, text[at], size - at - 1);
    return end == NULL || memchr(start, '\\', (size_t)(end - start)) != NULL ? 0 : (size_t)(end - text) + 1;
}

/* The semicolon that cuts, or the end of the text, seen from a token outside of parentheses. 0: the tokens have to tell. */
static size_t find_cut(const char *text, size_t size, size_t at)
{
    size_t depth = 0;
    for (;;) {
        while (at < size && !is_mark(text[at])) at++;
        if (at == size) return at;
        char c = text[at], next = size - at > 1 ? text[at + 1] : '\0';
        if (c == '\'' || c == '"') {
            at = behind_quotes(text, size, at);
            if (at == 0) return 0;
            continue;
        }
        if (c == ';') return depth == 0 ? at : 0;
        if (c == '\\' || (c == '-' && next == '-') || (c == '/' && next == '*')) return 0;
        if (c == '$' && (next < '0' || next > '9')) return 0; /* else a parameter, or part of a name */
        if (c == '(') depth++;
        if (c == ')' && depth > 0) depth--;
        at++;
    }
}

/*
 * What is left of a statement behind its head, without cutting it to tokens: all that can matter there has one of the suspects in it, but in CREATE and DECLARE.
 * False: it has to be read.
 */
static bool skip_rest(struct sql_effect_scan *scan)
{
    const char *text = scan->lex.text;
    size_t start = scan->token.start;
    if (scan->is_thorough || scan->is_create || scan->is_declare || scan->depth > 0 || is_at_end(scan)) return false;
    size_t cut = find_cut(text, scan->lex.size, start), end = cut;
    if (cut == 0 || sql_suspects_are_in(text + start, cut - start)) return false;
    while (text[end - 1] == ' ' || (text[end - 1] >= '\t' && text[end - 1] <= '\r')) end--;
    scan->token = (struct sql_token_span){.kind = SQL_OTHER, .start = start, .end = end};
    scan->lex.position = cut;
    advance(scan);
    return true;
}

/* To the semicolon that cuts. One that does not cut is followed by a statement all the same. */
static void scan_statement(struct sql_effect_scan *scan)
{
    scan_head(scan);
    if (skip_rest(scan)) return;
    while (!is_at_end(scan)) {
        bool is_inner_head = scan->is_semicolon;
        step(scan);
        if (is_inner_head) scan_inner_head(scan);
    }
}

/* ---- the outside ---- */

static void begin_statement(struct sql_effect_scan *scan, struct sql_statement *statement)
{
    *statement = (struct sql_statement){.effects = 0};
    scan->statement = statement;
    scan->depth = 0;
    scan->atomic_depth = 0;
    scan->is_create = scan->is_routine = scan->is_declare = scan->has_as = scan->has_update = scan->has_settings = false;
}

void sql_effect_init(struct sql_effect_scan *scan, const char *text, size_t size, enum sql_strings strings)
{
    *scan = (struct sql_effect_scan){.is_semicolon = true}; /* as if one stood in front of the text */
    sql_lex_init(&scan->lex, text, size, strings);
}

bool sql_effect_next(struct sql_effect_scan *scan, struct sql_statement *statement_out)
{
    begin_statement(scan, statement_out);
    while (scan->is_semicolon) advance(scan);
    if (scan->token.kind == SQL_END) return false;

    statement_out->start = scan->token.start;
    statement_out->body = SIZE_MAX;
    scan_statement(scan);
    statement_out->end = scan->end;
    if (statement_out->body > scan->end) statement_out->body = scan->end;
    if (scan->has_update && scan->has_settings) add_effects(scan, EFFECT_SET);
    return true;
}

/* Semicolons and white space at the end, which many clients send, are of no matter, be they in a comment. */
static size_t size_without_tail(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == ';' || text[size - 1] == ' ' || text[size - 1] == '\n')) size--;
    return size;
}

/*
 * Whether the text is one statement that has no effects, told by its first tokens and by which bytes do not occur. True only if the scan would
 * say the same; when there is a suspect, the scan is to be thorough. The first word decides, behind it all that can matter has one of the suspects in it; but INSERT has its INTO.
 */
static bool is_harmless(struct sql_effect_scan *scan)
{
    struct sql_statement statement;
    begin_statement(scan, &statement);
    advance(scan);
    if (scan->word == WORD_INSERT) {
        advance(scan);
        if (scan->word != WORD_INTO) return false;
        advance(scan);
        if (scan->word != WORD_NONE) return false; /* TEMP, LOCAL */
    } else if (words[scan->word].role == ROLE_VERB) {
        return false;
    }
    size_t size = size_without_tail(scan->lex.text, scan->lex.size);
    size_t start = scan->token.start;
    if (start < size && !sql_suspects_are_in(scan->lex.text + start, size - start)) return true;
    scan->is_thorough = true;
    return false;
}

uint32_t sql_effect_of(const char *text, size_t size, enum sql_strings strings, size_t *statement_count_out)
{
    struct sql_effect_scan scan;
    struct sql_statement statement;
    uint32_t effects = 0;
    sql_effect_init(&scan, text, size, strings);
    *statement_count_out = 1;
    if (is_harmless(&scan)) return 0;
    /* One statement that has a suspect would be looked at in vain once more. */
    bool is_thorough = scan.is_thorough && memchr(text, ';', size_without_tail(text, size)) == NULL;
    *statement_count_out = 0;
    sql_effect_init(&scan, text, size, strings);
    scan.is_thorough = is_thorough;
    while (sql_effect_next(&scan, &statement)) {
        effects |= statement.effects;
        ++*statement_count_out;
    }
    return effects;
}

const char *sql_effect_name(enum sql_effect effect)
{
    switch (effect) {
#define X(name, text) \
    case name:        \
        return text;
#include "protocol/sql_effects.def"
#undef X
    }
    return "?";
}
