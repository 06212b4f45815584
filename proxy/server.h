#ifndef PROXY_SERVER_H
#define PROXY_SERVER_H

#include "proxy/commons.h"
#include "proxy/deallocations.h"
#include "proxy/exchange.h"
#include "proxy/preparations.h"
#include "proxy/prepared_set.h"
#include "proxy/server_login.h"
#include "proxy/stream.h"

/*
 * One connection from us to PostgreSQL: after libpq's login its socket is taken over and speaks the raw protocol. It knows neither clients nor pools:
 * the floors above hand down a server_host and keep their own things in the members marked as theirs.
 */
enum server_state {
#define X(name, text, moves) name,
#include "proxy/server_states.def"
#undef X
};

struct server;
struct client;
struct pool;

struct server_host {
    struct commons *commons;
    /* Readable, while IDLE, LEASED or CLEANING: call server_receive. */
    void (*readable)(struct server *server);
    void (*drained)(struct server *server);
    /* PostgreSQL ended the connection by itself; the server is still in the state it was in. `why` is for people. The callee moves it on with server_gone. */
    void (*lost)(struct server *server, const char *why);
    /* CLOSED: PostgreSQL has let go. Called once. */
    void (*closed)(struct server *server, enum server_state was);
};

/* What the text of a Query was sent with instead of the client's: characters up to `from` are the same, and those behind `to` stand at + `by` in the client's. Zeroed: all do. */
struct query_shift {
    uint32_t from, to;
    int32_t by;
};

struct server {
    struct stream stream;
    const struct server_host *host;
    enum server_state state;
    struct pg_conn *conn;     /* owns the socket and the TLS session */
    struct pg_cancel *cancel; /* for PQcancel, on an offload thread */
    uint64_t id;              /* of ours, in order of creation */
    uint32_t pid;             /* of the backend */
    uint8_t *input;           /* the beginning of a message that is not whole yet; NULL: none */
    uint32_t input_size;
    struct exchange exchange;
    struct parameters parameters; /* what it reports now */
    int64_t connected_us, idle_since_us;
    struct deadline deadline; /* of CLEANING or CLOSING */
    struct server *next_closed;
    uint32_t cancels_in_flight; /* not handed on, and not freed, before they have arrived */
    bool is_cancel_given_up;    /* nobody waits for the one in flight any more */

    /* The floor above's. */
    struct pool *pool;
    struct client *client;                    /* who leases it, or NULL */
    struct turnstile_lease lease;             /* as long as it is LEASED or CLEANING: it may outlive the client */
    struct session_state *settings;           /* what is set in the session now */
    struct server *next, *previous;           /* all of its pool */
    struct server *next_idle, *previous_idle; /* its pool's idle ones */
    uint32_t message_left;                    /* bytes still to come of a message that streams through to the client */
    bool message_is_swallowed;
    bool is_inside_message;                 /* a client's message has been sent to it in part */
    struct prepared_set prepared;           /* the statements that it has */
    struct preparations preparations;       /* those under way */
    struct deallocations deallocations;     /* what its client's message is about to take from it */
    struct statement *unnamed;              /* its unnamed statement; NULL: none, or not known */
    bool is_unnamed_confirmed;              /* its Parse was done */
    uint32_t unnamed_segment;               /* as prepared_set.h: where its Parse was sent */
    struct query_shift query_shift;         /* of the Query that it answers */
    struct restore *restore;                /* what goes behind the Execute of a portal that resets; NULL: nothing */
    bool has_restores, is_in_restore;       /* in Queries of this lease; their answer is at one now */
    bool has_large_unnamed;                 /* it is the leasing client's, too large to be kept */
    bool holds_client_back;                 /* until it has taken them, is done with what else was ours, or a cancel has arrived */
    bool is_rolling_back;                   /* we end the transaction of the client that leases it */
    bool is_cancel_due;                     /* once it has taken them, or what its client was held back with */
    bool tells_settings;                    /* the client hears what they make the server report */
    bool is_taking_settings;                /* those of the client that leases it are on their way */
    bool replaces_error;                    /* the error that comes stands for a refusal of ours */
    struct inquiry *inquiry;                /* what we asked it about its session; NULL: nothing */
    struct lookup *lookup;                  /* what we asked it about columns; NULL: nothing */
    bool has_said_goodbye;                  /* it sent a FATAL error */
    bool is_retired;                        /* not to be used again once it is free */
    bool needs_reset;                       /* CLEANING: the session must be reset */
    bool has_sent_rollback, has_sent_reset; /* CLEANING: done once */
    int64_t leased_us, waited_us;           /* since when it is leased, and how long its client waited for that */
    int64_t transaction_us, query_us;       /* since when they run; 0: none does */
    int64_t abandon_at_us;                  /* CLEANING: closed when it is not done by then; 0: no hurry */
};

/* Whose it is. */
static inline struct server *server_of_deadline(struct deadline *deadline)
{
    return (struct server *)((char *)deadline - offsetof(struct server, deadline));
}

/* A server that has yet to log in (LOGGING_IN): no socket. */
struct server *server_new(const struct server_host *host);
/* The login succeeded: take its connection over, and become IDLE. */
void server_take_over(struct server *server, struct server_login *login);
/* Frees a CLOSED server that no cancel refers to. False: not yet. */
bool server_reap(struct server **server);

void server_move(struct server *server, enum server_state to);

/* As client_receive; on false the server may have been lost (host->lost was called). */
bool server_receive(struct server *server, uint8_t **data_out, size_t *size_out);
void server_keep(struct server *server, const uint8_t *data, size_t size);
/* Send messages that were accounted for with exchange_sent. False: the kernel takes no more; wait for `drained`. */
bool server_send(struct server *server, struct iovec *parts, int count);
/* A simple Query of our own, whose replies are swallowed. At most SERVER_QUERY_MAX bytes. */
enum { SERVER_QUERY_MAX = 32 * 1024 };
void server_query(struct server *server, const char *sql);
/* A message of ours without a body (Sync), or CopyFail. */
void server_sync(struct server *server);
void server_copy_fail(struct server *server, const char *reason);

/* Tell it to end, and wait until it has: CLOSING. `reason` is for the log. */
void server_close(struct server *server, const char *reason);
/* It is gone: CLOSED. */
void server_gone(struct server *server, const char *reason);
void server_closing_timed_out(struct deadline *deadline); /* for the worker */

/* "TLSv1.3", or "" where there is none. */
const char *server_tls(const struct server *server);

struct log_line;
void server_log_begin(const struct server *server, struct log_line *line, int level, const char *event);

#endif
