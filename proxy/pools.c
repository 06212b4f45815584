/*
 * Which pools there are, what the configuration says about each, and what is done to all of them.
 */
#include "proxy/pools.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proxy/memory.h"
#include "proxy/pool_login.h"

enum { GROUP_DATABASE, GROUP_USER };

void pools_init(struct pools *pools, struct commons *commons, const struct pools_host *host)
{
    pools->commons = commons;
    pools->host = host;
    pools->server_host.commons = commons;
    pools->server_host.closed = pool_server_closed;
}

/* ---- one comes and goes ---- */

/* What the configuration says about it. False: the database is not configured (any more). */
static bool configure(struct pool *pool)
{
    struct config *config = pool->pools->commons->config;
    const struct config_database *entry = config_find_database(config, pool->database);
    if (!entry) return false;
    struct config *old = pool->config;
    pool->config = config_ref(config);
    config_unref(&old);
    pool->entry = entry;
    pool->mode = config_pool_mode(config, entry, pool->user);
    pool->slots.limit = config_pool_size(config, entry, pool->user);
    pool->slots.minimum = config_min_pool_size(config, entry);
    pool->slots.reserve = config_reserve_pool_size(config, entry, pool->user);
    pool->slots.reserve_after_us = config->settings.reserve_pool_timeout_us;
    pool->slots.groups[GROUP_DATABASE]->limit = config_max_db_connections(config, entry);
    pool->slots.groups[GROUP_USER]->limit = config_max_user_connections(config, pool->user);
    return true;
}

/* Its clients are given new ones when they are classified anew. */
static void forget_limits(struct pool *pool)
{
    free(pool->limits);
    pool->limits = NULL;
    for (struct client *client = pool->clients; client; client = client->next_of_pool) client->clocks.limits = &time_limits_none;
}

static void leave_groups(struct pool *pool)
{
    server_groups_leave(&pool->pools->database_slots, &pool->slots.groups[GROUP_DATABASE]);
    server_groups_leave(&pool->pools->user_slots, &pool->slots.groups[GROUP_USER]);
}

struct pool *pools_find(struct pools *pools, const char *database, const char *user)
{
    size_t database_size = strlen(database) + 1, user_size = strlen(user) + 1;
    char *key = memory_alloc(database_size + user_size);
    memcpy(key, database, database_size);
    memcpy(key + database_size, user, user_size);
    struct pool *pool = NULL;
    HASH_FIND(hh, pools->by_key, key, database_size + user_size, pool);
    if (pool) {
        free(key);
        return pool;
    }
    pool = memory_zalloc(sizeof *pool);
    pool->pools = pools;
    pool->key = key;
    pool->key_size = database_size + user_size;
    pool->database = key;
    pool->user = key + database_size;
    pool->slots.owner = pool;
    pool->slots.groups[GROUP_DATABASE] = server_groups_join(&pools->database_slots, pool->database);
    pool->slots.groups[GROUP_USER] = server_groups_join(&pools->user_slots, pool->user);
    if (!configure(pool)) {
        leave_groups(pool);
        free(key);
        free(pool);
        return NULL;
    }
    turnstile_add_pool(pools->commons->turnstile, &pool->slots);
    pool->home = databases_find(&pools->databases, pool->database);
    pool->home->pools++;
    if (pools->is_paused || pool->home->is_paused) turnstile_hold(pools->commons->turnstile, &pool->slots, true);
    HASH_ADD_KEYPTR(hh, pools->by_key, pool->key, pool->key_size, pool);
    return pool;
}

static void free_pool(struct pool *pool)
{
    assert(!pool->servers && !pool->clients);
    turnstile_remove_pool(pool->pools->commons->turnstile, &pool->slots);
    leave_groups(pool);
    pool->pools->host->forget_welcomes(pool);
    setting_names_clear(&pool->seen_settings);
    setting_names_clear(&pool->known_settings);
    HASH_DEL(pool->pools->by_key, pool);
    pool->home->pools--;
    parameters_fini(&pool->parameters);
    function_names_fini(&pool->functions);
    config_unref(&pool->config);
    free(pool->limits);
    free(pool->failure);
    free(pool->key);
    free(pool);
}

/* ---- the turnstile's orders ---- */

