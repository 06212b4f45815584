/*
 * The settings of a startup packet. PostgreSQL looks at their values; here only what cannot be a setting is refused.
 */
#include "proxy/startup_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "protocol/backend.h"
#include "proxy/client_login.h"
#include "proxy/memory.h"

enum { NAME_MAX_SIZE = 63 * 2 + 1 /* two identifiers and a dot */ };

static void refuse_parameter(struct client *client, const char *sqlstate, const char *name, const char *why)
{
    char message[256];
    snprintf(message, sizeof message, "startup parameter \"%.63s\": %s", name, why);
    client_goodbye(client, sqlstate, message, NULL, NULL);
}

static bool take_setting(struct client *client, const char *name, const char *value)
{
    if (config_ignores_parameter(client->host->commons->config, name)) return true;
    if (!*name || strlen(name) > NAME_MAX_SIZE) {
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
bool startup_settings_take(struct client *client)
{
    client->settings = session_state_empty(client->host->commons->states);
    struct bytes_reader parameters = client->login->parameters;
    for (const char *name, *value; frontend_next_parameter(&parameters, &name, &value);)
        if (strcmp(name, "options") == 0 && !take_options(client, value)) return false;
    parameters = client->login->parameters;
    for (const char *name, *value; frontend_next_parameter(&parameters, &name, &value);)
        if (!take_parameter(client, name, value)) return false;
    return true;
}
