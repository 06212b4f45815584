#ifndef PROXY_COMMONS_H
#define PROXY_COMMONS_H

#include <ev.h>

#include "proxy/budget_share.h"
#include "proxy/cancel_keys.h"
#include "proxy/config.h"
#include "proxy/deadline_heap.h"
#include "proxy/deadlines.h"
#include "proxy/error_counts.h"
#include "proxy/lock_counts.h"
#include "proxy/name_counts.h"
#include "proxy/offload.h"
#include "proxy/scaling.h"
#include "proxy/session_state.h"
#include "proxy/statements.h"
#include "proxy/stats.h"
#include "proxy/traffic.h"
#include "proxy/turnstile.h"

/*
 * What everything on one worker's thread shares. The worker owns it and fills it; the floors below take from it. There is no other
 * shared state on this thread.
 */
enum {
    COMMONS_SCRATCH_SIZE = 64 * 1024,
    /* A message up to this size is kept until it is whole before any of it goes to the server; a larger one streams through. */
    COMMONS_WHOLE_MESSAGE_MAX = 16 * 1024,
    /* The same for messages that hold SQL, which has to be read. */
    COMMONS_WHOLE_TEXT_MAX = 1024 * 1024
};

struct client;
struct client_cursor;
struct server;

/* cancel.c's: those that no thread has taken yet, and how many threads have in good time. */
struct cancel;
struct cancels {
    struct cancel *first, *last;
    unsigned running;
};

/* lock_errors.c's: how many lines it wrote since when. */
struct lock_log {
    int64_t since_us;
    uint64_t left_out;
    unsigned lines;
};

struct commons {
    struct ev_loop *loop;
    struct config *config; /* the snapshot in force */
    struct turnstile *turnstile;
    struct cancel_keys *cancel_keys;
    struct scaling *scaling; /* what came in lately, by class */
    struct session_states *states;
    struct statements *statements;
    struct taps *taps;         /* observe.c's */
    bool is_observing;         /* the analysis of statements is on */
    bool has_open_units;       /* observe_tick has something to do, now or later: messages to read, units to end */
    struct offload *logins;    /* server logins */
    struct offload *cancels;   /* cancel requests to PostgreSQL */
    struct offload *passwords; /* key derivation */
    uint8_t *scratch;          /* COMMONS_SCRATCH_SIZE; holds nothing between two events */
    struct stats stats;
    struct error_counts errors;
    struct lock_counts locks;
    struct traffic no_traffic; /* what passes for clients that are in no pool (yet) goes here */
    /* One list a kind of timeout; the worker's timer serves them all. */
    struct deadline_list login_deadlines;          /* clients: client_login_timeout */
    struct deadline_list wait_deadlines;           /* clients that log in: query_wait_timeout */
    struct deadline_list cleaning_deadlines;       /* servers: abandon_timeout */
    struct deadline_list server_closing_deadlines; /* servers: server_close_timeout */
    struct deadline_list cancel_deadlines;         /* cancel requests: cancel_wait_timeout, and a first look before that */
    struct cancels cancel_queue;
    struct deadline_list client_closing_deadlines; /* clients: the time to read our last words */
    struct deadline_heap clocks;                   /* clients: all limits of what they do once they are logged in */
    struct lock_log lock_log;
    struct client *deriving;          /* clients that wait for the SCRAM secret of their user: client_auth.c's */
    uint8_t mock_key[SCRAM_KEY_SIZE]; /* random: makes up the secrets of users that do not exist */
    int64_t now_us;                   /* monotonic, read once a turn of the loop */
    uint32_t client_count;            /* logged in or logging in, cancel requests left out */
    uint32_t console_count;           /* console sessions, on places of their own */
    /* Of those that have proved who they are, the clients of each database and user, by the names that they came with: admission.c's. */
    struct name_counts clients_by_database, clients_by_user;
    uint64_t next_client_id, next_server_id;
    struct budget_side older;      /* the process before this one, after a restart: what it still has; all 0 when there is none */
    struct client *clients;        /* all but CLOSED ones, in the order of their ids */
    struct client_cursor *cursors; /* client.h: who goes through them */
    struct client *closed_clients; /* to be freed at the end of the turn */
    struct server *closed_servers;
    bool is_suspended;       /* SUSPEND: nothing is read */
    bool is_closed_to_new;   /* no new clients, those that are here stay */
    bool is_shutting_down;   /* no new clients; each one ends with its transaction */
    bool is_closing_servers; /* the last clients are gone */
};

/* `commons` is zeroed; the reference to `config` is the commons' from here on. What upper floors keep in it is theirs to make, and to free first. */
void commons_init(struct commons *commons, struct config *config);
/* Some helper thread is busy, or about to be: commons_fini would wait for it. */
bool commons_has_jobs(const struct commons *commons);
void commons_fini(struct commons *commons);

#endif
