#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include "proxy/classes.h"
#include "proxy/clocks.h"
#include "proxy/commons.h"
#include "proxy/listener.h"
#include "proxy/setting_names.h"
#include "proxy/statement_names.h"
#include "proxy/stream.h"

/*
 * One connection from an application to us: its socket, its state, and what it is told. It knows neither servers nor pools: the floors above hand down
 * a client_host and keep their own things in the members marked as theirs.
 */
enum client_state {
#define X(name, text, moves) name,
#include "proxy/client_states.def"
#undef X
};

/* Of its transaction, as far as no server knows of it: see local_transaction.h. */
enum local_transaction { LOCAL_NONE, LOCAL_BEGUN, LOCAL_BEGINNING, LOCAL_REFUSED, LOCAL_FAILED, LOCAL_FAILED_UNTOLD };

struct client;
struct client_login;
struct console;
struct pool;
struct server;
struct welcome;

/* What the upper floors want to hear. */
struct client_host {
    struct commons *commons;
    /* Bytes of a client in STARTING or AUTHENTICATING; returns how many were used up. */
    size_t (*login_input)(struct client *client, const uint8_t *data, size_t size);
    /* Free client->login: the client itself is about to be freed. */
    void (*forget_login)(struct client *client);
    /* It is who it says it is. Now AUTHENTICATING; the host moves it on. */
    void (*authenticated)(struct client *client);
    void (*cancel_requested)(struct commons *commons, uint32_t pid, uint32_t secret);
    /* Readable, after login: call client_receive. */
    void (*readable)(struct client *client);
    /* Logged in, with bytes kept that nobody has looked at yet. */
    void (*resume)(struct client *client);
    /* What was kept back has been sent, after login. */
    void (*drained)(struct client *client);
    /* A cancel request for a client that has no server to cancel; NULL: there is nothing to do. */
    void (*canceled)(struct client *client);
    /* The client is CLOSED or about to close (CLOSING): let go of whatever belongs to it. Called once, whatever the state it was in. */
    void (*leaving)(struct client *client, enum client_state was);
};

struct client {
    struct stream stream;
    const struct client_host *host;
    enum client_state state;
    uint64_t id;                 /* in every log line about it */
    struct client_login *login;  /* client_auth.c's: what only the login needs; NULL afterwards */
    const char *user, *database; /* the login's, then the pool's */
    uint8_t *input;              /* bytes received but not worked on yet; NULL: none */
    uint32_t input_size, input_capacity;
    uint32_t offloaded;             /* jobs that refer to this struct */
    struct client *next, *previous; /* all of this worker */
    struct client *next_closed;     /* the list of those to reap */
    struct deadline deadline;       /* of the state it is in */
    struct cancel_key cancel_key;
    int64_t connected_us;
    uint8_t address[16]; /* network order; 4 bytes of it for IPv4 */
    uint16_t port;
    uint8_t family;  /* AF_INET, AF_INET6, AF_UNIX */
    bool is_counted; /* in client_count, or in console_count when has_reserved_place */
    bool has_reserved_place;
    bool came_by_admin_socket;
    bool is_console; /* it asked for the console's database */
    bool is_trusted; /* its uid said who it is */
    bool has_left;   /* host->leaving was called */

    struct traffic *traffic; /* where its bytes are counted; never NULL */
    int64_t request_us;      /* when it last sent something after its login; 0: it has not */

    /* The floor above's. */
    struct console *console; /* of a console session, which has nothing of what follows; NULL: it is none */
    struct pool *pool;
    struct server *server; /* the one it leases, or NULL */
    struct turnstile_waiter waiter;
    struct turnstile_key *key; /* its class, and its key therein; NULL: it is in no pool */
    /* classify.c's: */
    unsigned class_index; /* of the class in the configuration */
    struct class_candidates candidates;
    struct sql_tags_repeat *tagged;   /* the comment that they follow from; NULL: there was none yet */
    struct session_state *classified; /* the settings that they follow from */
    const char *classified_name;      /* their application_name; NULL: they have none */
    struct session_state *settings;   /* what its session has set */
    struct session_state *startup;    /* what it came with: what RESET goes back to */
    struct client *next_of_pool, *previous_of_pool;
    struct welcome *welcome;           /* in the making */
    struct name_count *database_count; /* in commons->clients_by_database; NULL: not counted */
    struct name_count *user_count;     /* in commons->clients_by_user */
    uint32_t message_left;             /* bytes still to come of a message of its own that streams through */
    bool discards_message;             /* those bytes go nowhere */
    bool discards_to_sync;             /* its unit was refused: read on to Sync without acting */
    uint32_t touched;                  /* effects (sql_effect.h) on the session that were not inquired about yet */
    struct setting_names named;        /* custom settings in the statements that were not inquired about yet */
    uint32_t pins;                     /* pins.h: why its lease outlives its transactions; 0: it does not */
    struct statement_names statements; /* its prepared statements */
    struct statement *unnamed;         /* NULL: none */
    bool is_polite;                    /* it has said Terminate */
    struct tap *tap;                   /* observe.c's; NULL: nothing of it was looked at yet */
    struct session_state *observed;    /* the settings that the tap knows the application_name of */
    struct clocks clocks;
    enum local_transaction transaction;
    uint8_t transaction_modes; /* of its BEGIN: sql_transaction.h */
    uint8_t behind_begin;      /* BEGINNING, REFUSED: the type of the last message that was sent behind it; 0: none yet */
};

