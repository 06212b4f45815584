/*
 * Welcomes. A pool remembers the latest WELCOMES_MAX; what they hold is forgotten when its servers begin to report other values at login.
 */
#include "proxy/welcome.h"

#include <stdlib.h>
#include <utlist.h>

#include "protocol/backend.h"
#include "proxy/memory.h"

enum { WELCOMES_MAX = 64, WELCOME_SIZE_MAX = 16 * 1024 };

/* What a server of the pool reports once these settings are made. */
struct welcome {
    struct welcome *next;
    struct session_state *settings; /* without an application_name that needs no asking */
    struct parameters parameters;   /* those that SET can change */
};

struct welcome *welcome_new(struct session_state *settings)
{
    struct welcome *welcome = memory_zalloc(sizeof *welcome);
    welcome->settings = settings;
    return welcome;
}

void welcome_free(struct welcome **welcome)
{
    if (!*welcome) return;
    session_state_unref(&(*welcome)->settings);
    parameters_fini(&(*welcome)->parameters);
    free(*welcome);
    *welcome = NULL;
}

void welcome_forget_all(struct pool *pool)
{
    struct welcome *welcome, *next;
    LL_FOREACH_SAFE(pool->welcomes, welcome, next) {
        welcome_free(&welcome);
    }
    pool->welcomes = NULL;
}

/* ---- which one ---- */

static bool is_plain_ascii(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e) return false;
    return true;
}

/* An application_name in plain ASCII is reported as it is. */
struct session_state *welcome_settings(const struct client *client)
{
    struct session_state *settings = session_state_ref(client->settings);
    const char *application = session_state_get(settings, "application_name");
    return application && is_plain_ascii(application) ? session_state_with(settings, "application_name", NULL) : settings;
}

const struct welcome *welcome_find(const struct pool *pool, const struct session_state *settings)
{
    const struct welcome *welcome;
    LL_FOREACH(pool->welcomes, welcome) {
        if (welcome->settings == settings) return welcome;
    }
    return NULL;
}

bool welcome_is_known(const struct pool *pool, const struct session_state *settings)
{
    return pool->has_parameters && (session_state_size(settings) == 0 || welcome_find(pool, settings));
}

static void forget_oldest(struct pool *pool)
{
    unsigned count = 0;
    for (struct welcome **link = &pool->welcomes; *link; link = &(*link)->next) {
        if (++count <= WELCOMES_MAX) continue;
        welcome_free(link); /* the last one */
        return;
    }
}

const struct welcome *welcome_learn(struct pool *pool, struct welcome **welcome_pointer, const struct parameters *reported)
{
    struct welcome *welcome = *welcome_pointer;
    *welcome_pointer = NULL;
    /* Where it is no part of what was tried, each client has its own. */
    bool knows_application = session_state_get(welcome->settings, "application_name") != NULL;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        if (parameter_is_settable((enum parameter)i) && (i != PARAMETER_APPLICATION_NAME || knows_application))
            parameters_set(&welcome->parameters, (enum parameter)i, reported->values[i]);
    LL_PREPEND(pool->welcomes, welcome);
    forget_oldest(pool);
    return welcome;
}

/* ---- what it says ---- */

static const char *value_to_tell(const struct client *client, const struct welcome *welcome, enum parameter parameter)
{
    const char *application = parameter == PARAMETER_APPLICATION_NAME ? session_state_get(client->settings, "application_name") : NULL;
    if (application && is_plain_ascii(application)) return application;
    if (welcome && welcome->parameters.values[parameter]) return welcome->parameters.values[parameter];
    return client->pool->parameters.values[parameter];
}

void welcome_tell(struct client *client, const struct welcome *welcome, uint32_t pid)
{
    uint8_t *buffer = memory_alloc(WELCOME_SIZE_MAX);
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, WELCOME_SIZE_MAX);
    backend_write_authentication(&writer, BACKEND_AUTH_OK, NULL, 0);
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        const char *value = value_to_tell(client, welcome, (enum parameter)i);
        if (value) backend_write_parameter_status(&writer, parameter_name((enum parameter)i), value);
    }
    client_give_cancel_key(client, pid, &writer);
    backend_write_ready_for_query(&writer, 'I');
    if (writer.has_failed) {
        client_goodbye(client, SQLSTATE_PROGRAM_LIMIT_EXCEEDED, "the startup parameters are too long", NULL, NULL);
    } else {
        stream_write(&client->stream, buffer, writer.size);
        client->host->commons->stats.sent_bytes += writer.size;
    }
    free(buffer);
}
