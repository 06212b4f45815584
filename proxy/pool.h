#ifndef PROXY_POOL_H
#define PROXY_POOL_H

#include <uthash.h>

#include "proxy/client.h"
#include "proxy/database.h"
#include "proxy/function_names.h"
#include "proxy/server.h"
#include "proxy/server_groups.h"

/*
 * The servers and clients of one (database, user), and all such pools of a worker. It opens and closes servers as the turnstile orders, keeps the idle
 * ones, and remembers why a login failed. Bytes are not its concern.
 */
struct setting_names;
struct welcome; /* admission.c's: what a client with certain settings is told */

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
    struct turnstile_pool slots;
    struct server *servers; /* all that exist, logging in to closing */
    struct server *idle;    /* the last used first */
    struct client *clients;
    uint32_t client_count;
    uint32_t pinned;              /* clients with pins */
    struct parameters parameters; /* what its servers report at login */
    bool has_parameters;
    bool is_scannable;        /* client_encoding is one that sql_lex can read, unless a client sets another */
    bool has_backslashes;     /* standard_conforming_strings is off, unless a client sets it */
    uint64_t parameters_hash; /* of those that SET can change, but for application_name */
    struct welcome *welcomes;
    struct function_names functions;     /* of the database: those whose bodies may change the session */
    int64_t functions_due_us;            /* when they are to be looked for again, at a login */
    struct setting_names *setting_names; /* custom settings that its clients may have set: inquiry.c's */
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
    /* The turnstile let it in: `server` is LEASED already and its is linked to nobody. */
    void (*granted)(struct client *client, struct server *server);
    /* Its pool has no server, and the login was refused for good. The client is off the queue. */
    void (*refused)(struct client *client);
    /* The pool is about to be freed, or its servers report other parameters: forget pool->welcomes. */
    void (*forget_welcomes)(struct pool *pool);
    /* The pool is about to be freed. */
    void (*forget_setting_names)(struct pool *pool);
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

void pools_init(struct pools *pools, struct commons *commons, const struct pools_host *host);
/* Carry out what the turnstile orders; once a turn of the loop. */
void pools_run_orders(struct pools *pools);
/* Timeouts of idle servers, empty pools; about once a second. */
void pools_housekeeping(struct pools *pools);
/* A new configuration is in force: limits at once, connection settings for new servers (the others retire). */
void pools_reload(struct pools *pools);
/* End every idle server; the others as they come free. */
void pools_close_servers(struct pools *pools, const char *reason);
/* How many servers could be in use now: leased, being opened, waited for. O(pools). */
uint32_t pools_demand(const struct pools *pools);
bool pools_are_empty(const struct pools *pools); /* no server is left */
void pools_free_all(struct pools *pools);        /* asserts that they hold nobody */

/* The pool for these names, made when needed. NULL: no such database is configured. */
struct pool *pools_find(struct pools *pools, const char *database, const char *user);
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
/* A login failed, it was a refusal, it is not time to try again yet, and no server of the pool works. */
bool pool_is_refusing(const struct pool *pool);
/* LEASED or CLEANING, at rest and clean: to the idle ones; ended instead when it is too old or retired. */
void pool_give_back(struct server *server);
/* Told to end (CLOSING), from whatever state. */
void pool_close_server(struct server *server, const char *reason);
/* It ended by itself. */
void pool_lose_server(struct server *server, const char *reason);
/* The server reports this value while idle: it is the new default. */
void pool_default_changed(struct pool *pool, enum parameter parameter, const char *value);

#endif
