#ifndef PROXY_DATABASE_H
#define PROXY_DATABASE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "proxy/config.h"
#include "proxy/traffic.h"

/*
 * What is kept about one database, as clients call it, over all of its pools and longer than any of them: what passed, how many there are, and what the
 * console has said about it.
 */
struct database {
    UT_hash_handle hh;
    struct traffic traffic; /* since the start */
    struct traffic before;  /* at the beginning of this stats_period */
    struct traffic averages;
    uint32_t pools, clients, servers;
    bool is_paused, is_disabled;
    char name[]; /* with its NUL */
};

struct databases { /* a zeroed struct is empty */
    struct database *by_name;
    uint32_t readers; /* while there are any, nothing is forgotten */
};

/* Made when needed. It lasts as long as it has pools, stands in the configuration or was paused or disabled, and as a rule longer. */
struct database *databases_find(struct databases *databases, const char *name);
struct database *databases_get(const struct databases *databases, const char *name); /* NULL: not known */
/* A stats_period has ended. */
void databases_end_period(struct databases *databases, int64_t period_us);
/* Names come from clients where there is a "*" entry: forget some that nothing refers to when there are too many. */
void databases_forget_unused(struct databases *databases, const struct config *config);
void databases_fini(struct databases *databases);

#endif
