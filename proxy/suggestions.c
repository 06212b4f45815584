/*
 * Sentences about a canonical text. It is read by eye, not parsed: what is not found is left out of the sentence. Canonical texts are in lower case but for quoted
 * names, with one blank between tokens, so plain searches do.
 */
#include "proxy/suggestions.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_MAX_SIZE = 64 };

static const char *const framework_words[] = {
    [FRAMEWORK_UNKNOWN] = "",
#define X(name, word) [name] = word,
#include "proxy/frameworks.def"
#undef X
};

const char *framework_word(enum framework framework)
{
    return framework_words[framework];
}

enum framework framework_of_tag(const char *value, size_t size)
{
    for (int i = FRAMEWORK_UNKNOWN + 1; i < FRAMEWORK_COUNT; i++) {
        size_t length = strlen(framework_words[i]);
        for (size_t at = 0; at + length <= size; at++) {
            if (strncasecmp(value + at, framework_words[i], length) == 0) return (enum framework)i;
        }
    }
    return FRAMEWORK_UNKNOWN;
}

/* ---- reading a canonical text ---- */

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '"' || c == '$' || (unsigned char)c >= 0x80;
}

/* The last part of a qualified name, with its quotes if it has any. */
static void copy_last_part(const char *start, const char *end, char name_out[NAME_MAX_SIZE])
{
    const char *part = start;
    for (const char *c = start; c < end; c++) {
        if (*c == '.') part = c + 1;
    }
    size_t size = 0;
    for (; part < end && size < NAME_MAX_SIZE - 1; part++) name_out[size++] = *part;
    name_out[size] = '\0';
}

/* The name behind the first of these words; "" when there is none. */
static void name_behind(const char *text, const char *word, char name_out[NAME_MAX_SIZE])
{
    name_out[0] = '\0';
    const char *found = strstr(text, word);
    if (found == NULL) return;
    found += strlen(word);
    const char *end = found;
    while (is_name_byte(*end)) end++;
    copy_last_part(found, end, name_out);
}

static void find_table(const char *text, char name_out[NAME_MAX_SIZE])
{
    if (strncmp(text, "update ", 7) == 0) {
        name_behind(text, "update ", name_out);
    } else if (strncmp(text, "insert ", 7) == 0) {
        name_behind(text, " into ", name_out);
    } else {
        name_behind(text, " from ", name_out);
    }
}

/* What stands before `end`. */
static void name_before(const char *text, const char *end, char name_out[NAME_MAX_SIZE])
{
    const char *start = end;
    if (start > text && start[-1] == '"') {
        start--;
        while (start > text && start[-1] != '"') start--;
        if (start > text) start--;
    }
    while (start > text && is_name_byte(start[-1])) start--;
    copy_last_part(start, end, name_out);
}

/* Of the only list; of several nobody knows which. */
static void find_column_of_list(const char *text, char name_out[NAME_MAX_SIZE])
{
    const char *found = strstr(text, " in (...)");
    if (found != NULL && strstr(found + 1, " in (...)") == NULL) name_before(text, found, name_out);
}

/* The column in "col = $k", or in "col in (...)" when the slot has no number; "" when the text does not have it so. JDBC writes "col = ($k)". */
static void find_column(const char *text, int slot, char name_out[NAME_MAX_SIZE])
{
    char placeholder[16];
    name_out[0] = '\0';
    if (slot < 0) {
        find_column_of_list(text, name_out);
        return;
    }
    int size = snprintf(placeholder, sizeof placeholder, "$%d", slot + 1);
    for (const char *equals = strstr(text, " = "); equals; equals = strstr(equals + 1, " = ")) {
        const char *value = equals + 3;
        if (*value == '(') value++;
        if (strncmp(value, placeholder, (size_t)size) != 0 || isdigit((unsigned char)value[size])) continue;
        name_before(text, equals, name_out);
        return;
    }
}

/* One number for each value, and no row of it: a JOIN would not do. */
static bool is_summary(const char *text)
{
    static const char *const starts[] = {"count(", "sum(", "max(", "min(", "avg(", "exists (", "exists("};
    if (strncmp(text, "select ", 7) != 0 || strstr(text, " group by ") != NULL) return false;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (strncmp(text + 7, starts[i], strlen(starts[i])) == 0) return true;
    return false;
}

static bool ends_like_foreign_key(const char *column)
{
    size_t size = strlen(column);
    if (size > 0 && column[size - 1] == '"') size--;
    return size > 3 && strncmp(column + size - 3, "_id", 3) == 0;
}

