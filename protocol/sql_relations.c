/*
 * Names of tables: catalog or not, for sql_shape, on the path of every statement, so it knows nothing of tokens but their first bytes; and which they are, once for each
 * shape, from its canonical text, where every token stands apart and in one spelling.
 */
#include "protocol/sql_relations.h"

#include <string.h>
#include <strings.h>

/* PostgreSQL's own tables as drivers and frameworks name them, without their schema. */
static bool is_catalog_name(const char *name, size_t size)
{
    static const char *const names[] = {
        "pg_am",       "pg_attrdef",     "pg_attribute", "pg_class",     "pg_collation", "pg_constraint", "pg_database",
        "pg_depend",   "pg_description", "pg_enum",      "pg_extension", "pg_index",     "pg_indexes",    "pg_inherits",
        "pg_language", "pg_locks",       "pg_matviews",  "pg_namespace", "pg_opclass",   "pg_operator",   "pg_policy",
        "pg_proc",     "pg_range",       "pg_roles",     "pg_sequence",  "pg_sequences", "pg_settings",   "pg_stat_activity",
        "pg_tables",   "pg_tablespace",  "pg_trigger",   "pg_type",      "pg_user",      "pg_views",      "pg_timezone_names"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == size && strncasecmp(names[i], name, size) == 0) return true;
    }
    return false;
}

static bool is_catalog(const char *name, size_t size)
{
    if (size == 18 && strncasecmp(name, "information_schema", 18) == 0) return true;
    if (size < 5 || strncasecmp(name, "pg_", 3) != 0) return false;
    if (size == 10 && strncasecmp(name, "pg_catalog", 10) == 0) return true;
    return is_catalog_name(name, size);
}

void sql_relations_settle(struct sql_relations *relations)
{
    relations->has_table |= relations->state == RELATION_TABLE;
    relations->has_catalog |= relations->state == RELATION_CATALOG;
    relations->state = RELATION_NONE;
}

void sql_relations_name(struct sql_relations *relations, bool is_behind_dot, const char *name, size_t size)
{
    if (is_behind_dot) return; /* the schema has said it */
    if (relations->state == RELATION_EXPECTED)
        relations->state = is_catalog(name, size) ? RELATION_CATALOG : RELATION_TABLE;
    else
        sql_relations_settle(relations);
}

void sql_relations_other(struct sql_relations *relations, char character)
{
    if (character == '.') return;
    if (relations->state == RELATION_EXPECTED) {
        if (character != '(') relations->state = RELATION_NONE;
    } else if (character == '(') {
        relations->state = RELATION_NONE;
    } else {
        sql_relations_settle(relations);
    }
}

/* ---- which ones ---- */

/* A word, name or single byte of a canonical text. */
struct piece {
    const char *text;
    size_t size;
};

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '$' ||
           byte == '.' || (unsigned char)byte >= 0x80;
}

/* The next piece at *rest; size 0 at the end. */
static struct piece next_piece(const char **rest, const char *end)
{
    while (*rest < end && **rest == ' ') ++*rest;
    struct piece piece = {*rest, 0};
    bool is_quoted = false;
    while (*rest < end && (is_quoted || is_name_byte(**rest) || **rest == '"')) {
        if (**rest == '"') is_quoted = !is_quoted;
        ++*rest;
    }
    if (*rest == piece.text && *rest < end) ++*rest;
    piece.size = (size_t)(*rest - piece.text);
    return piece;
}

static bool is_word(struct piece piece, const char *word)
{
    return piece.size == strlen(word) && memcmp(piece.text, word, piece.size) == 0;
}

static bool is_name(struct piece piece)
{
    return piece.size > 0 && (is_name_byte(piece.text[0]) || piece.text[0] == '"') && piece.text[0] != '$';
}

/* Of the last part of the name: a table is the same with its schema and without. */
static uint64_t hash_name(struct piece name)
{
    const char *start = name.text;
    bool is_quoted = false;
    for (const char *at = name.text; at < name.text + name.size; at++) {
        if (*at == '"') is_quoted = !is_quoted;
        if (*at == '.' && !is_quoted) start = at + 1;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: names of tables are few, and no secret */
    for (const char *at = start; at < name.text + name.size; at++) hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

/* Where tables are named: behind FROM, JOIN, INTO, UPDATE and USING, and behind commas between them. */
struct walk {
    const char *rest, *end;
    bool wants_name, is_in_from;
    struct piece before;
};

/* False: there is no further one. */
static bool next_table(struct walk *walk, uint64_t *hash_out)
{
    bool is_found = false;
    for (struct piece piece; !is_found && (piece = next_piece(&walk->rest, walk->end)).size > 0; walk->before = piece) {
        if (walk->wants_name && is_word(piece, "only")) continue;
        if (walk->wants_name && is_name(piece)) {
            *hash_out = hash_name(piece);
            is_found = true;
        }
        struct piece before = walk->before;
        bool is_update = is_word(piece, "update") && !is_word(before, "for") && !is_word(before, "do") && !is_word(before, "key");
        bool is_from = is_word(piece, "from") && !is_word(before, "distinct");
        bool is_join = is_word(piece, "join") || is_word(piece, "into") || is_word(piece, "using");
        if (is_from) walk->is_in_from = true;
        if (is_word(piece, "where") || is_word(piece, "on") || is_word(piece, "set") || is_word(piece, ")") || is_word(piece, "order") ||
            is_word(piece, "group") || is_word(piece, "limit"))
            walk->is_in_from = false;
        walk->wants_name = is_update || is_from || is_join || (walk->is_in_from && is_word(piece, ","));
    }
    return is_found;
}

uint8_t sql_relations_list(const char *canonical, size_t size, uint8_t most, uint64_t *hashes_out)
{
    struct walk walk = {.rest = canonical, .end = canonical + size};
    uint8_t count = 0;
    for (uint64_t hash; next_table(&walk, &hash);) {
        uint8_t at = 0;
        while (at < count && hashes_out[at] != hash) at++;
        if (at < count) continue;
        if (count == most) return 0;
        hashes_out[count++] = hash;
    }
    return count;
}

uint8_t sql_relations_target(const char *canonical, size_t size, uint64_t *hash_out)
{
    struct walk walk = {.rest = canonical, .end = canonical + size};
    return next_table(&walk, hash_out);
}