/* A new connection; owns fd. NULL when it was closed at once (shutting down). */
struct client *client_new(const struct client_host *host, int fd, const struct listener_peer *peer);
/* Frees a CLOSED client that no job refers to. False: not yet. */
bool client_reap(struct client **client);

/*
 * Going through all clients over several turns of the loop, while some leave: `next` is moved on when it does. Newcomers are met, for they come last.
 */
struct client_cursor {
    struct client *next; /* NULL: all were met */
    struct commons *commons;
    struct client_cursor *next_cursor, *previous_cursor;
};
void client_cursor_init(struct client_cursor *cursor, struct commons *commons);
/* NULL: all were met. */
struct client *client_cursor_next(struct client_cursor *cursor);
void client_cursor_fini(struct client_cursor *cursor); /* harmless when zeroed, or twice */

void client_move(struct client *client, enum client_state to);

/* The name of its class; NULL: it is in none, for it is in no pool. */
static inline const char *client_class(const struct client *client)
{
    return client->key ? client->key->class->rules.name : NULL;
}

static inline bool client_has_failed(const struct client *client)
{
    return client->transaction >= LOCAL_FAILED;
}

/*
 * Receive once. On true, `*data_out` are all bytes not worked on yet (those kept before, then the new ones), in a buffer that lasts until the next event; keep the rest with
 * client_keep. False: nothing new, or the client has ended and is closed now.
 */
bool client_receive(struct client *client, uint8_t **data_out, size_t *size_out);
/* Whose it is. */
static inline struct client *client_of_deadline(struct deadline *deadline)
{
    return (struct client *)((char *)deadline - offsetof(struct client, deadline));
}
static inline struct client *client_of_waiter(struct turnstile_waiter *waiter)
{
    return (struct client *)((char *)waiter - offsetof(struct client, waiter));
}

/* Replace what is kept by these bytes, which may lie within what is kept. */
void client_keep(struct client *client, const uint8_t *data, size_t size);

/* Make up its cancel key, with this process id (0: any), and write BackendKeyData. */
void client_give_cancel_key(struct client *client, uint32_t pid, struct bytes_writer *writer);

/* A client that is logging in: look again at what is kept. */
void client_resume_login(struct client *client);

/* Tell it an error; the connection goes on. Fields may be NULL from `detail` on. Logged once here (log_pooler_errors). */
void client_error(struct client *client, const char *sqlstate, const char *message, const char *detail, const char *hint);
/* Tell it something beside the replies. Not in the middle of one. */
void client_notice(struct client *client, const char *message, const char *detail);
/* FATAL, then CLOSING: sent, half-closed, and closed when it has read it or after a moment. */
void client_goodbye(struct client *client, const char *sqlstate, const char *message, const char *detail, const char *hint);
/* Close once everything has been sent, without further words. */
void client_finish(struct client *client, const char *reason);
/* Close at once. `reason` is for the log. */
void client_close(struct client *client, const char *reason);

/* For the worker: `deadline` belongs to a client whose login, or closing, took too long. */
void client_login_timed_out(struct client *client);
void client_closing_timed_out(struct deadline *deadline);

/* "127.0.0.1:4711", "[::1]:4711", "unix" */
enum { CLIENT_ADDRESS_SIZE = 64 };
void client_format_address(const struct client *client, char text_out[CLIENT_ADDRESS_SIZE]);

/* "client=7 user=.. database=.. from=127.0.0.1:4711" */
struct log_line;
void client_log_begin(const struct client *client, struct log_line *line, int level, const char *event);

#endif
