#ifndef PROXY_PREPARATIONS_H
#define PROXY_PREPARATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/statements.h"

/*
 * The Parse and Close messages under way to one server, in order: what was assumed when each was sent, so that it can be taken back when the server refuses or skips
 * it; and those that deallocate. One for each message that exchange.h reports the end of.
 */
enum preparation_kind {
    PREPARATION_PLAIN,            /* passes through; nothing was assumed */
    PREPARATION_NAMED,            /* the client's Parse of a named statement, sent */
    PREPARATION_ANSWERED,         /* the same, answered here */
    PREPARATION_UNNAMED,          /* the client's Parse of the unnamed statement */
    PREPARATION_UNNAMED_CLOSED,   /* the client's Close of the unnamed statement */
    PREPARATION_INJECTED,         /* ours, of a named one */
    PREPARATION_INJECTED_UNNAMED, /* ours, of the unnamed one */
    PREPARATION_CLOSED,           /* the client's Close of a named statement, answered here */
    PREPARATION_EVICTED,          /* our Close */
    PREPARATION_REFUSAL,          /* a Parse of ours that must fail: its error is replaced by ours */
    PREPARATION_DEALLOCATION      /* a Query or Execute of the client's: nothing is assumed of it, its tags tell */
};

struct preparation {
    enum preparation_kind kind;
    struct statement *statement; /* a reference, or NULL */
    struct statement *former;    /* what was under the name before: a reference, or NULL */
    char *name;                  /* the client's; NULL where there is none */
    uint32_t segment;            /* the number of Syncs before it */
};

/* A ring that grows; no memory before the first. */
struct preparations {
    struct preparation *items;
    uint32_t capacity, first, count;
    uint32_t segment;   /* what is pushed now belongs to it */
    uint32_t uncertain; /* how many of the first are of earlier segments, or deallocate: what follows may have to wait for them */
    uint32_t ended;     /* how many of the first have no unnamed statement to bring back */
};

/* Takes over the references and copies the name. */
void preparations_push(struct preparations *preparations, enum preparation_kind kind, struct statement *statement, struct statement *former,
                       const char *name);
/* The first one; its references and name are the caller's: preparation_fini. Asserts that there is one. */
struct preparation preparations_pop(struct preparations *preparations);
/* It says what the client has under a name, or as its unnamed statement. */
bool preparation_is_of_client(enum preparation_kind kind);
/*
 * What `undone`, a message of the client's own, would have put under its name (nothing, if it was a Close) was never there: the next one for that name, which would put it back, is to
 * put back what `undone` found instead. False: there is none, so what the client has now is up to `undone`.
 */
bool preparations_undo_former(struct preparations *preparations, const struct preparation *undone);
/* A Query was sent, which ends the unnamed statement: no former one comes back. */
void preparations_end_unnamed(struct preparations *preparations);
/* A Sync was sent: what follows it takes place whatever becomes of what came before. */
static inline void preparations_next_segment(struct preparations *preparations)
{
    preparations->segment++;
    preparations->uncertain = preparations->count;
}
/*
 * What the client has under this name ("": as its unnamed statement) is told by a message of an earlier segment, whose outcome is not known yet. Between two Syncs
 * everything stands or falls together, so what was assumed in this segment needs no waiting for. Where very many are under way: true, without looking.
 */
bool preparations_await_name(const struct preparations *preparations, const char *name);
/* The same of any name but "". */
bool preparations_await_names(const struct preparations *preparations);
/* A Close of ours of an earlier segment is to end the statement on the server; or, as above, very many are under way. */
bool preparations_evict(const struct preparations *preparations, const struct statement *statement);
void preparation_fini(struct preparation *preparation);
void preparations_fini(struct preparations *preparations);

#endif
