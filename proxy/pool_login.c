/*
 * How a pool gets a server: what libpq is told, and what follows when PostgreSQL lets us in, or does not.
 */
#include "proxy/pool_login.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "proxy/log.h"
#include "proxy/memory.h"

enum { RETRY_FIRST_US = 50000, RETRY_DOUBLINGS_MAX = 12, FUNCTIONS_US = 60000000 };

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

bool pool_login_is_refused(const struct pool *pool)
{
    const struct turnstile_pool *slots = &pool->slots;
    return pool->failure && server_login_is_refused(pool->failure_sqlstate) && slots->idle + slots->leased + slots->opening == 0 &&
           pool->pools->commons->now_us <= slots->retry_at_us;
}

static void refuse_waiters(struct pool *pool)
{
    if (!pool_login_is_refused(pool)) return;
    struct client *client, *next;
    DL_FOREACH_SAFE2(pool->clients, client, next, next_of_pool) {
        if (!client->waiter.pool) continue;
        turnstile_leave(pool->pools->commons->turnstile, &client->waiter);
        pool->pools->host->refused(client);
    }
}

static void failed(struct server *server, const struct server_login *login)
{
    struct pool *pool = server->pool;
    struct commons *commons = pool->pools->commons;
    commons->stats.server_login_failures++;
    pool->failures++;
    snprintf(pool->failure_sqlstate, sizeof pool->failure_sqlstate, "%s", login->sqlstate);
    free(pool->failure);
    pool->failure = memory_strdup(login->message);
    log_server(server, LOG_LEVEL_ERROR, "server_login_failed", login);
    pool_server_failed(server, commons->now_us + retry_pause_us(pool));
    refuse_waiters(pool);
}

static void note_setting(struct pool *pool, const char *name)
{
    size_t size = strlen(name);
    if (sql_is_setting_name(name, size)) setting_names_add_over(&pool->known_settings, name, size);
}

static void worked(struct server *server, struct server_login *login)
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
    for (unsigned i = 0; i < login->function_count; i++) function_names_add(&pool->functions, login->functions[i]);
    for (unsigned i = 0; i < login->setting_count; i++) note_setting(pool, login->function_settings[i]);
    server_take_over(server, login);
    log_server(server, LOG_LEVEL_INFO, "server_login", NULL);
    if (commons->is_suspended) stream_suspend(&server->stream);
    pool_server_opened(server);
}

static void on_done(struct server_login *login, void *owner)
{
    struct server *server = owner;
    if (login->conn)
        worked(server, login);
    else
        failed(server, login);
    server_login_free(&login);
}

void pool_login_start(struct pool *pool)
{
    struct commons *commons = pool->pools->commons;
    struct server *server = server_new(&pool->pools->server_host);
    server->pool = pool;
    server->settings = session_state_empty(commons->states);
    server->exchange.ended = pool->pools->host->message_ended;
    server->exchange.ended_context = server;
    DL_APPEND2(pool->servers, server, previous, next);
    pool->home->servers++;
    const struct settings *settings = &pool->config->settings;
    struct server_login *login = server_login_new(settings->server_connect_timeout_us, settings->server_close_timeout_us);
    set_options(pool, login);
    if (pool->mode != POOL_MODE_SESSION && commons->now_us >= pool->functions_due_us) {
        login->wants_functions = true;
        pool->functions_due_us = commons->now_us + FUNCTIONS_US;
    }
    /* While logins fail, one at a time finds out whether they still do. */
    if (pool->failures > 0) pool->slots.retry_at_us = commons->now_us + settings->server_connect_timeout_us;
    server_login_start(login, commons->logins, on_done, server);
}
