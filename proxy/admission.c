/*
 * Admission. Invariants: a client is told ReadyForQuery exactly once here; client->settings is set from here on; client->login is gone afterwards.
 */
#include "proxy/admission.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "proxy/classify.h"
#include "proxy/client_auth.h"
#include "proxy/client_clocks.h"
#include "proxy/inquiry.h"
#include "proxy/log.h"
#include "proxy/memory.h"
#include "proxy/pool_login.h"

enum { WELCOMES_MAX = 64, WELCOME_SIZE_MAX = 16 * 1024 };

/* What a server of the pool reports once these settings are made. */
struct welcome {
    struct welcome *next;
    struct session_state *settings; /* without an application_name that needs no asking */
    struct parameters parameters;   /* those that SET can change */
};

static void free_welcome(struct welcome *welcome)
{
    session_state_unref(&welcome->settings);
    parameters_fini(&welcome->parameters);
    free(welcome);
}

void admission_forget_welcomes(struct pool *pool)
{
    struct welcome *welcome, *next;
    LL_FOREACH_SAFE(pool->welcomes, welcome, next) {
        free_welcome(welcome);
    }
    pool->welcomes = NULL;
}

void admission_forget(struct client *client)
{
    struct commons *commons = client->host->commons;
    name_counts_remove(&commons->clients_by_database, &client->database_count);
    name_counts_remove(&commons->clients_by_user, &client->user_count);
    if (client->welcome) free_welcome(client->welcome);
    client->welcome = NULL;
}

/* ---- the settings it brings ---- */

static bool is_plain_ascii(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e) return false;
    return true;
}

static void refuse_parameter(struct client *client, const char *sqlstate, const char *name, const char *why)
{
    char message[256];
    snprintf(message, sizeof message, "startup parameter \"%.63s\": %s", name, why);
    client_goodbye(client, sqlstate, message, NULL, NULL);
}

static bool take_setting(struct client *client, const char *name, const char *value)
{
    if (config_ignores_parameter(client->host->commons->config, name)) return true;
    if (!*name || strlen(name) > 63 * 2 + 1) {
        refuse_parameter(client, SQLSTATE_UNDEFINED_OBJECT, name, "not the name of a setting");
        return false;
    }
    client->settings = session_state_with(client->settings, name, value);
    return true;
}

static bool take_options(struct client *client, const char *text)
{
    char *scratch = memory_alloc(strlen(text) + 2);
    struct frontend_options options;
    frontend_options_init(&options, text, scratch);
    bool is_ok = true;
    while (is_ok) {
        const char *name, *value, *why;
        if (frontend_options_next(&options, &name, &value, &why) != CODEC_OK) {
            refuse_parameter(client, SQLSTATE_SYNTAX_ERROR, "options", why);
            is_ok = false;
        } else if (!name) {
            break;
        } else {
            is_ok = take_setting(client, name, value);
        }
    }
    free(scratch);
    return is_ok;
}

static bool is_false(const char *value)
{
    return strcasecmp(value, "false") == 0 || strcasecmp(value, "off") == 0 || strcasecmp(value, "no") == 0 || strcmp(value, "0") == 0;
}

static bool take_parameter(struct client *client, const char *name, const char *value)
{
    if (strcmp(name, "user") == 0 || strcmp(name, "database") == 0 || strcmp(name, "options") == 0 || strncmp(name, "_pq_.", 5) == 0)
        return true;
    if (strcmp(name, "replication") != 0) return take_setting(client, name, value);
    if (is_false(value)) return true;
    refuse_parameter(client, SQLSTATE_FEATURE_NOT_SUPPORTED, name,
                     "replication connections cannot be shared; connect to PostgreSQL itself for replication");
    return false;
}

/* As PostgreSQL: `options` first, so that a parameter of the same name wins. */
static bool take_settings(struct client *client)
{
    client->settings = session_state_empty(client->host->commons->states);
    struct bytes_reader parameters = client_login_parameters(client->login);
    for (const char *name, *value; frontend_next_parameter(&parameters, &name, &value);)
        if (strcmp(name, "options") == 0 && !take_options(client, value)) return false;
    parameters = client_login_parameters(client->login);
    for (const char *name, *value; frontend_next_parameter(&parameters, &name, &value);)
        if (!take_parameter(client, name, value)) return false;
    return true;
}

