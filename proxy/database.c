/* Databases by name. Not for: what to do with their pools (pool.c, pools_control.c). */
#include "proxy/database.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

enum { UNUSED_MAX = 1000 };

struct database *databases_get(const struct databases *databases, const char *name)
{
    struct database *found = NULL;
    HASH_FIND_STR(databases->by_name, name, found);
    return found;
}

struct database *databases_find(struct databases *databases, const char *name)
{
    struct database *database = databases_get(databases, name);
    if (database) return database;
    size_t size = strlen(name) + 1;
    database = memory_zalloc(sizeof *database + size);
    memcpy(database->name, name, size);
    HASH_ADD_STR(databases->by_name, name, database);
    return database;
}

void databases_end_period(struct databases *databases, int64_t period_us)
{
    struct database *database, *next;
    HASH_ITER(hh, databases->by_name, database, next) {
        traffic_average(&database->before, &database->traffic, period_us, &database->averages);
        database->before = database->traffic;
    }
}

static bool is_unused(const struct database *database, const struct config *config)
{
    if (database->pools > 0 || database->is_paused || database->is_disabled) return false;
    const struct config_database *entry = config_find_database(config, database->name);
    return !entry || strcmp(entry->name, "*") == 0;
}

void databases_forget_unused(struct databases *databases, const struct config *config)
{
    unsigned count = HASH_COUNT(databases->by_name);
    if (databases->readers > 0 || count <= UNUSED_MAX + config->database_count) return;
    struct database *database, *next;
    HASH_ITER(hh, databases->by_name, database, next) {
        if (!is_unused(database, config)) continue;
        HASH_DEL(databases->by_name, database);
        free(database);
    }
}

void databases_fini(struct databases *databases)
{
    struct database *database, *next;
    HASH_ITER(hh, databases->by_name, database, next) {
        HASH_DEL(databases->by_name, database);
        free(database);
    }
}
