#ifndef PROXY_CONFIG_ENTRIES_H
#define PROXY_CONFIG_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/sql_tags.h"
#include "proxy/config_problems.h"
#include "proxy/text_store.h"

/* PostgreSQL cuts longer names (NAMEDATALEN - 1). */
enum { CONFIG_NAME_SIZE_MAX = 63 };
enum { CONFIG_DATABASE_KEYS_MAX = 64 };

/* One entry of [databases], or one [database NAME] section. */
struct config_database {
    const char *name;     /* "*" is the fallback for names that no entry has */
    const char *user;     /* all clients share servers logged in as this user; NULL: each client's own */
    const char *password; /* NULL: the user's plain secret of auth_file, if it has one, else libpq's own sources (pgpass) */
    /*
     * Keyword, value, ..., NULL: what goes to libpq as it is (host, hostaddr, port, service, passfile, sslmode, target_session_attrs,
     * options ...), with dbname if the entry has one, without user and password. Each keyword stands once, no value is empty.
     */
    const char *const *libpq_options;
    const char *dbname;        /* NULL: the name the client asked for */
    const char *connect_query; /* run once after each server login; NULL: none */
    int pool_mode;             /* enum pool_mode; POOL_MODE_UNSET: the global one */
    int64_t pool_size;         /* -1: default_pool_size */
    /* -1: the global one */
    int64_t min_pool_size;
    int64_t reserve_pool_size;
    int64_t max_db_connections;
    int64_t max_db_client_connections;
    int64_t server_lifetime_us;
    int64_t query_wait_timeout_us;
};

/* One entry of [users]. */
struct config_user {
    const char *name;
    int pool_mode; /* POOL_MODE_UNSET: not said */
    /* -1: not said */
    int64_t pool_size;
    int64_t reserve_pool_size;
    int64_t max_user_connections;
    int64_t max_user_client_connections;
    int64_t query_timeout_us;
    int64_t query_wait_timeout_us;
    int64_t idle_transaction_timeout_us;
    int64_t transaction_timeout_us;
    int64_t client_idle_timeout_us;
};

/* Where an entry is read from and what becomes of its problems, its texts and the tags that it asks for. */
struct config_origin {
    const char *file;
    unsigned line;
    struct config_problems *problems;
    struct text_store *store;
    struct sql_tag_keys *tag_keys;
};

/* A database whose entry is being read: config_entries_begin_database, keys, config_entries_finish_database. */
struct config_database_draft {
    struct config_database database;
    unsigned line;
    size_t option_count;
    const char *options[2 * CONFIG_DATABASE_KEYS_MAX + 3]; /* keyword, value, ... */
    const char *settings;                                  /* "-c name=value ...", from keys that libpq does not have; NULL: none */
    unsigned key_lines[CONFIG_DATABASE_KEYS_MAX];          /* where each known key was said; 0: not yet */
};

void config_entries_begin_database(struct config_database_draft *draft, const struct config_origin *origin, const char *name);
/* One key of a [database NAME] section; the value may stand in single quotes. */
void config_entries_database_key(struct config_database_draft *draft, const struct config_origin *origin, const char *key,
                                 const char *value);
/* All keys of a line of [databases]. */
void config_entries_database_line(struct config_database_draft *draft, const struct config_origin *origin, const char *value);
/* Check what the keys mean together; afterwards draft->database is whole. */
void config_entries_finish_database(struct config_database_draft *draft, const struct config_origin *origin);

/* A line of [users]. */
struct config_user config_entries_read_user(const struct config_origin *origin, const char *name, const char *value);

#endif
