/*
 * Admission. Invariants: a client is told ReadyForQuery exactly once here; client->settings is set from here on; client->login is gone afterwards.
 */
#include "proxy/admission.h"

#include <stdio.h>

#include "proxy/classify.h"
#include "proxy/client_auth.h"
#include "proxy/client_clocks.h"
#include "proxy/inquiry.h"
#include "proxy/log.h"
#include "proxy/pool_login.h"
#include "proxy/startup_settings.h"
#include "proxy/welcome.h"

void admission_forget(struct client *client)
{
    struct commons *commons = client->host->commons;
    name_counts_remove(&commons->clients_by_database, &client->database_count);
    name_counts_remove(&commons->clients_by_user, &client->user_count);
    welcome_free(&client->welcome);
}

/* ---- the way out of here ---- */

static void log_login(const struct client *client)
{
    struct commons *commons = client->host->commons;
    commons->stats.clients_logged_in++;
    client->traffic->client_login_count++;
    if (!commons->config->settings.log_connections) return;
    struct log_line line;
    client_log_begin(client, &line, LOG_LEVEL_INFO, "client_login");
    log_text(&line, "application", session_state_get(client->settings, "application_name"));
    log_end(&line);
}

static void welcome_client(struct client *client, const struct welcome *welcome)
{
    deadline_clear(&client->deadline);
    if (client->pool->mode == POOL_MODE_SESSION)
        client_move(client, CLIENT_LEASING);
    else
        client_move(client, CLIENT_READY);
    welcome_tell(client, welcome, client->server && client->state == CLIENT_LEASING ? client->server->pid : 0);
    if (client->state >= CLIENT_CLOSING) return;
    log_login(client);
    client_auth_free(client);
    client_clocks_turn(client);
    stream_resume_reading(&client->stream);
    if (client->input_size > 0) client->host->resume(client);
}

/* ---- with a server ---- */

static void try_settings(struct client *client, struct session_state *settings)
{
    char sql[SERVER_QUERY_MAX];
    size_t size = lease_settings_sql(client, sql, sizeof sql);
    if (size >= sizeof sql) {
        session_state_unref(&settings);
        client_goodbye(client, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "the startup parameters are too long", NULL, NULL);
        return;
    }
    client->welcome = welcome_new(settings);
    server_query(client->server, size > 0 ? sql : "");
    struct commons *commons = client->host->commons;
    int64_t timeout_us = commons->config->settings.client_login_timeout_us;
    if (timeout_us > 0) deadline_set(&commons->login_deadlines, &client->deadline, commons->now_us + timeout_us);
}

static void welcome_with_server(struct client *client, const struct welcome *welcome)
{
    if (client->pool->mode != POOL_MODE_SESSION) lease_end(client);
    welcome_client(client, welcome);
}

void admission_granted(struct client *client, struct server *server)
{
    lease_begin(client, server);
    struct session_state *settings = welcome_settings(client);
    if (welcome_is_known(client->pool, settings)) {
        const struct welcome *welcome = welcome_find(client->pool, settings);
        session_state_unref(&settings);
        welcome_with_server(client, welcome);
    } else {
        try_settings(client, settings);
    }
}

void admission_error(struct client *client, const struct backend_error *error)
{
    client_goodbye(client, error->sqlstate ? error->sqlstate : SQLSTATE_INTERNAL_ERROR,
                   error->message ? error->message : "the server refused the startup parameters", error->detail, error->hint);
}

void admission_settled(struct client *client)
{
    lease_settings_sent(client);
    welcome_with_server(client, welcome_learn(client->pool, &client->welcome, &client->server->parameters));
}

/* ---- the way in ---- */

static void refuse_database(struct client *client)
{
    char message[160];
    snprintf(message, sizeof message, "database \"%.64s\" does not exist", client->database);
    client_goodbye(client, SQLSTATE_INVALID_CATALOG, message, "No entry of [databases] has this name, and there is no \"*\" entry.", NULL);
}

static void refuse_disabled(struct client *client)
{
    char message[160];
    snprintf(message, sizeof message, "database \"%.64s\" is not currently accepting connections", client->database);
    client_goodbye(client, SQLSTATE_OBJECT_NOT_IN_STATE, message, "It was disabled on the console.", "ENABLE it there.");
}

static void refuse_one_more(struct client *client, const char *what, const char *name, uint32_t limit, const char *setting)
{
    char message[128], detail[160], hint[192];
    snprintf(message, sizeof message, "client connections exceeded (%s)", setting);
    snprintf(detail, sizeof detail, "The limit of %s \"%.63s\" is %u.", what, name, limit);
    snprintf(hint, sizeof hint, "Raise %s, of the %s or in [pgturnstile], or have clients leave that need no connection.", setting, what);
    client_goodbye(client, SQLSTATE_TOO_MANY_CONNECTIONS, message, detail, hint);
}