/* The settings whose effect on the welcome is not known beforehand. An application_name in plain ASCII is reported as it is. */
static struct session_state *settings_to_try(const struct client *client)
{
    struct session_state *settings = session_state_ref(client->settings);
    const char *application = session_state_get(settings, "application_name");
    return application && is_plain_ascii(application) ? session_state_with(settings, "application_name", NULL) : settings;
}

/* ---- the welcome ---- */

static const struct welcome *find_welcome(const struct pool *pool, const struct session_state *settings)
{
    const struct welcome *welcome;
    LL_FOREACH(pool->welcomes, welcome) {
        if (welcome->settings == settings) return welcome;
    }
    return NULL;
}

static const char *value_to_tell(const struct client *client, const struct welcome *welcome, enum parameter parameter)
{
    const char *application = parameter == PARAMETER_APPLICATION_NAME ? session_state_get(client->settings, "application_name") : NULL;
    if (application && is_plain_ascii(application)) return application;
    if (welcome && welcome->parameters.values[parameter]) return welcome->parameters.values[parameter];
    return client->pool->parameters.values[parameter];
}

static void give_cancel_key(struct client *client, uint32_t pid)
{
    struct {
        uint32_t pid, secret;
    } random;
    do {
        RAND_bytes((unsigned char *)&random, sizeof random);
        random.pid &= INT32_MAX;
    } while (!cancel_keys_add(client->host->commons->cancel_keys, &client->cancel_key, pid ? pid : random.pid, random.secret));
}

static void tell_welcome(struct client *client, const struct welcome *welcome)
{
    uint8_t *buffer = memory_alloc(WELCOME_SIZE_MAX);
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, WELCOME_SIZE_MAX);
    backend_write_authentication(&writer, BACKEND_AUTH_OK, NULL, 0);
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        const char *value = value_to_tell(client, welcome, (enum parameter)i);
        if (value) backend_write_parameter_status(&writer, parameter_name((enum parameter)i), value);
    }
    give_cancel_key(client, client->server && client->state == CLIENT_LEASING ? client->server->pid : 0);
    uint32_t secret = client->cancel_key.secret;
    uint8_t key[4] = {(uint8_t)(secret >> 24), (uint8_t)(secret >> 16), (uint8_t)(secret >> 8), (uint8_t)secret};
    backend_write_key_data(&writer, client->cancel_key.pid, key, sizeof key);
    backend_write_ready_for_query(&writer, 'I');
    if (writer.has_failed) {
        client_goodbye(client, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "the startup parameters are too long", NULL, NULL);
    } else {
        stream_write(&client->stream, buffer, writer.size);
        client->host->commons->stats.sent_bytes += writer.size;
    }
    free(buffer);
}

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
    tell_welcome(client, welcome);
    if (client->state >= CLIENT_CLOSING) return;
    log_login(client);
    client_auth_free(client);
    client_clocks_turn(client);
    stream_resume_reading(&client->stream);
    if (client->input_size > 0) client->host->resume(client);
}

