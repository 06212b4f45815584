#ifndef PROXY_CLOCKS_H
#define PROXY_CLOCKS_H

#include "proxy/deadline_heap.h"
#include "proxy/time_limits.h"

/*
 * The clocks of one client: since when it does what it does, and which limit it reaches first. Pure; the callers say what happens (client_clocks.h) and what follows
 * when a limit is reached (relay_clocks.c).
 *
 * A unit of work is what a client does between two states of rest: a transaction, or a statement outside of one, from the moment the client asks for it.
 */
enum clock {
#define X(name, setting, key, sqlstate, words, help) name,
#include "proxy/clocks.def"
#undef X
    CLOCK_COUNT
};

/* What the client is at. */
enum clocks_phase {
    PHASE_ELSEWHERE, /* logging in or closing: other deadlines hold */
    PHASE_IDLE,
    PHASE_WAITING,
    PHASE_RUNNING,        /* its server has something to answer */
    PHASE_IN_TRANSACTION, /* its server waits for it */
    PHASE_BEGUN,          /* it has said BEGIN, which no server knows yet */
    PHASE_FAILED          /* its transaction has failed, and no server knows of it any more */
};

struct clocks {
    const struct time_limits *limits; /* shared by all clients of one pool and class */

    int64_t since_us;       /* of the phase; each statement begins PHASE_RUNNING anew */
    int64_t unit_us;        /* since when its unit of work is under way */
    int64_t transaction_us; /* since when on a server */
    int64_t waited_us;      /* of the unit, in the queue */
    enum clock struck;      /* this one has, and what it interrupts has not ended yet */
    bool was_told;          /* the client knows */
    bool has_ended;         /* what it interrupts has, by itself or not */
    bool was_notified;      /* that it waits */
    int64_t struck_us;      /* when */
    int64_t ran_us;         /* what the unit, or the statement, had run by then; for the words */
    struct deadline_heap_entry entry;
};

/* The clock that strikes first, and when: INT64_MAX and CLOCK_NONE when none runs. */
enum clock clocks_next(const struct clocks *clocks, enum clocks_phase phase, int64_t *due_us_out);

/* For so long nothing could happen to the client: that time is not its own. What began meanwhile begins at `now_us`. */
void clocks_delay(struct clocks *clocks, int64_t by_us, int64_t now_us);

/* The setting that this clock's limit stands in: query_timeout, or, as text, wait_timeout of class "batch". `names` are those of the class, user and database. */
enum { CLOCKS_LIMIT_SIZE = 128 };
void clocks_name_limit(enum clock clock, const struct config_times said[CONFIG_LEVELS], const char *const names[CONFIG_LEVELS],
                       char name_out[CLOCKS_LIMIT_SIZE]);

/* What a client is told. */
struct clocks_story {
    const char *class, *limit; /* as clocks_name_limit has it */
    int64_t waited_us, ran_us; /* of the unit at hand */
};
struct clocks_words {
    const char *sqlstate;
    char message[128], detail[160], hint[256];
};
void clocks_tell(enum clock clock, const struct clocks_story *story, struct clocks_words *words_out);

#endif