/* Within max_db_client_connections and max_user_client_connections; otherwise it was told goodbye. */
static bool is_counted_in(struct client *client, const struct config_database *entry)
{
    struct commons *commons = client->host->commons;
    uint32_t of_database = config_max_db_client_connections(commons->config, entry);
    uint32_t of_user = config_max_user_client_connections(commons->config, client->user);
    client->database_count = name_counts_add(&commons->clients_by_database, client->database, of_database);
    if (!client->database_count) {
        refuse_one_more(client, "database", client->database, of_database, "max_db_client_connections");
        return false;
    }
    client->user_count = name_counts_add(&commons->clients_by_user, client->user, of_user);
    if (!client->user_count) {
        refuse_one_more(client, "user", client->user, of_user, "max_user_client_connections");
        return false;
    }
    return true;
}

/* The pool that it asks for. NULL: there is none for it, and it was told goodbye. */
static struct pool *choose_pool(struct pools *pools, struct client *client)
{
    const struct config_database *entry = config_find_database(pools->commons->config, client->database);
    if (entry && !is_counted_in(client, entry)) return NULL;
    struct pool *pool = entry ? pools_find(pools, client->database, client->user) : NULL;
    if (!pool) {
        refuse_database(client);
    } else if (pool->home->is_disabled) {
        refuse_disabled(client);
        pool = NULL;
    }
    return pool;
}

/* No longer than query_wait_timeout, unless client_login_timeout ends it before that. */
static void limit_wait(struct client *client)
{
    struct commons *commons = client->host->commons;
    int64_t wait_us = client->clocks.limits->wait_us, due_us = commons->now_us + wait_us;
    if (wait_us <= 0 || (deadline_is_set(&client->deadline) && client->deadline.due_us <= due_us)) return;
    deadline_set(&commons->wait_deadlines, &client->deadline, due_us);
}

static void get_server(struct client *client)
{
    struct server *server = pool_take(client->pool, client);
    if (server)
        admission_granted(client, server);
    else if (pool_login_is_refused(client->pool))
        admission_refused(client);
    else if (pool_wait(client->pool, client))
        limit_wait(client);
    else
        client_goodbye(client, SQLSTATE_TOO_MANY_CONNECTIONS, "too many are waiting for a server connection", NULL,
                       "Raise queue_limit, or try again later.");
}

void admission_begin(struct pools *pools, struct client *client)
{
    client_move(client, CLIENT_WELCOMING);
    struct pool *pool = choose_pool(pools, client);
    if (!pool || !startup_settings_take(client)) return;
    client->startup = session_state_ref(client->settings);
    pool_join(pool, client);
    classify_client(client);
    struct session_state *settings = welcome_settings(client);
    bool needs_server = pool->mode == POOL_MODE_SESSION || !welcome_is_known(pool, settings);
    const struct welcome *welcome = welcome_find(pool, settings);
    session_state_unref(&settings);
    if (needs_server)
        get_server(client);
    else
        welcome_client(client, welcome);
}

void admission_refused(struct client *client)
{
    client_goodbye(client, client->pool->failure_sqlstate, client->pool->failure, NULL, NULL);
}

static void end_wait(struct client *client, const char *limit)
{
    const struct pool *pool = client->pool;
    char message[80 + CLOCKS_LIMIT_SIZE], hint[CLIENT_CLOCKS_HINT_SIZE];
    snprintf(message, sizeof message, "no server connection came free in time (%s)", limit);
    client_clocks_wait_hint(limit, hint);
    client->host->commons->stats.wait_timeouts++;
    if (pool->failure)
        client_goodbye(client, SQLSTATE_CONNECTION_FAILURE, pool->failure, "The last server login of this pool failed.", NULL);
    else
        client_goodbye(client, SQLSTATE_TOO_MANY_CONNECTIONS, message, NULL, hint);
}

void admission_wait_timed_out(struct deadline *deadline)
{
    struct client *client = client_of_deadline(deadline);
    char limit[CLOCKS_LIMIT_SIZE];
    client_clocks_name_limit(client, CLOCK_WAIT, limit);
    end_wait(client, limit);
}

void admission_login_timed_out(struct deadline *deadline)
{
    struct client *client = client_of_deadline(deadline);
    if (!client->waiter.pool)
        client_login_timed_out(client);
    else
        end_wait(client, "client_login_timeout");
}
