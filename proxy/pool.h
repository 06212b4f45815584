#ifndef PROXY_POOL_H
#define PROXY_POOL_H

#include <uthash.h>

#include "proxy/client.h"
#include "proxy/database.h"
#include "proxy/function_names.h"
#include "proxy/server.h"
#include "proxy/server_groups.h"
#include "proxy/setting_names.h"
#include "proxy/time_buckets.h"

/*
 * The servers and clients of one (database, user). It keeps the idle servers, hands them out and closes them as the turnstile orders. Bytes are not its concern.
 */
struct welcome; /* welcome.c's: what a client with certain settings is told */

/* For those who look on: as in struct turnstile_class, of all classes. */
struct pool_times {
    struct time_buckets wait, lease, query;
};

struct pool {
    struct pools *pools;
    char *key; /* database, NUL, user */
    size_t key_size;
    UT_hash_handle hh;
    const char *database, *user; /* within key: what clients call them */
    struct database *home;       /* what is kept about its database */
    struct config *config;       /* the snapshot that `entry` lies in */
    const struct config_database *entry;
    enum pool_mode mode;
    struct time_limits *limits; /* client_clocks.c's: by class, as in commons->config; NULL: not worked out yet */
    struct turnstile_pool slots;
    struct server *servers; /* all that exist, logging in to closing */
    struct server *idle;    /* the last used first */
    struct client *clients;
    uint32_t client_count;
    uint32_t pinned; /* clients with pins */
    struct pool_times times;
    struct parameters parameters; /* what its servers report at login */
    bool has_parameters;
    bool is_scannable;        /* client_encoding is one that sql_lex can read, unless a client sets another */
    bool has_backslashes;     /* standard_conforming_strings is off, unless a client sets it */
    uint64_t parameters_hash; /* of those that SET can change, but for application_name */
    struct welcome *welcomes;
    struct function_names functions;                    /* of the database: those whose bodies may change the session */
    int64_t functions_due_us;                           /* when they are to be looked for again, at a login */
    struct setting_names seen_settings, known_settings; /* custom ones: named by statements; found set, or in functions */
    /* The last failed login, until one works. */
    uint32_t failures;
    char failure_sqlstate[6];
    char *failure; /* PostgreSQL's own words; NULL: none */
};

struct pools_host {
    /* For server->exchange.ended. */
    void (*message_ended)(void *server, enum exchange_outcome outcome);
    /* The server is gone: forget what belongs to the floors above. */
    void (*forget_server)(struct server *server);
    /* The turnstile let it in: `server` is LEASED already and linked to nobody. */
    void (*granted)(struct client *client, struct server *server);
    /* Its pool has no server, and the login was refused for good. The client is off the queue. */
    void (*refused)(struct client *client);
    /* The pool is about to be freed, or its servers report other parameters: forget pool->welcomes. */
    void (*forget_welcomes)(struct pool *pool);
};

struct pools {
    struct commons *commons;
    const struct pools_host *host;
    struct server_host server_host; /* `closed` is filled in here, the rest by the owner */
    struct pool *by_key;
    struct databases databases;
    uint32_t readers;                                /* while there are any, no pool is freed */
    bool is_paused;                                  /* all databases; each has a word of its own besides */
    struct server_groups database_slots, user_slots; /* for max_db_connections and max_user_connections */
};

void pool_join(struct pool *pool, struct client *client);
void pool_leave(struct client *client); /* harmless when in none; off the queue too */

/* An idle server now, LEASED and linked to nobody; one that has the client's settings is preferred. NULL: none, or somebody is in front; pool_wait. */
struct server *pool_take(struct pool *pool, const struct client *client);
/*
 * The one that has been idle for longest, for a question of ours: no client, and whatever settings the last one left. NULL: none, or anybody waits for a server
 * anywhere.
 */
struct server *pool_take_spare(struct pool *pool);
/* Queue up: pools_host.granted or .refused follows, unless it leaves. False: the queue of its class is full. */
bool pool_wait(struct pool *pool, struct client *client);
/* LEASED or CLEANING, at rest and clean: to the idle ones; ended instead when it is too old or retired. */
void pool_give_back(struct server *server);
/* Told to end (CLOSING), from whatever state. */
void pool_close_server(struct server *server, const char *reason);
/* It ended by itself. */
void pool_lose_server(struct server *server, const char *reason);
/* Why a server that is at rest should end: its age, the configuration, PAUSE ... NULL: it should not. */
const char *pool_reason_to_end(const struct server *server);
/* The server reports this value while idle: it is the new default. */
void pool_default_changed(struct pool *pool, enum parameter parameter, const char *value);

/* The turnstile's orders, which has counted them already. GRANT: the server that is the waiter's, LEASED and linked to nobody. */
struct server *pool_grant(struct pool *pool, const struct turnstile_order *order);
void pool_evict(struct pool *pool);
/* The server's login has worked: it is idle now, or ended when there is a reason. */
void pool_server_opened(struct server *server);
/* It has failed: the server is gone, and none is opened before that time. */
void pool_server_failed(struct server *server, int64_t retry_at_us);
/* For server_host.closed: PostgreSQL has let go of it, and its slot is free again. */
void pool_server_closed(struct server *server, enum server_state was);

#endif
