#ifndef PROXY_CONFIG_H
#define PROXY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/config_classes.h"
#include "proxy/config_entries.h"
#include "proxy/config_problems.h"
#include "proxy/settings.h"
#include "proxy/text_store.h"
#include "proxy/userlist.h"

/*
 * One configuration snapshot: read whole, checked whole, then immutable. RELOAD makes a new one; whoever works with the old one holds a
 * reference. References are counted plainly: one thread takes and drops them all.
 */
struct config {
    struct settings settings;
    const struct config_database *databases; /* in order of name */
    size_t database_count;
    const struct config_user *users; /* in order of name */
    size_t user_count;
    const struct config_class *classes; /* in the order of the file; the last one is the default class, which is always there */
    size_t class_count;
    struct sql_tag_keys tag_keys; /* of the tags that classes are told by, or shared by */
    struct userlist *userlist;
    const char *path; /* the file it came from */

    struct config *base;     /* what config_with took databases, users and userlist from; NULL: they are its own */
    unsigned references;     /* config_ref, config_unref */
    struct text_store store; /* holds every text above */
};

/*
 * Read the file. NULL when there is any problem that is not a warning; `problems` is filled either way and freed with config_problems_fini.
 * One reference belongs to the caller.
 */
struct config *config_load(const char *path, struct config_problems *problems);
/*
 * The same configuration with another value for one setting, checked as a file would be. NULL when there is any problem that is not a warning; `problems` is
 * filled either way. One reference belongs to the caller; `base` stays as it is.
 */
struct config *config_with(struct config *base, const struct setting *setting, const char *value, struct config_problems *problems);
struct config *config_ref(struct config *config);
void config_unref(struct config **config);
/* Names of settings that differ between the two and that a RELOAD cannot change; calls back once each. */
void config_compare_fixed(const struct config *old, const struct config *new_one, void (*differs)(const char *name, void *context),
                          void *context);

const struct config_database *config_find_database(const struct config *config,
                                                   const char *name);                      /* the "*" entry when no other; NULL: none */
const struct config_user *config_find_user(const struct config *config, const char *name); /* NULL: none */
/* PgBouncer's order: what the user entry says, else the database entry, else the global setting. `user` may be NULL. */
enum pool_mode config_pool_mode(const struct config *config, const struct config_database *database, const char *user);
uint32_t config_pool_size(const struct config *config, const struct config_database *database, const char *user); /* 0: the budget */
uint32_t config_min_pool_size(const struct config *config, const struct config_database *database);
/*
 * PgBouncer's limits; 0 is none. Of servers: all of one database, whoever the user is; all of one user, whatever the database is; and how many
 * more than pool_size a pool may have once a client has waited for reserve_pool_timeout. Of clients: all that are logged in to one database, as
 * one user. An entry "*" of [databases] is a limit for each database it stands for.
 */
uint32_t config_max_db_connections(const struct config *config, const struct config_database *database);
uint32_t config_max_user_connections(const struct config *config, const char *user);
uint32_t config_reserve_pool_size(const struct config *config, const struct config_database *database, const char *user);
uint32_t config_max_db_client_connections(const struct config *config, const struct config_database *database);
uint32_t config_max_user_client_connections(const struct config *config, const char *user);
/*
 * What classes, users and databases say of time, in microseconds: -1 where none of them says it, and then the setting holds; 0 is no limit. The class comes
 * first, because it is the narrowest: what a lease is for, while the others are only where its client comes from. Then PgBouncer's order: the user
 * before the database. `class` and `user` may be NULL.
 */
struct config_times {
    int64_t wait_us, notify_us, deadline_us, query_us, transaction_us, idle_transaction_us, client_idle_us;
};
struct config_times config_times_said(const struct config *config, const struct config_class *class, const struct config_database *database,
                                      const char *user);
/* The same, each by itself: who says what. The first that says anything of a limit is heard. */
enum config_level { CONFIG_CLASS, CONFIG_USER, CONFIG_DATABASE, CONFIG_LEVELS };
void config_times_by_level(const struct config *config, const struct config_class *class, const struct config_database *database,
                           const char *user, struct config_times said_out[CONFIG_LEVELS]);
/* Whether `name` stands in the comma list of ignore_startup_parameters; in any case, as PostgreSQL compares such names. */
bool config_ignores_parameter(const struct config *config, const char *name);

#endif
