/*
 * What a loaded configuration says: look-ups and its life. How it is read from a file is in config_load.c.
 *
 * Invariant: `databases` and `users` are sorted by name with strcmp and hold no name twice; config_load sees to that.
 */
#include "proxy/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/config_text.h"

struct config *config_ref(struct config *config)
{
    assert(config->references > 0);
    config->references++;
    return config;
}

void config_unref(struct config **config_)
{
    struct config *config = *config_;
    *config_ = NULL;
    while (config != NULL) {
        assert(config->references > 0);
        if (--config->references > 0) return;
        struct config *base = config->base;
        if (base == NULL) userlist_free(&config->userlist);
        text_store_fini(&config->store);
        free(config);
        config = base;
    }
}

void config_compare_fixed(const struct config *old, const struct config *new_one, void (*differs)(const char *name, void *context),
                          void *context)
{
    size_t count;
    const struct setting *list = settings_list(&count);
    for (size_t i = 0; i < count; i++) {
        if (!list[i].can_reload && !settings_is_equal(&old->settings, &new_one->settings, &list[i])) differs(list[i].name, context);
    }
}

static int compare_database(const void *name, const void *database)
{
    return strcmp(name, ((const struct config_database *)database)->name);
}

const struct config_database *config_find_database(const struct config *config, const char *name)
{
    if (config->database_count == 0) return NULL;
    const struct config_database *found =
        bsearch(name, config->databases, config->database_count, sizeof *config->databases, compare_database);
    if (found == NULL) found = bsearch("*", config->databases, config->database_count, sizeof *config->databases, compare_database);
    return found;
}

static int compare_user(const void *name, const void *user)
{
    return strcmp(name, ((const struct config_user *)user)->name);
}

const struct config_user *config_find_user(const struct config *config, const char *name)
{
    if (config->user_count == 0 || name == NULL) return NULL;
    return bsearch(name, config->users, config->user_count, sizeof *config->users, compare_user);
}

enum pool_mode config_pool_mode(const struct config *config, const struct config_database *database, const char *user)
{
    const struct config_user *entry = config_find_user(config, user);
    if (entry != NULL && entry->pool_mode != POOL_MODE_UNSET) return (enum pool_mode)entry->pool_mode;
    if (database->pool_mode != POOL_MODE_UNSET) return (enum pool_mode)database->pool_mode;
    return config->settings.pool_mode;
}

uint32_t config_pool_size(const struct config *config, const struct config_database *database, const char *user)
{
    const struct config_user *entry = config_find_user(config, user);
    int64_t size = config->settings.default_pool_size;
    if (database->pool_size >= 0) size = database->pool_size;
    if (entry != NULL && entry->pool_size >= 0) size = entry->pool_size;
    return (uint32_t)size;
}

uint32_t config_min_pool_size(const struct config *config, const struct config_database *database)
{
    return (uint32_t)(database->min_pool_size >= 0 ? database->min_pool_size : config->settings.min_pool_size);
}

/* The first, if it is said. */
static int64_t said_or(int64_t first, int64_t second)
{
    return first >= 0 ? first : second;
}

uint32_t config_max_db_connections(const struct config *config, const struct config_database *database)
{
    return (uint32_t)said_or(database->max_db_connections, config->settings.max_db_connections);
}

uint32_t config_max_db_client_connections(const struct config *config, const struct config_database *database)
{
    return (uint32_t)said_or(database->max_db_client_connections, config->settings.max_db_client_connections);
}

uint32_t config_max_user_connections(const struct config *config, const char *user)
{
    const struct config_user *entry = config_find_user(config, user);
    return (uint32_t)said_or(entry ? entry->max_user_connections : -1, config->settings.max_user_connections);
}

uint32_t config_max_user_client_connections(const struct config *config, const char *user)
{
    const struct config_user *entry = config_find_user(config, user);
    return (uint32_t)said_or(entry ? entry->max_user_client_connections : -1, config->settings.max_user_client_connections);
}

uint32_t config_reserve_pool_size(const struct config *config, const struct config_database *database, const char *user)
{
    const struct config_user *entry = config_find_user(config, user);
    return (uint32_t)said_or(entry ? entry->reserve_pool_size : -1,
                             said_or(database->reserve_pool_size, config->settings.reserve_pool_size));
}

void config_times_by_level(const struct config *config, const struct config_class *class, const struct config_database *database,
                           const char *user, struct config_times said_out[CONFIG_LEVELS])
{
    static const struct config_times nothing = {-1, -1, -1, -1, -1, -1, -1};
    const struct config_user *entry = config_find_user(config, user);
    for (int i = 0; i < CONFIG_LEVELS; i++) said_out[i] = nothing;
    said_out[CONFIG_DATABASE].wait_us = database->query_wait_timeout_us;
    if (entry != NULL)
        said_out[CONFIG_USER] = (struct config_times){.wait_us = entry->query_wait_timeout_us,
                                                      .notify_us = -1,
                                                      .deadline_us = -1,
                                                      .query_us = entry->query_timeout_us,
                                                      .transaction_us = entry->transaction_timeout_us,
                                                      .idle_transaction_us = entry->idle_transaction_timeout_us,
                                                      .client_idle_us = entry->client_idle_timeout_us};
    if (class != NULL)
        said_out[CONFIG_CLASS] = (struct config_times){.wait_us = class->wait_timeout_us,
                                                       .notify_us = class->query_wait_notify_us,
                                                       .deadline_us = class->deadline_us,
                                                       .query_us = class->query_timeout_us,
                                                       .transaction_us = class->transaction_timeout_us,
                                                       .idle_transaction_us = class->idle_transaction_timeout_us,
                                                       .client_idle_us = class->client_idle_timeout_us};
}

struct config_times config_times_said(const struct config *config, const struct config_class *class, const struct config_database *database,
                                      const char *user)
{
    struct config_times levels[CONFIG_LEVELS], said = {-1, -1, -1, -1, -1, -1, -1};
    config_times_by_level(config, class, database, user, levels);
    for (int i = CONFIG_LEVELS - 1; i >= 0; i--)
        said = (struct config_times){.wait_us = said_or(levels[i].wait_us, said.wait_us),
                                     .notify_us = said_or(levels[i].notify_us, said.notify_us),
                                     .deadline_us = said_or(levels[i].deadline_us, said.deadline_us),
                                     .query_us = said_or(levels[i].query_us, said.query_us),
                                     .transaction_us = said_or(levels[i].transaction_us, said.transaction_us),
                                     .idle_transaction_us = said_or(levels[i].idle_transaction_us, said.idle_transaction_us),
                                     .client_idle_us = said_or(levels[i].client_idle_us, said.client_idle_us)};
    return said;
}

bool config_ignores_parameter(const struct config *config, const char *name)
{
    return *name != '\0' && config_text_is_in_list(name, config->settings.ignore_startup_parameters, ',');
}