/* What is known already needs no server, except that a session begins with one. */
static bool is_welcome_known(const struct client *client, const struct session_state *settings)
{
    return client->pool->has_parameters && (session_state_size(settings) == 0 || find_welcome(client->pool, settings));
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
    client->welcome = memory_zalloc(sizeof *client->welcome);
    client->welcome->settings = settings;
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
    struct session_state *settings = settings_to_try(client);
    if (is_welcome_known(client, settings)) {
        const struct welcome *welcome = find_welcome(client->pool, settings);
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

static void forget_oldest_welcome(struct pool *pool)
{
    unsigned count = 0;
    for (struct welcome **link = &pool->welcomes; *link; link = &(*link)->next) {
        if (++count <= WELCOMES_MAX) continue;
        free_welcome(*link); /* the last one */
        *link = NULL;
        return;
    }
}

void admission_settled(struct client *client)
{
    struct pool *pool = client->pool;
    lease_settings_sent(client);
    struct welcome *welcome = client->welcome;
    client->welcome = NULL;
    /* Where it is no part of what was tried, each client has its own. */
    bool knows_application = session_state_get(welcome->settings, "application_name") != NULL;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        if (parameter_is_settable((enum parameter)i) && (i != PARAMETER_APPLICATION_NAME || knows_application))
            parameters_set(&welcome->parameters, (enum parameter)i, client->server->parameters.values[i]);
    LL_PREPEND(pool->welcomes, welcome);
    forget_oldest_welcome(pool);
    welcome_with_server(client, welcome);
}

static void note_custom_settings(const struct client *client)
{
    for (size_t i = 0; i < session_state_size(client->settings); i++) {
        const char *name, *value;
        session_state_pair(client->settings, i, &name, &value);
        inquiry_note_name(client->pool, name, strlen(name));
    }
}

/* ---- the way in ---- */

static void refuse_database(struct client *client)
{
    char message[160];
    snprintf(message, sizeof message, "database \"%.64s\" does not exist", client->database);
    client_goodbye(client, SQLSTATE_INVALID_CATALOG, message, "No entry of [databases] has this name, and there is no \"*\" entry.", NULL);
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

void admission_begin(struct pools *pools, struct client *client)
{
    client_move(client, CLIENT_WELCOMING);
    const struct config_database *entry = config_find_database(pools->commons->config, client->database);
    if (!entry) {
        refuse_database(client);
        return;
    }
    if (!is_counted_in(client, entry)) return;
    struct pool *pool = pools_find(pools, client->database, client->user);
    if (!pool) {
        refuse_database(client);
        return;
    }
    if (pool->home->is_disabled) {
        char message[160];
        snprintf(message, sizeof message, "database \"%.64s\" is not currently accepting connections", client->database);
        client_goodbye(client, SQLSTATE_OBJECT_NOT_IN_STATE, message, "It was disabled on the console.", "ENABLE it there.");
        return;
    }
    if (!take_settings(client)) return;
    client->startup = session_state_ref(client->settings);
    pool_join(pool, client);
    classify_client(client);
    note_custom_settings(client);
    struct session_state *settings = settings_to_try(client);
    if (pool->mode != POOL_MODE_SESSION && is_welcome_known(client, settings)) {
        const struct welcome *welcome = find_welcome(pool, settings);
        session_state_unref(&settings);
        welcome_client(client, welcome);
        return;
    }
    session_state_unref(&settings);
    struct server *server = pool_take(pool, client);
    if (server) {
        admission_granted(client, server);
        return;
    }
    if (pool_login_is_refused(pool)) {
        admission_refused(client);
        return;
    }
    if (!pool_wait(pool, client)) {
        client_goodbye(client, SQLSTATE_TOO_MANY_CONNECTIONS, "too many are waiting for a server connection", NULL,
                       "Raise queue_limit, or try again later.");
        return;
    }
    struct commons *commons = pools->commons;
    int64_t wait_us = client->clocks.limits.wait_us, due_us = client->deadline.due_us;
    if (wait_us > 0 && (!deadline_is_set(&client->deadline) || commons->now_us + wait_us < due_us))
        due_us = commons->now_us + wait_us;
    else if (!deadline_is_set(&client->deadline))
        return;
    deadline_clear(&client->deadline);
    deadline_set(&commons->wait_deadlines, &client->deadline, due_us);
}

void admission_refused(struct client *client)
{
    client_goodbye(client, client->pool->failure_sqlstate, client->pool->failure, NULL, NULL);
}

void admission_wait_timed_out(struct deadline *deadline)
{
    struct client *client = client_of_deadline(deadline);
    const struct pool *pool = client->pool;
    client->host->commons->stats.wait_timeouts++;
    if (pool->failure)
        client_goodbye(client, SQLSTATE_CONNECTION_FAILURE, pool->failure, "The last server login of this pool failed.", NULL);
    else
        client_goodbye(client, SQLSTATE_TOO_MANY_CONNECTIONS, "no server connection came free in time", NULL,
                       "Raise query_wait_timeout, budget or default_pool_size, or shorten the transactions of others.");
}
