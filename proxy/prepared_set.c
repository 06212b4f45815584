/*
 * The statements of one server: a hash table by the statement's address, and a list by the time of the last use.
 *
 * Invariant: every entry is in both, and count is their number.
 */
#include "proxy/prepared_set.h"

#include <stdbool.h>
#include <stdlib.h>
#include <uthash.h>

#include "proxy/memory.h"

struct prepared {
    struct statement *statement;
    struct prepared *newer, *older;
    bool is_doubtful;
    bool is_confirmed;
    uint32_t segment; /* in which its Parse was sent */
    UT_hash_handle hh;
};

/* Statements are equal when they are the same, and have a good hash already. */
static unsigned hash_of(const struct statement *statement)
{
    return (unsigned)statement->hash[0];
}

static struct prepared *find(const struct prepared_set *set, const struct statement *statement)
{
    struct prepared *found;
    HASH_FIND_BYHASHVALUE(hh, set->by_statement, &statement, sizeof statement, hash_of(statement), found);
    return found;
}

/* ---- the order of use ---- */

static void unlink_use(struct prepared_set *set, struct prepared *entry)
{
    *(entry->newer ? &entry->newer->older : &set->latest) = entry->older;
    *(entry->older ? &entry->older->newer : &set->oldest) = entry->newer;
}

static void link_latest(struct prepared_set *set, struct prepared *entry)
{
    entry->newer = NULL;
    entry->older = set->latest;
    *(set->latest ? &set->latest->newer : &set->oldest) = entry;
    set->latest = entry;
}

static void link_oldest(struct prepared_set *set, struct prepared *entry)
{
    entry->newer = set->oldest;
    entry->older = NULL;
    *(set->oldest ? &set->oldest->older : &set->latest) = entry;
    set->oldest = entry;
}

static void mark_used(struct prepared_set *set, struct prepared *entry)
{
    if (set->latest == entry) return;
    unlink_use(set, entry);
    link_latest(set, entry);
}

/* ---- the outside ---- */

static enum prepared_state state_of(const struct prepared_set *set, const struct prepared *entry)
{
    if (entry == NULL) return PREPARED_NOT;
    if (entry->is_doubtful) return PREPARED_MAYBE;
    return entry->is_confirmed || entry->segment == set->segment ? PREPARED_YES : PREPARED_MAYBE;
}

enum prepared_state prepared_set_use(struct prepared_set *set, struct statement *statement)
{
    struct prepared *entry = find(set, statement);
    if (entry) mark_used(set, entry);
    return state_of(set, entry);
}

enum prepared_state prepared_set_look(const struct prepared_set *set, const struct statement *statement)
{
    return state_of(set, find(set, statement));
}

/* A new entry, not yet in the order of use. */
static struct prepared *enter(struct prepared_set *set, struct statement *statement)
{
    struct prepared *entry = memory_zalloc(sizeof *entry);
    entry->statement = statement_ref(statement);
    HASH_ADD_BYHASHVALUE(hh, set->by_statement, statement, sizeof statement, hash_of(statement), entry);
    set->count++;
    return entry;
}

void prepared_set_add(struct prepared_set *set, struct statement *statement)
{
    struct prepared *entry = find(set, statement);
    if (entry)
        mark_used(set, entry);
    else
        link_latest(set, entry = enter(set, statement));
    entry->is_doubtful = false;
    entry->is_confirmed = false;
    entry->segment = set->segment;
}

void prepared_set_confirm(struct prepared_set *set, const struct statement *statement, uint32_t segment)
{
    struct prepared *entry = find(set, statement);
    if (entry && entry->segment == segment) entry->is_confirmed = true;
}

void prepared_set_doubt(struct prepared_set *set, struct statement *statement)
{
    struct prepared *entry = find(set, statement);
    if (entry == NULL) link_oldest(set, entry = enter(set, statement));
    entry->is_doubtful = true;
}

static void drop(struct prepared_set *set, struct prepared *entry)
{
    HASH_DELETE(hh, set->by_statement, entry);
    unlink_use(set, entry);
    set->count--;
    statement_unref(&entry->statement);
    free(entry);
}

void prepared_set_remove(struct prepared_set *set, const struct statement *statement)
{
    struct prepared *entry = find(set, statement);
    if (entry) drop(set, entry);
}

void prepared_set_refuse(struct prepared_set *set, const struct statement *statement, uint32_t segment)
{
    struct prepared *entry = find(set, statement);
    if (entry && entry->segment == segment) drop(set, entry);
}

struct statement *prepared_set_oldest(const struct prepared_set *set)
{
    return set->oldest ? set->oldest->statement : NULL;
}

void prepared_set_doubt_all(struct prepared_set *set)
{
    for (struct prepared *entry = set->latest; entry; entry = entry->older) entry->is_doubtful = true;
}

void prepared_set_clear(struct prepared_set *set)
{
    while (set->latest) drop(set, set->latest);
}