/* "u1_0." with Hibernate 6, "user0_." with 5. */
static bool has_hibernate_alias(const char *text)
{
    for (const char *c = strchr(text, '_'); c; c = strchr(c + 1, '_')) {
        if (c == text || !isdigit((unsigned char)c[-1])) continue;
        const char *end = c + 1;
        while (isdigit((unsigned char)*end)) end++;
        if (*end == '.') return true;
    }
    return false;
}

/* "users.id as users_id" */
static bool has_sqlalchemy_label(const char *text)
{
    for (const char *as = strstr(text, " as "); as; as = strstr(as + 1, " as ")) {
        const char *start = as;
        while (start > text && is_name_byte(start[-1])) start--;
        const char *label = as + 4;
        size_t size = (size_t)(as - start), i = 0;
        while (i < size && (start[i] == label[i] || (start[i] == '.' && label[i] == '_'))) i++;
        if (i == size && memchr(start, '.', size) != NULL && !is_name_byte(label[i])) return true;
    }
    return false;
}

/* Each item of the select list is "table.column" of one table. */
static bool is_fully_qualified(const char *text, const char *table)
{
    size_t size = strlen(table);
    const char *from = strstr(text, " from ");
    if (strncmp(text, "select ", 7) != 0 || from == NULL || size == 0) return false;
    size_t items = 0;
    for (const char *item = text + 7; item < from; items++) {
        if (strncmp(item, table, size) != 0 || item[size] != '.' || item[size + 1] == '*') return false;
        while (item < from && *item != ',') {
            if (*item == ' ') return false;
            item++;
        }
        item += 2;
    }
    return items > 1;
}

enum framework framework_of_text(const char *text)
{
    char table[NAME_MAX_SIZE], start[NAME_MAX_SIZE + 16], where[NAME_MAX_SIZE + 16];
    find_table(text, table);
    if (has_hibernate_alias(text)) return FRAMEWORK_HIBERNATE;
    if (strncmp(text, "select count(*) as __count from ", 32) == 0) return FRAMEWORK_DJANGO;
    if (strncmp(text, "select $1 as a from ", 20) == 0 || strncmp(text, "select ($1) as a from ", 22) == 0) return FRAMEWORK_DJANGO;
    if (strncmp(text, "select $1 as one from ", 22) == 0) return FRAMEWORK_RAILS;
    if (strncmp(text, "select count(*) as aggregate from ", 34) == 0) return FRAMEWORK_LARAVEL;
    if (has_sqlalchemy_label(text)) return FRAMEWORK_SQLALCHEMY;
    if (strncmp(text, "select public.", 14) == 0 && strstr(text, " from public.") && strstr(text, " offset $")) return FRAMEWORK_PRISMA;
    if (table[0] == '\0') return FRAMEWORK_UNKNOWN;
    snprintf(start, sizeof start, "select %s.* from", table);
    if (strncmp(text, start, strlen(start)) == 0) return FRAMEWORK_RAILS;
    snprintf(where, sizeof where, " where %s.", table);
    if (strncmp(text, "select * from ", 14) == 0 && strstr(text, where) != NULL) return FRAMEWORK_LARAVEL;
    return is_fully_qualified(text, table) ? FRAMEWORK_DJANGO : FRAMEWORK_UNKNOWN;
}

/* ---- writing ---- */

