/*
 * A new configuration. Each part of the program takes what concerns it from the new snapshot here, in one go.
 */
#include "proxy/reload.h"

#include <stdio.h>

#include "proxy/classify.h"
#include "proxy/client_clocks.h"
#include "proxy/log.h"
#include "proxy/observe.h"

/* The new snapshot is in force from now on. */
static void take(const struct reload *reload, struct config *config)
{
    struct commons *commons = reload->pools->commons;
    config_unref(&commons->config);
    commons->config = config;
    log_set_level(config->settings.verbose > 0 || reload->is_verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    pools_reload(reload->pools);
    classify_configure(commons);
    observe_configure(commons);
    for (struct client *client = commons->clients; client; client = client->next) {
        if (!client->pool) continue;
        classify_client(client);
        client_clocks_arm(client);
    }
    restart_set_budget(reload->restart);
}

static void log_problems(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        struct log_line line;
        log_begin(&line, problem->is_warning ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "config_problem");
        log_text(&line, "file", problem->file);
        log_number(&line, "line", problem->line);
        log_text(&line, "problem", problem->text);
        log_end(&line);
    }
}

static void log_fixed(const char *name, void *context)
{
    (void)context;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "config_needs_restart");
    log_text(&line, "setting", name);
    log_end(&line);
}

static void log_outcome(bool is_accepted)
{
    struct log_line line;
    log_begin(&line, is_accepted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, is_accepted ? "config_reloaded" : "config_refused");
    if (!is_accepted) log_text(&line, "hint", "the configuration in force stays");
    log_end(&line);
}

static void describe_problems(const struct config_problems *problems, char *why_out, size_t why_size)
{
    size_t size = 0;
    if (why_size > 0) *why_out = '\0';
    for (size_t i = 0; i < problems->count && size < why_size; i++) {
        const struct config_problem *problem = &problems->items[i];
        if (problem->is_warning) continue;
        const char *between = size > 0 ? "; " : "";
        if (problem->line > 0)
            size += (size_t)snprintf(why_out + size, why_size - size, "%s%s:%u: %s", between, problem->file, problem->line, problem->text);
        else
            size += (size_t)snprintf(why_out + size, why_size - size, "%s%s", between, problem->text);
    }
}

bool reload_file(const struct reload *reload, char *why_out, size_t why_size)
{
    const struct config *old = reload->pools->commons->config;
    struct config_problems problems = {0};
    struct config *config = config_load(old->path, &problems);
    log_problems(&problems);
    describe_problems(&problems, why_out, why_size);
    config_problems_fini(&problems);
    log_outcome(config != NULL);
    if (!config) return false;
    config_compare_fixed(old, config, log_fixed, NULL);
    if (config->settings.scram_iterations == old->settings.scram_iterations) userlist_inherit(config->userlist, old->userlist);
    take(reload, config);
    return true;
}

bool reload_setting(const struct reload *reload, const struct setting *setting, const char *value, char *why_out, size_t why_size)
{
    struct config_problems problems;
    struct config *config = config_with(reload->pools->commons->config, setting, value, &problems);
    describe_problems(&problems, why_out, why_size);
    config_problems_fini(&problems);
    if (config) take(reload, config);
    return config != NULL;
}
