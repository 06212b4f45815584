/*
 * Pools: which servers there are and who waits for one. The turnstile decides; this file carries out and reports back.
 *
 * Invariants: the turnstile's counts are the servers' states (LOGGING_IN opening, IDLE idle, LEASED and CLEANING leased, CLOSING closing); each change of a
 * server's state between those groups is reported exactly once, in this file; `idle` holds exactly the IDLE servers.
 */
#include "proxy/pool.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proxy/log.h"
#include "proxy/memory.h"

enum { GROUP_DATABASE, GROUP_USER };
enum { RETRY_FIRST_US = 50000, RETRY_DOUBLINGS_MAX = 12, FIT_SEARCH_MAX = 32, FUNCTIONS_US = 60000000 };

static void on_server_closed(struct server *server, enum server_state was);

void pools_init(struct pools *pools, struct commons *commons, const struct pools_host *host)
{
    pools->commons = commons;
    pools->host = host;
    pools->server_host.commons = commons;
    pools->server_host.closed = on_server_closed;
}

/* ---- pools ---- */

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
    pool->pools->host->forget_setting_names(pool);
    HASH_DEL(pool->pools->by_key, pool);
    pool->home->pools--;
    parameters_fini(&pool->parameters);
    function_names_fini(&pool->functions);
    config_unref(&pool->config);
    free(pool->failure);
    free(pool->key);
    free(pool);
}

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
    client->traffic = &pool->pools->commons->no_traffic;
    pool->client_count--;
    pool->home->clients--;
}

/* ---- idle servers ---- */