struct draft {
    char *text;
    size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void add(struct draft *draft, const char *format, ...)
{
    if (draft->used + 1 >= draft->size) return;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(draft->text + draft->used, draft->size - draft->used, format, arguments);
    va_end(arguments);
    if (size > 0) draft->used += (size_t)size;
    if (draft->used >= draft->size) draft->used = draft->size - 1;
}

/* What an ORM calls the relation that owner_id stands for. */
static void relation_of(const char *column, char name_out[NAME_MAX_SIZE])
{
    size_t size = 0;
    for (; *column != '\0' && size < NAME_MAX_SIZE - 1; column++) {
        if (*column != '"') name_out[size++] = *column;
    }
    name_out[size] = '\0';
    if (size > 3 && strcmp(name_out + size - 3, "_id") == 0) name_out[size - 3] = '\0';
}

static void add_for_to_one(struct draft *draft, const struct suggestion_subject *subject, const char *relation)
{
    switch (subject->framework) {
    case FRAMEWORK_DJANGO: add(draft, ", in Django select_related('%s')", relation); return;
    case FRAMEWORK_RAILS: add(draft, ", in Rails .includes(:%s)", relation); return;
    case FRAMEWORK_SQLALCHEMY: add(draft, ", in SQLAlchemy joinedload(...%s)", relation); return;
    case FRAMEWORK_HIBERNATE: add(draft, ", in Hibernate JOIN FETCH %s or @BatchSize", relation); return;
    case FRAMEWORK_LARAVEL: add(draft, ", in Laravel ->with('%s')", relation); return;
    case FRAMEWORK_PRISMA: add(draft, ", in Prisma include: { %s: true }", relation); return;
    case FRAMEWORK_UNKNOWN:
    case FRAMEWORK_COUNT: return;
    }
}

static void add_for_to_many(struct draft *draft, enum framework framework, const char *table)
{
    const char *of = table[0] != '\0' ? table : "the child table";
    switch (framework) {
    case FRAMEWORK_DJANGO: add(draft, ", in Django prefetch_related() of the relation to %s", of); return;
    case FRAMEWORK_RAILS: add(draft, ", in Rails .includes(:%s)", of); return;
    case FRAMEWORK_SQLALCHEMY: add(draft, ", in SQLAlchemy selectinload() of the relation to %s", of); return;
    case FRAMEWORK_HIBERNATE: add(draft, ", in Hibernate @BatchSize or JOIN FETCH on the collection of %s", of); return;
    case FRAMEWORK_LARAVEL: add(draft, ", in Laravel ->with() of the relation to %s", of); return;
    case FRAMEWORK_PRISMA: add(draft, ", in Prisma include: of the relation to %s", of); return;
    case FRAMEWORK_UNKNOWN:
    case FRAMEWORK_COUNT: return;
    }
}

static void add_for_summary(struct draft *draft, enum framework framework)
{
    switch (framework) {
    case FRAMEWORK_DJANGO: add(draft, ", in Django annotate()"); return;
    case FRAMEWORK_RAILS: add(draft, ", in Rails .group().count or a counter cache"); return;
    case FRAMEWORK_LARAVEL: add(draft, ", in Laravel ->withCount() or ->withExists()"); return;
    case FRAMEWORK_SQLALCHEMY:
    case FRAMEWORK_HIBERNATE:
    case FRAMEWORK_PRISMA:
    case FRAMEWORK_UNKNOWN:
    case FRAMEWORK_COUNT: return;
    }
}

/* Where nobody knows what the values come from. */
static void add_for_any(struct draft *draft, enum framework framework)
{
    switch (framework) {
    case FRAMEWORK_DJANGO: add(draft, ", in Django select_related() or prefetch_related() if they come from a list"); return;
    case FRAMEWORK_RAILS: add(draft, ", in Rails .includes() if they come from a list"); return;
    case FRAMEWORK_SQLALCHEMY: add(draft, ", in SQLAlchemy selectinload() if they come from a list"); return;
    case FRAMEWORK_HIBERNATE: add(draft, ", in Hibernate @BatchSize or JOIN FETCH if they come from a list"); return;
    case FRAMEWORK_LARAVEL: add(draft, ", in Laravel ->with() if they come from a list"); return;
    case FRAMEWORK_PRISMA: add(draft, ", in Prisma include: if they come from a list"); return;
    case FRAMEWORK_UNKNOWN:
    case FRAMEWORK_COUNT: return;
    }
}

/* How the parent may fetch it all: a JOIN keeps its rows as they are only when it finds one each. */
enum fetch { FETCH_UNKNOWN, FETCH_ONE, FETCH_MANY, FETCH_SUMMARY };

static enum fetch fetch_of(const struct suggestion_subject *subject, const char *column, const char *parent_column)
{
    if (is_summary(subject->shape_text)) return FETCH_SUMMARY;
    if (subject->link != LINK_TO_ONE && subject->link != LINK_TO_MANY) return FETCH_UNKNOWN;
    /* A foreign key of the child's finds one row by chance. */
    bool is_reverse = ends_like_foreign_key(column) && !ends_like_foreign_key(parent_column);
    return subject->link == LINK_TO_MANY || is_reverse ? FETCH_MANY : FETCH_ONE;
}

static void write_n_plus_one(struct draft *draft, const struct suggestion_subject *subject, const char *table, const char *column)
{
    const char *parent_table = subject->parent_table ? subject->parent_table : "";
    const char *parent_column = subject->parent_column ? subject->parent_column : "";
    enum fetch fetch = fetch_of(subject, column, parent_column);
    bool is_latest_of_each = strstr(subject->shape_text, " order by ") != NULL && strstr(subject->shape_text, " limit $") != NULL;

    add(draft, "candidate fix: ");
    if (column[0] == '\0') {
        add(draft, "one query for all values, joined with a list of them (unnest or VALUES)%s",
            fetch == FETCH_ONE ? ", or a JOIN in the parent query" : "");
    } else if (fetch == FETCH_SUMMARY) {
        add(draft, "one query for all values, SELECT %s, ... WHERE %s = ANY($1) GROUP BY %s", column, column, column);
    } else if (is_latest_of_each) {
        add(draft, "one query for all, SELECT DISTINCT ON (%s) ... WHERE %s = ANY($1) ORDER BY %s, ... (or LATERAL)", column, column,
            column);
    } else if (fetch == FETCH_ONE && table[0] != '\0' && parent_table[0] != '\0' && parent_column[0] != '\0') {
        add(draft, "JOIN %s ON %s.%s = %s.%s in the parent query", table, table, column, parent_table, parent_column);
    } else {
        add(draft, "one query for all values, WHERE %s = ANY($1)%s", column, fetch == FETCH_ONE ? ", or a JOIN in the parent query" : "");
    }
    if (subject->varies_elsewhere && column[0] != '\0') add(draft, " (other parameters vary, too)");
    switch (fetch) {
    case FETCH_SUMMARY: add_for_summary(draft, subject->framework); return;
    case FETCH_MANY: add_for_to_many(draft, subject->framework, table); return;
    case FETCH_UNKNOWN: add_for_any(draft, subject->framework); return;
    case FETCH_ONE: break;
    }
    char relation[NAME_MAX_SIZE];
    relation_of(parent_column[0] != '\0' ? parent_column : (table[0] != '\0' ? table : column), relation);
    /* A parent's key that finds one row is a one-to-one the other way round, known by the child's table. */
    if (strcmp(relation, "id") == 0 && table[0] != '\0') snprintf(relation, sizeof relation, "%s", table);
    add_for_to_one(draft, subject, relation);
}

static void add_write_idiom(struct draft *draft, enum framework framework, bool is_insert)
{
    switch (framework) {
    case FRAMEWORK_DJANGO: add(draft, is_insert ? ", in Django bulk_create()" : ", in Django bulk_update() or QuerySet.update()"); return;
    case FRAMEWORK_RAILS: add(draft, is_insert ? ", in Rails insert_all" : ", in Rails update_all or upsert_all"); return;
    case FRAMEWORK_SQLALCHEMY: add(draft, ", in SQLAlchemy one execute() with a list of parameters"); return;
    case FRAMEWORK_HIBERNATE: add(draft, ", in Hibernate hibernate.jdbc.batch_size"); return;
    case FRAMEWORK_LARAVEL: add(draft, is_insert ? ", in Laravel insert() of an array" : ", in Laravel upsert()"); return;
    case FRAMEWORK_PRISMA: add(draft, is_insert ? ", in Prisma createMany" : ", in Prisma updateMany"); return;
    case FRAMEWORK_UNKNOWN:
    case FRAMEWORK_COUNT: return;
    }
}

void suggestion_write(const struct suggestion_subject *subject, char *text_out, size_t size)
{
    struct draft draft = {.text = text_out, .size = size};
    char table[NAME_MAX_SIZE], column[NAME_MAX_SIZE];
    if (size > 0) text_out[0] = '\0';
    find_table(subject->shape_text, table);
    find_column(subject->shape_text, subject->slot, column);
    switch (subject->verdict) {
    case VERDICT_N_PLUS_ONE: write_n_plus_one(&draft, subject, table, column); break;
    case VERDICT_EXACT_DUPLICATE:
        add(&draft, "candidate fix: run it once before the loop and keep the result for the request, or cache it");
        break;
    case VERDICT_REREAD_AFTER_WRITE:
        add(&draft, "candidate fix: take what was written from the write itself (RETURNING), or read once after the last write");
        break;
    case VERDICT_PAGINATION:
        add(&draft, "candidate fix: one query without LIMIT read through a cursor, or larger pages; if pages, by key and not by OFFSET");
        break;
    case VERDICT_WRITE_LOOP:
        add(&draft, "candidate fix: one statement for all rows, %s WHERE %s = ANY($1), or pipelining",
            strncmp(subject->shape_text, "delete ", 7) == 0 ? "DELETE ..." : "UPDATE ... FROM (VALUES ...) or",
            column[0] != '\0' ? column : "key");
        if (strncmp(subject->shape_text, "delete ", 7) != 0) add_write_idiom(&draft, subject->framework, false);
        break;
    case VERDICT_INSERT_LOOP:
        add(&draft, "candidate fix: INSERT with several rows of VALUES, COPY, or pipelining");
        add_write_idiom(&draft, subject->framework, true);
        break;
    case VERDICT_BATCHED:
        add(&draft, "sent together already; candidate fix if it matters: one statement with = ANY($1) or several rows of VALUES");
        break;
    case VERDICT_POLLING: add(&draft, "candidate fix: LISTEN and NOTIFY, or a longer pause"); break;
    case VERDICT_RECURSIVE_WALK: add(&draft, "candidate fix: one query WITH RECURSIVE"); break;
    case VERDICT_COUNT: break;
    }
}
