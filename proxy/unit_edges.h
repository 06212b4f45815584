#ifndef PROXY_UNIT_EDGES_H
#define PROXY_UNIT_EDGES_H

#include "proxy/ignore_list.h"
#include "proxy/polling.h"
#include "proxy/trips.h"
#include "proxy/unit_report.h"

/*
 * Which unit of work a statement belongs to, and when units begin and end. First that applies: the request that a tag names, over all clients; what the client does between
 * two certain edges (login, checkout mark, another route or application_name) or two pauses. A transaction is a part of its client's unit.
 *
 * Where a client's unit ends is decided at its next statement, which may turn out to go on with what came before (the next value of a list that was read): until then,
 * or until silence, the unit stays open.
 */
enum { UNIT_EDGES_TAG_BUCKETS = 16384 };

/* All units that are open. */
struct unit_edges {
    /* The caller's to set, and to change at any time. */
    struct unit_reporter *reporter;
    const struct ignore_list *ignored;
    int64_t silence_us;           /* after which any unit is taken for ended */
    uint32_t statements_per_unit; /* 0: no limit */
    void *context;
    void (*over_budget)(void *context, const char *database, const char *user, const char *route, uint32_t statements); /* may be NULL */

    struct units units; /* its pool is the caller's to set */
    struct unit *tagged[UNIT_EDGES_TAG_BUCKETS];
    uint64_t ended, overflowed, groups_overflowed; /* counters: units, those with too many shapes, executions of those shapes */
};

enum unit_edge { UNIT_EDGE_NONE, UNIT_EDGE_LOGIN, UNIT_EDGE_MARK };

/* What of a client says whose unit its statements are in. Zeroed, then unit_owner_init. */
struct unit_owner {
    const struct scope *scope;
    struct unit *unit; /* the untagged one; NULL: none is open */
    struct trips trips;
    struct polling polling;
    const char *address;    /* its user's */
    char *application_name; /* NULL: none */
    uint32_t transaction;   /* its number in the unit; 0: no statement of it counted yet */
    uint8_t edge;           /* enum unit_edge, between its last statement and the next */
    bool has_paused;        /* so long there that its unit may be over */
    bool is_in_transaction;
};

/* `address` stays where it is as long as the owner. */
void unit_owner_init(struct unit_owner *owner, const struct scope *scope, const char *address);
void unit_owner_fini(struct unit_owner *owner); /* no unit of its own is open */
/* It sends something after a pause, for as long as nothing is counted in its transaction. */
void unit_owner_pause(struct unit_owner *owner);
/* Outside a transaction it sent what connection pools send between two users of a connection. */
void unit_owner_mark(struct unit_owner *owner);
/* What it sends from now on is in a transaction. */
void unit_owner_begin_transaction(struct unit_owner *owner);
/* The number that statements of the present transaction have in the unit, which is its own; 0: in none. */
static inline uint32_t unit_owner_transaction(struct unit_owner *owner)
{
    if (!owner->is_in_transaction) return 0;
    if (owner->transaction == 0) owner->transaction = ++owner->unit->transaction;
    return owner->transaction;
}
void unit_edges_end_transaction(struct unit_edges *edges, struct unit_owner *owner, int64_t now_us);

/* The unit that a statement is part of; others may end. With a tag for the unit, or without. NULL: no memory, even after the oldest unit made room. */
struct unit *unit_edges_choose(struct unit_edges *edges, struct unit_owner *owner, const struct shape *shape,
                               const struct execution *execution, int64_t now_us);
/* The same for a statement that is not to be counted: none is begun for it. NULL: none is open. */
struct unit *unit_edges_pass(struct unit_edges *edges, struct unit_owner *owner, const struct shape *shape,
                             const struct execution *execution, int64_t now_us);

/* Another name ends the unit. */
void unit_edges_application_name(struct unit_edges *edges, struct unit_owner *owner, const char *name, int64_t now_us);
/* The client is gone. */
void unit_edges_leave(struct unit_edges *edges, struct unit_owner *owner, int64_t now_us);
/* What the client did in between is not known: its unit ends, and no edge is certain. */
void unit_edges_forget(struct unit_edges *edges, struct unit_owner *owner, int64_t now_us);

/* Ends the units whose time is up; when there is something to do next, INT64_MAX: nothing is open; ends all. */
void unit_edges_tick(struct unit_edges *edges, int64_t now_us);
int64_t unit_edges_next_due_us(const struct unit_edges *edges);
void unit_edges_flush(struct unit_edges *edges, int64_t now_us);

#endif
