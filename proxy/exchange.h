#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The accounting of what a server still owes: one entry for each message that asks for a reply, in the order sent (PostgreSQL manual,
 * "Message Flow"). It knows message types only, no contents, no sockets.
 *
 * Two things that a list of expected replies alone gets wrong are handled here:
 *   - After an error in the extended protocol the server skips to the next Sync, and so do the entries.
 *   - While it reads COPY data the server ignores Sync. How many of the Syncs that were sent before CopyDone it has ignored cannot be known when
 *     the COPY fails: they become doubtful. A reply that is no ReadyForQuery drops them; when only doubtful ones are left,
 *     exchange_is_doubtful() asks the caller to send a probe (an empty Query of its own), whose EmptyQueryResponse does so.
 *     Where anything but a Sync follows, blindly, on Syncs of which all may have been ignored behind an error, it cannot be known either whether
 *     that is skipped or answered. Then the exchange is lost: the next reply is UNEXPECTED.
 */
enum exchange_owner {
    EXCHANGE_CLIENT,  /* the reply is the client's */
    EXCHANGE_OURS,    /* swallowed */
    EXCHANGE_INJECTED /* put in front of a message of the client's that needs it: swallowed, but an error is the client's to see */
};

/* What became of a Parse, a Close or a message that is watched, told in the order in which they were sent. */
enum exchange_outcome {
    EXCHANGE_DONE,   /* of a Query, whatever came of it: its ReadyForQuery came */
    EXCHANGE_FAILED, /* it was the one that the server refused */
    EXCHANGE_SKIPPED /* the server never looked at it, because of an error before */
};

enum exchange_reply {
    EXCHANGE_FORWARD,   /* for the client */
    EXCHANGE_SWALLOW,   /* belongs to a message of ours */
    EXCHANGE_ASYNC,     /* NOTICE, ParameterStatus, Notification: not part of any reply */
    EXCHANGE_UNEXPECTED /* no entry asked for it: the connection cannot be trusted any more */
};

enum { EXCHANGE_ENTRIES_MAX = 1 << 18 }; /* exchange_is_full(): stop reading the client until replies come */

/* Of an entry's byte: what it is, in the four lowest bits, and whose. Here for the questions that are asked with each message. */
enum {
    EXCHANGE_KIND_MASK = 0x0f,
    EXCHANGE_KIND_LOCAL_PARSE = 8,
    EXCHANGE_KIND_LOCAL_CLOSE = 9,
    EXCHANGE_BIT_WATCHED = 0x10,
    EXCHANGE_BIT_OURS = 0x40
};

struct exchange {
    /* Called for each Parse and Close, also those answered here, and what is watched, once their outcome is known. NULL: nobody asks. */
    void (*ended)(void *context, enum exchange_outcome outcome);
    void *ended_context;
    uint8_t *entries; /* ring, capacity a power of two; NULL until the first entry */
    uint32_t capacity, first, count;
    uint32_t doubtful;      /* how many Syncs are in doubt */
    char status;            /* of the last ReadyForQuery: I T E */
    bool is_skipping;       /* an extended-protocol error was seen, its Sync was not sent yet: the server ignores what comes */
    bool is_maybe_skipping; /* the same, unless a doubtful Sync has ended it */
    bool needs_sync;        /* messages of the extended protocol were sent, and no Sync or Query after them that the server heeds */
    bool is_lost;           /* nobody can tell any more what will be answered */
    bool is_copy_in;        /* the server reads COPY data */
    bool has_copy_end;      /* CopyDone or CopyFail for it was sent */
};

void exchange_init(struct exchange *exchange);
void exchange_fini(struct exchange *exchange);
/*
 * A message of this frontend type was sent to the server. Types without a reply (Flush, CopyData, Terminate) may be given too. False: the server is going
 * to ignore it, because it skips to the next Sync.
 */
bool exchange_sent(struct exchange *exchange, enum exchange_owner owner, uint8_t type, char target_kind);
/*
 * A Parse or Close of the client's that is answered here instead of being sent: its reply takes its turn among the server's. False as above. Afterwards, and after each
 * exchange_received, ask exchange_local_reply until it says 0.
 */
bool exchange_answer_here(struct exchange *exchange, uint8_t type);
/* The outcome of the Query or Execute that was sent last, and accepted, is to be reported too. */
void exchange_watch_last(struct exchange *exchange);
/* The reply that is due next belongs to one that is watched. */
static inline bool exchange_front_is_watched(const struct exchange *exchange)
{
    return exchange->count > 0 && (exchange->entries[exchange->first] & EXCHANGE_BIT_WATCHED);
}

/* Whether exchange_local_reply has one. */
static inline bool exchange_has_local_reply(const struct exchange *exchange)
{
    if (exchange->count == 0) return false;
    uint8_t kind = exchange->entries[exchange->first] & EXCHANGE_KIND_MASK;
    return kind == EXCHANGE_KIND_LOCAL_PARSE || kind == EXCHANGE_KIND_LOCAL_CLOSE;
}

/* The backend type of a reply (ParseComplete, CloseComplete) that is due to the client now; 0: none. */
uint8_t exchange_local_reply(struct exchange *exchange);
/* A message of this backend type came. `status` is the body of ReadyForQuery, else ignored. Whose is it? */
enum exchange_reply exchange_received(struct exchange *exchange, uint8_t type, char status);

/* The reply that is due next belongs to a message of ours. */
static inline bool exchange_front_is_ours(const struct exchange *exchange)
{
    return exchange->count > 0 && (exchange->entries[exchange->first] & EXCHANGE_BIT_OURS);
}

/* Nothing is owed. */
static inline bool exchange_is_settled(const struct exchange *exchange)
{
    return exchange->count == 0 && !exchange->needs_sync && !exchange->is_lost;
}

/* Nothing is owed and the transaction status is idle: the server may serve somebody else. */
static inline bool exchange_is_idle(const struct exchange *exchange)
{
    return exchange_is_settled(exchange) && exchange->status == 'I';
}

bool exchange_is_doubtful(const struct exchange *exchange);
/* Nothing of what is owed may be for the client, not even an error. In time that grows with what is owed. */
bool exchange_is_all_ours(const struct exchange *exchange);
/*
 * The transaction may be a failed one when the server gets to what is sent now: it is known to be, or a ReadyForQuery of the client's is owed that
 * has yet to say so. (In a long pipeline: taken for granted.)
 */
bool exchange_may_have_failed(const struct exchange *exchange);
/* The server ignores what comes up to the next Sync. */
static inline bool exchange_is_skipping(const struct exchange *exchange)
{
    return exchange->is_skipping;
}

static inline bool exchange_is_full(const struct exchange *exchange)
{
    return exchange->count >= EXCHANGE_ENTRIES_MAX;
}

/* The server waits for COPY data, and no CopyDone or CopyFail was sent. */
static inline bool exchange_wants_copy_data(const struct exchange *exchange)
{
    return exchange->is_copy_in && !exchange->has_copy_end;
}

/* Messages of the extended protocol were sent and no Sync after them: nothing will end them but a Sync. */
static inline bool exchange_needs_sync(const struct exchange *exchange)
{
    return exchange->needs_sync;
}

#endif
