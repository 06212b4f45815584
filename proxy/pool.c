/*
 * One pool: its servers by state, and who waits for one. The turnstile decides; this file carries out and reports back. Not for: how a server comes about
 * (pool_login.c), which pools there are (pools.c).
 *
 * Invariants: the turnstile's counts are the servers' states (LOGGING_IN opening, IDLE idle, LEASED and CLEANING leased, CLOSING closing); each change of a
 * server's state between those groups is reported exactly once, in this file; `idle` holds exactly the IDLE servers.
 */
#include "proxy/pool.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

enum { FIT_SEARCH_MAX = 32 };

void pool_join(struct pool *pool, struct client *client)
{
    assert(!client->pool);
    client->pool = pool;
    client->database = pool->database;
    client->user = pool->user;
    client->traffic = &pool->home->traffic;
    pool->client_count++;
    pool->home->clients++;
    DL_APPEND2(pool->clients, client, previous_of_pool, next_of_pool);
}

void pool_leave(struct client *client)
{
    struct pool *pool = client->pool;
    if (!pool) return;
    turnstile_leave(pool->pools->commons->turnstile, &client->waiter);
    DL_DELETE2(pool->clients, client, previous_of_pool, next_of_pool);
    client->pool = NULL;
    client->clocks.limits = &time_limits_none;
    client->traffic = &pool->pools->commons->no_traffic;
    pool->client_count--;
    pool->home->clients--;
}

/* ---- idle servers ---- */

static struct server *longest_idle(const struct pool *pool)
{
    return pool->idle->previous_idle; /* utlist: the head's previous is the tail */
}

static void note_longest_idle(struct pool *pool)
{
    if (pool->idle) pool->slots.idle_since_us = longest_idle(pool)->idle_since_us;
}

static void add_idle(struct server *server)
{
    struct pool *pool = server->pool;
    server->idle_since_us = pool->pools->commons->now_us;
    DL_PREPEND2(pool->idle, server, previous_idle, next_idle);
    note_longest_idle(pool);
}

static void remove_idle(struct server *server)
{
    DL_DELETE2(server->pool->idle, server, previous_idle, next_idle);
    note_longest_idle(server->pool);
}

/* The one that fits needs no settings sent; else the last used one, whose caches are warm. */
static struct server *choose_idle(const struct pool *pool, const struct session_state *settings)
{
    struct server *server = pool->idle;
    for (int i = 0; server && i < FIT_SEARCH_MAX; i++, server = server->next_idle)
        if (server->settings == settings) return server;
    return pool->idle;
}

static void lease_idle(struct server *server, int64_t waited_us)
{
    remove_idle(server);
    server_move(server, SERVER_LEASED);
    server->waited_us = waited_us;
    time_buckets_add(&server->pool->times.wait, (uint64_t)waited_us);
}

/* The lease is about to end. */
static void note_lease(struct server *server)
{
    int64_t lasted_us = server->pool->pools->commons->now_us - server->lease.since_us;
    time_buckets_add(&server->pool->times.lease, lasted_us > 0 ? (uint64_t)lasted_us : 0);
}

struct server *pool_take(struct pool *pool, const struct client *client)
{
    struct commons *commons = pool->pools->commons;
    if (pool->slots.idle == 0) return NULL;
    struct server *server = choose_idle(pool, client->settings);
    if (!turnstile_try(commons->turnstile, &pool->slots, client->key, commons->now_us, &server->lease)) return NULL;
    lease_idle(server, 0);
    return server;
}

struct server *pool_take_spare(struct pool *pool)
{
    struct commons *commons = pool->pools->commons;
    if (pool->slots.idle == 0 || turnstile_waiting(commons->turnstile) > 0) return NULL;
    struct server *server = longest_idle(pool);
    struct turnstile_key *key = turnstile_key_get(commons->turnstile, 0, "", 0);
    bool is_taken = turnstile_try(commons->turnstile, &pool->slots, key, commons->now_us, &server->lease);
    turnstile_key_put(commons->turnstile, &key);
    if (!is_taken) return NULL;
    lease_idle(server, 0);
    return server;
}

bool pool_wait(struct pool *pool, struct client *client)
{
    struct commons *commons = pool->pools->commons;
    if (!turnstile_wait(commons->turnstile, &pool->slots, client->key, &client->waiter, commons->now_us)) return false;
    commons->stats.waits++;
    return true;
}

/* ---- the turnstile's orders ---- */

struct server *pool_grant(struct pool *pool, const struct turnstile_order *order)
{
    const struct client *client = client_of_waiter(order->waiter);
    struct commons *commons = pool->pools->commons;
    int64_t waited_us = commons->now_us - order->waiter->since_us;
    commons->stats.wait_us += (uint64_t)waited_us;
    pool->home->traffic.wait_time += (uint64_t)waited_us;
    struct server *server = choose_idle(pool, client->settings);
    turnstile_accept(commons->turnstile, order, &server->lease, commons->now_us);
    lease_idle(server, waited_us);
    return server;
}

