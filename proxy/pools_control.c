/* Commands over pools, databases and all clients. Who may give them, and how they are spelled, is admin.c's. */
#include "proxy/pools_control.h"

#include <utlist.h>

#include "protocol/backend.h"

static const char kill_message[] = "terminating connection due to administrator command";

static bool is_meant(const struct pool *pool, const struct database *home)
{
    return !home || pool->home == home;
}

static void close_idle(struct pool *pool, const char *reason)
{
    struct server *server, *next;
    DL_FOREACH_SAFE2(pool->idle, server, next, next_idle) {
        pool_close_server(server, reason);
    }
}

static void hold(struct pool *pool)
{
    bool is_held = pool->pools->is_paused || pool->home->is_paused;
    if (pool->slots.is_held != is_held) turnstile_hold(pool->pools->commons->turnstile, &pool->slots, is_held);
    if (is_held) close_idle(pool, "PAUSE");
}

static void hold_all(struct pools *pools, const struct database *home)
{
    struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) {
        if (is_meant(pool, home)) hold(pool);
    }
}

void pools_pause(struct pools *pools, struct database *home)
{
    if (home)
        home->is_paused = true;
    else
        pools->is_paused = true;
    hold_all(pools, home);
}

void pools_resume(struct pools *pools, struct database *home)
{
    struct database *database, *next;
    if (pools->is_paused && home) { /* all others stay paused, each by its own name */
        HASH_ITER(hh, pools->databases.by_name, database, next) {
            database->is_paused = true;
        }
    }
    pools->is_paused = false;
    HASH_ITER(hh, pools->databases.by_name, database, next) {
        if (!home || database == home) database->is_paused = false;
    }
    hold_all(pools, home);
}

bool pools_are_held(const struct pools *pools, const struct database *home)
{
    return pools->is_paused || (home && home->is_paused);
}

bool pools_are_paused_out(const struct pools *pools, const struct database *home)
{
    if (home) return home->servers == 0;
    return turnstile_slots(pools->commons->turnstile) == 0;
}

void pools_reconnect(struct pools *pools, const struct database *home)
{
    struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) {
        if (!is_meant(pool, home)) continue;
        struct server *server, *next_server;
        DL_FOREACH_SAFE(pool->servers, server, next_server) {
            server->is_retired = true;
        }
        close_idle(pool, "RECONNECT");
    }
}

bool pools_have_closed(const struct pools *pools, const struct database *home)
{
    for (const struct pool *pool = pools->by_key; pool; pool = pool->hh.next) {
        if (!is_meant(pool, home)) continue;
        const struct server *server;
        DL_FOREACH(pool->servers, server) {
            if (server->is_retired || server->state == SERVER_CLOSING) return false;
        }
    }
    return true;
}

void pools_kill(struct pools *pools, struct database *home)
{
    pools_pause(pools, home);
    for (struct client *client = pools->commons->clients, *next; client; client = next) {
        next = client->next;
        if (!client->pool || !is_meant(client->pool, home) || client->state >= CLIENT_CLOSING) continue;
        /* In the middle of a row our words would be taken for a part of it. */
        if (client->server && client->server->message_left > 0)
            client_finish(client, kill_message);
        else
            client_goodbye(client, SQLSTATE_ADMIN_SHUTDOWN, kill_message, NULL, NULL);
    }
}

/* ---- SUSPEND ---- */

static void suspend_servers(struct pools *pools, void (*change)(struct stream *stream))
{
    for (struct pool *pool = pools->by_key; pool; pool = pool->hh.next) {
        struct server *server;
        DL_FOREACH(pool->servers, server) {
            if (server->state != SERVER_LOGGING_IN && server->state < SERVER_CLOSING) change(&server->stream);
        }
    }
}

static void suspend_clients(struct pools *pools, void (*change)(struct stream *stream))
{
    struct client *client;
    DL_FOREACH2(pools->commons->clients, client, next) {
        if (!client->is_console && client->state < CLIENT_CLOSING) change(&client->stream);
    }
}

void pools_suspend(struct pools *pools)
{
    pools->commons->is_suspended = true;
    suspend_clients(pools, stream_suspend);
    suspend_servers(pools, stream_suspend);
}

void pools_unsuspend(struct pools *pools)
{
    if (!pools->commons->is_suspended) return;
    pools->commons->is_suspended = false;
    suspend_clients(pools, stream_unsuspend);
    suspend_servers(pools, stream_unsuspend);
}

bool pools_are_flushed(const struct pools *pools)
{
    for (const struct pool *pool = pools->by_key; pool; pool = pool->hh.next) {
        const struct server *server;
        DL_FOREACH(pool->servers, server) {
            if (server->state != SERVER_LOGGING_IN && server->state < SERVER_CLOSING && stream_has_unsent(&server->stream)) return false;
        }
    }
    const struct client *client;
    DL_FOREACH2(pools->commons->clients, client, next) {
        if (!client->is_console && stream_has_unsent(&client->stream)) return false;
    }
    return true;
}

void pools_close_unflushed(struct pools *pools)
{
    for (struct client *client = pools->commons->clients, *next; client; client = next) {
        next = client->next;
        if (!client->is_console && stream_has_unsent(&client->stream)) client_close(client, "suspend_timeout");
    }
}