static void note_longest_idle(struct pool *pool)
{
    if (pool->idle) pool->slots.idle_since_us = pool->idle->previous_idle->idle_since_us; /* utlist: the head's previous is the tail */
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

static void lease_idle(struct server *server)
{
    remove_idle(server);
    server_move(server, SERVER_LEASED);
}

struct server *pool_take(struct pool *pool, const struct client *client)
{
    struct commons *commons = pool->pools->commons;
    if (pool->slots.idle == 0) return NULL;
    struct server *server = choose_idle(pool, client->settings);
    if (!turnstile_try(commons->turnstile, &pool->slots, client->key, commons->now_us, &server->lease)) return NULL;
    lease_idle(server);
    server->waited_us = 0;
    return server;
}

struct server *pool_take_spare(struct pool *pool)
{
    struct commons *commons = pool->pools->commons;
    if (pool->slots.idle == 0 || turnstile_waiting(commons->turnstile) > 0) return NULL;
    struct server *server = pool->idle->previous_idle; /* utlist: the head's previous is the tail */
    struct turnstile_key *key = turnstile_key_get(commons->turnstile, 0, "", 0);
    bool is_taken = turnstile_try(commons->turnstile, &pool->slots, key, commons->now_us, &server->lease);
    turnstile_key_put(commons->turnstile, &key);
    if (!is_taken) return NULL;
    lease_idle(server);
    server->waited_us = 0;
    return server;
}

bool pool_wait(struct pool *pool, struct client *client)
{
    struct commons *commons = pool->pools->commons;
    if (!turnstile_wait(commons->turnstile, &pool->slots, client->key, &client->waiter, commons->now_us)) return false;
    commons->stats.waits++;
    return true;
}

static bool is_too_old(const struct server *server)
{
    const struct pool *pool = server->pool;
    int64_t lifetime_us =
        pool->entry->server_lifetime_us >= 0 ? pool->entry->server_lifetime_us : pool->config->settings.server_lifetime_us;
    return lifetime_us > 0 && pool->pools->commons->now_us - server->connected_us > lifetime_us;
}

static const char *reason_to_end(const struct server *server)
{
    if (server->pool->pools->commons->is_closing_servers) return "pgturnstile is shutting down";
    if (server->pool->slots.is_held) return "PAUSE";
    if (server->is_retired) return "the configuration changed, or RECONNECT";
    if (is_too_old(server)) return "server_lifetime";
    return NULL;
}

void pool_give_back(struct server *server)
{
    const char *reason = reason_to_end(server);
    if (reason) {
        pool_close_server(server, reason);
        return;
    }
    assert(exchange_is_idle(&server->exchange) && server->message_left == 0 && server->input_size == 0 && !server->client);
    server_move(server, SERVER_IDLE);
    add_idle(server);
    struct commons *commons = server->pool->pools->commons;
    turnstile_release(commons->turnstile, &server->pool->slots, &server->lease, commons->now_us);
}

void pool_close_server(struct server *server, const char *reason)
{
    struct turnstile *turnstile = server->pool->pools->commons->turnstile;
    if (server->state >= SERVER_CLOSING) return;
    assert(server->state != SERVER_LOGGING_IN);
    if (server->state == SERVER_IDLE) {
        remove_idle(server);
        turnstile_close_idle(turnstile, &server->pool->slots);
    } else {
        turnstile_close_leased(turnstile, &server->pool->slots, &server->lease, server->pool->pools->commons->now_us);
    }
    deadline_clear(&server->deadline);
    server_close(server, reason);
}

void pool_lose_server(struct server *server, const char *reason)
{
    struct turnstile *turnstile = server->pool->pools->commons->turnstile;
    server->pool->pools->commons->stats.servers_lost++;
    if (server->state == SERVER_IDLE) {
        remove_idle(server);
        turnstile_close_idle(turnstile, &server->pool->slots);
    } else {
        turnstile_close_leased(turnstile, &server->pool->slots, &server->lease, server->pool->pools->commons->now_us);
    }
    server_gone(server, reason);
}

/* Its slot is free again: PostgreSQL has let go of it. */
static void on_server_closed(struct server *server, enum server_state was)
{
    (void)was;
    struct pool *pool = server->pool;
    DL_DELETE2(pool->servers, server, previous, next);
    pool->home->servers--;
    pool->pools->host->forget_server(server);
    session_state_unref(&server->settings);
    turnstile_closed(pool->pools->commons->turnstile, &pool->slots);
}

static void note_texts(struct pool *pool);

void pool_default_changed(struct pool *pool, enum parameter parameter, const char *value)
{
    if (!parameters_set(&pool->parameters, parameter, value)) return;
    note_texts(pool);
    pool->pools->host->forget_welcomes(pool);
}

/* ---- logins ---- */

/* 0 is libpq's own standard: the kernel's. */
static void set_number(struct server_login *login, const char *keyword, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    if (value > 0) server_login_option(login, keyword, text);
}

static void set_options(const struct pool *pool, struct server_login *login)
{
    const struct config *config = pool->config;
    const struct settings *settings = &config->settings;
    const struct config_database *entry = pool->entry;
    server_login_option(login, "sslmode", settings->server_tls_sslmode);
    if (*settings->server_tls_ca_file) server_login_option(login, "sslrootcert", settings->server_tls_ca_file);
    if (*settings->server_tls_key_file) server_login_option(login, "sslkey", settings->server_tls_key_file);
    if (*settings->server_tls_cert_file) server_login_option(login, "sslcert", settings->server_tls_cert_file);
    server_login_option(login, "keepalives", settings->tcp_keepalive ? "1" : "0");
    set_number(login, "keepalives_idle", settings->tcp_keepidle);
    set_number(login, "keepalives_interval", settings->tcp_keepintvl);
    set_number(login, "keepalives_count", settings->tcp_keepcnt);
    set_number(login, "tcp_user_timeout", settings->tcp_user_timeout);
    for (const char *const *option = entry->libpq_options; option && *option; option += 2) server_login_option(login, option[0], option[1]);
    server_login_option(login, "gssencmode", "disable"); /* a GSSAPI-encrypted socket cannot be taken over */
    server_login_option(login, "dbname", entry->dbname ? entry->dbname : pool->database);
    server_login_option(login, "user", entry->user ? entry->user : pool->user);
    const struct userlist_user *user = userlist_find(config->userlist, entry->user ? entry->user : pool->user);
    if (entry->password)
        server_login_option(login, "password", entry->password);
    else if (user && user->kind == PASSWORD_PLAIN && *user->secret)
        server_login_option(login, "password", user->secret);
    if (entry->connect_query) login->connect_query = memory_strdup(entry->connect_query);
}

static void log_server(const struct server *server, enum log_level level, const char *event, const struct server_login *failed)
{
    struct log_line line;
    server_log_begin(server, &line, (int)level, event);
    log_text(&line, "database", server->pool->database);
    log_text(&line, "user", server->pool->user);
    if (failed) log_text(&line, "sqlstate", failed->sqlstate);
    if (failed) log_text(&line, "message", failed->message);
    log_end(&line);
}

/* Twice as long after each failure up to server_login_retry, and a quarter more or less, so that many pools do not come back at once. */
static int64_t retry_pause_us(const struct pool *pool)
{
    uint32_t doublings = pool->failures - 1 < RETRY_DOUBLINGS_MAX ? pool->failures - 1 : RETRY_DOUBLINGS_MAX;
    int64_t pause_us = RETRY_FIRST_US << doublings, most_us = pool->config->settings.server_login_retry_us;
    uint16_t dice = 0;
    RAND_bytes((unsigned char *)&dice, sizeof dice);
    pause_us = pause_us / 4 * 3 + pause_us / 2 * dice / UINT16_MAX;
    return pause_us < most_us ? pause_us : most_us;
}

static void refuse_waiters(struct pool *pool)
{
    if (!pool_is_refusing(pool)) return;
    struct client *client, *next;
    DL_FOREACH_SAFE2(pool->clients, client, next, next_of_pool) {
        if (!client->waiter.pool) continue;
        turnstile_leave(pool->pools->commons->turnstile, &client->waiter);
        pool->pools->host->refused(client);
    }
}

static void login_failed(struct server *server, const struct server_login *login)
{
    struct pool *pool = server->pool;
    struct commons *commons = pool->pools->commons;
    commons->stats.server_login_failures++;
    pool->failures++;
    snprintf(pool->failure_sqlstate, sizeof pool->failure_sqlstate, "%s", login->sqlstate);
    free(pool->failure);
    pool->failure = memory_strdup(login->message);
    log_server(server, LOG_LEVEL_ERROR, "server_login_failed", login);
    turnstile_open_failed(commons->turnstile, &pool->slots, commons->now_us + retry_pause_us(pool));
    server_gone(server, NULL);
    refuse_waiters(pool);
}

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

static void login_worked(struct server *server, struct server_login *login)
{
    struct pool *pool = server->pool;
    struct commons *commons = pool->pools->commons;
    commons->stats.server_logins++;
    pool->failures = 0;
    free(pool->failure);
    pool->failure = NULL;
    pool->slots.retry_at_us = 0;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) pool_default_changed(pool, (enum parameter)i, login->parameters.values[i]);
    pool->has_parameters = true;
    note_texts(pool);
    for (unsigned i = 0; i < login->function_count; i++) function_names_add(&pool->functions, login->functions[i]);
    server_take_over(server, login);
    log_server(server, LOG_LEVEL_INFO, "server_login", NULL);
    if (commons->is_suspended) stream_suspend(&server->stream);
    add_idle(server);
    turnstile_opened(commons->turnstile, &pool->slots);
    const char *reason = reason_to_end(server);
    if (reason) pool_close_server(server, reason);
}