void pools_run_orders(struct pools *pools)
{
    struct turnstile_order order;
    while (turnstile_next(pools->commons->turnstile, pools->commons->now_us, &order)) {
        struct pool *pool = order.pool->owner;
        switch (order.kind) {
        case TURNSTILE_GRANT: pools->host->granted(client_of_waiter(order.waiter), pool_grant(pool, &order)); break;
        case TURNSTILE_OPEN: pool_login_start(pool); break;
        case TURNSTILE_EVICT: pool_evict(pool); break;
        }
    }
}

/* ---- all of them ---- */

static void close_expired(struct pool *pool)
{
    int64_t now_us = pool->pools->commons->now_us, idle_us = pool->config->settings.server_idle_timeout_us;
    uint32_t spare = pool->slots.idle + pool->slots.leased + pool->slots.opening;
    spare = spare > pool->slots.minimum ? spare - pool->slots.minimum : 0;
    struct server *server, *next;
    DL_FOREACH_SAFE2(pool->idle, server, next, next_idle) {
        const char *reason = pool_reason_to_end(server);
        if (!reason && spare > 0 && idle_us > 0 && now_us - server->idle_since_us > idle_us) {
            reason = "server_idle_timeout";
            spare--;
        }
        if (reason) pool_close_server(server, reason);
    }
}

void pools_housekeeping(struct pools *pools)
{
    struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) {
        close_expired(pool);
        /* A failure is remembered for as long as it holds off the next login. */
        if (pools->readers == 0 && !pool->servers && !pool->clients && pool->slots.retry_at_us <= pools->commons->now_us) free_pool(pool);
    }
    databases_forget_unused(&pools->databases, pools->commons->config);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool has_same_options(const char *const *a, const char *const *b)
{
    while (a && b && *a && *b && strcmp(*a, *b) == 0) a++, b++;
    return (!a || !*a) && (!b || !*b);
}

/* Whether servers that logged in under the one entry are as good as under the other. */
static bool logs_in_alike(const struct config *a, const struct config_database *in_a, const struct config *b,
                          const struct config_database *in_b)
{
    return is_same_text(in_a->user, in_b->user) && is_same_text(in_a->password, in_b->password) &&
           is_same_text(in_a->dbname, in_b->dbname) && is_same_text(in_a->connect_query, in_b->connect_query) &&
           has_same_options(in_a->libpq_options, in_b->libpq_options) &&
           is_same_text(a->settings.server_tls_sslmode, b->settings.server_tls_sslmode) &&
           is_same_text(a->settings.server_tls_ca_file, b->settings.server_tls_ca_file) &&
           is_same_text(a->settings.server_tls_key_file, b->settings.server_tls_key_file) &&
           is_same_text(a->settings.server_tls_cert_file, b->settings.server_tls_cert_file);
}

static void retire_servers(struct pool *pool)
{
    struct server *server, *next;
    DL_FOREACH_SAFE(pool->servers, server, next) {
        server->is_retired = true;
        if (server->state == SERVER_IDLE) pool_close_server(server, pool_reason_to_end(server));
    }
}

void pools_reload(struct pools *pools)
{
    struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) {
        struct config *old = config_ref(pool->config);
        const struct config_database *old_entry = pool->entry;
        enum pool_mode old_mode = pool->mode;
        forget_limits(pool);
        /* A database that is configured no more goes on for the clients it has; new ones are refused by admission. */
        if (configure(pool) && !logs_in_alike(old, old_entry, pool->config, pool->entry)) {
            retire_servers(pool);
            pool->failures = 0;
            pool->slots.retry_at_us = 0;
        } else if (pool->mode != old_mode) {
            retire_servers(pool); /* nobody has watched what sessions of the other mode have set */
        }
        config_unref(&old);
    }
    const struct settings *settings = &pools->commons->config->settings;
    turnstile_set_budget(pools->commons->turnstile, (uint32_t)settings->budget, (uint32_t)settings->max_server_logins);
}

void pools_close_servers(struct pools *pools, const char *reason)
{
    struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) {
        struct server *server, *next_server;
        DL_FOREACH_SAFE(pool->servers, server, next_server) {
            if (server->state == SERVER_IDLE || server->state == SERVER_CLEANING) pool_close_server(server, reason);
        }
    }
}

uint32_t pools_demand(const struct pools *pools)
{
    uint32_t demand = 0;
    const struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) demand += pool->slots.leased + pool->slots.opening + pool->slots.waiting;
    return demand;
}

bool pools_are_empty(const struct pools *pools)
{
    return turnstile_slots(pools->commons->turnstile) == 0;
}

void pools_free_all(struct pools *pools)
{
    struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) {
        free_pool(pool);
    }
    databases_fini(&pools->databases);
}