void pool_evict(struct pool *pool)
{
    struct server *server = longest_idle(pool);
    remove_idle(server);
    server_close(server, "its slot is needed elsewhere");
}

void pool_server_opened(struct server *server)
{
    add_idle(server);
    turnstile_opened(server->pool->pools->commons->turnstile, &server->pool->slots);
    const char *reason = pool_reason_to_end(server);
    if (reason) pool_close_server(server, reason);
}

void pool_server_failed(struct server *server, int64_t retry_at_us)
{
    turnstile_open_failed(server->pool->pools->commons->turnstile, &server->pool->slots, retry_at_us);
    server_gone(server, NULL);
}

/* ---- on their way out ---- */

static bool is_too_old(const struct server *server)
{
    const struct pool *pool = server->pool;
    int64_t lifetime_us =
        pool->entry->server_lifetime_us >= 0 ? pool->entry->server_lifetime_us : pool->config->settings.server_lifetime_us;
    return lifetime_us > 0 && pool->pools->commons->now_us - server->connected_us > lifetime_us;
}

const char *pool_reason_to_end(const struct server *server)
{
    if (server->pool->pools->commons->is_closing_servers) return "pgturnstile is shutting down";
    if (server->pool->slots.is_held) return "PAUSE";
    if (server->is_retired) return "the configuration changed, or RECONNECT";
    if (is_too_old(server)) return "server_lifetime";
    return NULL;
}

void pool_give_back(struct server *server)
{
    const char *reason = pool_reason_to_end(server);
    if (reason) {
        pool_close_server(server, reason);
        return;
    }
    assert(exchange_is_idle(&server->exchange) && server->message_left == 0 && server->input_size == 0 && !server->client);
    server_move(server, SERVER_IDLE);
    add_idle(server);
    struct commons *commons = server->pool->pools->commons;
    note_lease(server);
    turnstile_release(commons->turnstile, &server->pool->slots, &server->lease, commons->now_us);
}

/* IDLE, LEASED or CLEANING -> closing. */
static void leave_slot(struct server *server)
{
    struct commons *commons = server->pool->pools->commons;
    if (server->state == SERVER_IDLE) {
        remove_idle(server);
        turnstile_close_idle(commons->turnstile, &server->pool->slots);
    } else {
        note_lease(server);
        turnstile_close_leased(commons->turnstile, &server->pool->slots, &server->lease, commons->now_us);
    }
}

void pool_close_server(struct server *server, const char *reason)
{
    if (server->state >= SERVER_CLOSING) return;
    assert(server->state != SERVER_LOGGING_IN);
    leave_slot(server);
    deadline_clear(&server->deadline);
    server_close(server, reason);
}

void pool_lose_server(struct server *server, const char *reason)
{
    server->pool->pools->commons->stats.servers_lost++;
    leave_slot(server);
    server_gone(server, reason);
}

void pool_server_closed(struct server *server, enum server_state was)
{
    (void)was;
    struct pool *pool = server->pool;
    DL_DELETE2(pool->servers, server, previous, next);
    pool->home->servers--;
    pool->pools->host->forget_server(server);
    session_state_unref(&server->settings);
    turnstile_closed(pool->pools->commons->turnstile, &pool->slots);
}

/* ---- what its servers report ---- */

static uint64_t hash_parameters(const struct pool *pool)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        const char *value = pool->parameters.values[i];
        if (!value || i == PARAMETER_APPLICATION_NAME || !parameter_is_settable((enum parameter)i)) continue;
        hash = (hash ^ statements_hash(pool->pools->commons->statements, value, strlen(value))) * UINT64_C(0x9e3779b97f4a7c15) + i;
    }
    return hash;
}

/* How the texts of its clients are to be read, as far as they do not say otherwise. */
static void note_texts(struct pool *pool)
{
    const char *encoding = pool->parameters.values[PARAMETER_CLIENT_ENCODING];
    const char *strings = pool->parameters.values[PARAMETER_STANDARD_CONFORMING_STRINGS];
    pool->parameters_hash = hash_parameters(pool);
    pool->is_scannable = !encoding || sql_lex_can_read(encoding);
    pool->has_backslashes = strings && strcmp(strings, "off") == 0;
}

void pool_default_changed(struct pool *pool, enum parameter parameter, const char *value)
{
    if (!parameters_set(&pool->parameters, parameter, value)) return;
    note_texts(pool);
    pool->pools->host->forget_welcomes(pool);
}