static void login_done(struct server_login *login, void *owner)
{
    struct server *server = owner;
    if (login->conn)
        login_worked(server, login);
    else
        login_failed(server, login);
    server_login_free(&login);
}

static void open_server(struct pool *pool)
{
    struct commons *commons = pool->pools->commons;
    struct server *server = server_new(&pool->pools->server_host);
    server->pool = pool;
    server->settings = session_state_empty(commons->states);
    server->exchange.ended = pool->pools->host->message_ended;
    server->exchange.ended_context = server;
    DL_APPEND2(pool->servers, server, previous, next);
    pool->home->servers++;
    struct server_login *login = server_login_new(pool->config->settings.server_connect_timeout_us);
    set_options(pool, login);
    if (pool->mode != POOL_MODE_SESSION && commons->now_us >= pool->functions_due_us) {
        login->wants_functions = true;
        pool->functions_due_us = commons->now_us + FUNCTIONS_US;
    }
    /* While logins fail, one at a time finds out whether they still do. */
    if (pool->failures > 0) pool->slots.retry_at_us = commons->now_us + pool->config->settings.server_connect_timeout_us;
    server_login_start(login, commons->logins, login_done, server);
}

bool pool_is_refusing(const struct pool *pool)
{
    const struct turnstile_pool *slots = &pool->slots;
    return pool->failure && server_login_is_refused(pool->failure_sqlstate) && slots->idle + slots->leased + slots->opening == 0 &&
           pool->pools->commons->now_us <= slots->retry_at_us;
}

/* ---- the turnstile's orders ---- */

static void grant(struct pool *pool, const struct turnstile_order *order)
{
    struct client *client = (struct client *)((char *)order->waiter - offsetof(struct client, waiter));
    struct commons *commons = pool->pools->commons;
    int64_t waited_us = commons->now_us - order->waiter->since_us;
    commons->stats.wait_us += (uint64_t)waited_us;
    pool->home->traffic.wait_time += (uint64_t)waited_us;
    struct server *server = choose_idle(pool, client->settings);
    turnstile_accept(commons->turnstile, order, &server->lease, commons->now_us);
    lease_idle(server);
    server->waited_us = waited_us;
    pool->pools->host->granted(client, server);
}

static void evict(struct pool *pool)
{
    struct server *server = pool->idle->previous_idle; /* the tail: idle for longest */
    remove_idle(server);
    server_close(server, "its slot is needed elsewhere");
}

void pools_run_orders(struct pools *pools)
{
    struct turnstile_order order;
    while (turnstile_next(pools->commons->turnstile, pools->commons->now_us, &order)) {
        struct pool *pool = order.pool->owner;
        switch (order.kind) {
        case TURNSTILE_GRANT: grant(pool, &order); break;
        case TURNSTILE_OPEN: open_server(pool); break;
        case TURNSTILE_EVICT: evict(pool); break;
        }
    }
}

/* ---- all pools ---- */

static void close_expired(struct pool *pool)
{
    int64_t now_us = pool->pools->commons->now_us, idle_us = pool->config->settings.server_idle_timeout_us;
    uint32_t spare = pool->slots.idle + pool->slots.leased + pool->slots.opening;
    spare = spare > pool->slots.minimum ? spare - pool->slots.minimum : 0;
    struct server *server, *next;
    DL_FOREACH_SAFE2(pool->idle, server, next, next_idle) {
        const char *reason = reason_to_end(server);
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
        if (server->state == SERVER_IDLE) pool_close_server(server, reason_to_end(server));
    }
}

void pools_reload(struct pools *pools)
{
    struct pool *pool, *next;
    HASH_ITER(hh, pools->by_key, pool, next) {
        struct config *old = config_ref(pool->config);
        const struct config_database *old_entry = pool->entry;
        enum pool_mode old_mode = pool->mode;
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
