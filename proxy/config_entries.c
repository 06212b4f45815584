/*
 * Entries of [databases] and [users]: which keys they have and what each is worth. Not what entries mean to one another or to the settings
 * (config.c), and no syntax (config_pairs.c).
 *
 * Invariant: no value and nothing that stands behind a password on its line is quoted in a problem, because a password with a blank that
 * somebody forgot to quote looks like further keys.
 */
#include "proxy/config_entries.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proxy/config_pairs.h"
#include "proxy/config_text.h"
#include "proxy/pgbouncer_keys.h"
#include "proxy/settings.h"

enum { COUNT_MAX = 100000, CLIENTS_MAX = 1000000, PORT_MAX = 65535 };

enum meaning {
    IS_CLIENTS, /* a number of clients */
    IS_CONNECT_QUERY,
    IS_COUNT, /* of servers */
    IS_DBNAME,
    IS_HOST,
    IS_LIBPQ,  /* passed on as it is */
    IS_SECRET, /* the same, but never shown */
    IS_PASSWORD,
    IS_POOL_MODE,
    IS_PORT,
    IS_SECONDS,
    IS_SETTING, /* a setting of the server's session that libpq has no keyword for */
    IS_SSLMODE,
    IS_USER
};

struct key {
    const char *name;
    enum meaning meaning;
    size_t offset; /* CLIENTS, COUNT, SECONDS: of the member, an int64_t */
};

#define IN_DATABASE(member) .offset = offsetof(struct config_database, member)
#define IN_USER(member)     .offset = offsetof(struct config_user, member)

static const struct key database_keys[] = {
#define DATABASE_KEY(name_, meaning_, text)            {.name = #name_, .meaning = meaning_},
#define DATABASE_NUMBER(name_, meaning_, member, text) {.name = #name_, .meaning = meaning_, IN_DATABASE(member)},
#include "proxy/database_keys.def"
};
enum { DATABASE_KEY_COUNT = sizeof database_keys / sizeof *database_keys };

_Static_assert(sizeof database_keys / sizeof *database_keys <= CONFIG_DATABASE_KEYS_MAX, "a line and a pair for each key");

static const struct key user_keys[] = {
#define USER_KEY(name_, meaning_, text)            {.name = #name_, .meaning = meaning_},
#define USER_NUMBER(name_, meaning_, member, text) {.name = #name_, .meaning = meaning_, IN_USER(member)},
#include "proxy/user_keys.def"
};
enum { USER_KEY_COUNT = sizeof user_keys / sizeof *user_keys };

/* PgBouncer's and our own console. */
static const char reserved_names[] = "pgbouncer,pgturnstile";

#define PROBLEM(origin, ...) config_problems_add((origin)->problems, CONFIG_ERROR, (origin)->file, (origin)->line, __VA_ARGS__)

/* ---- what both kinds of entries have ---- */

static void check_name(const struct config_origin *origin, const char *what, const char *name)
{
    if (strlen(name) > CONFIG_NAME_SIZE_MAX)
        PROBLEM(origin, "%s \"%s\" is longer than the %d bytes that PostgreSQL keeps of a name", what, name, CONFIG_NAME_SIZE_MAX);
}

static int64_t *member(void *entry, const struct key *key)
{
    return (int64_t *)(void *)((char *)entry + key->offset);
}

static bool is_number(const struct key *key)
{
    return key->meaning == IS_CLIENTS || key->meaning == IS_COUNT || key->meaning == IS_SECONDS;
}

static void set_number(const struct config_origin *origin, const struct key *key, const char *value, void *entry)
{
    int high = key->meaning == IS_CLIENTS ? CLIENTS_MAX : COUNT_MAX;
    if (!config_text_number(value, 10, 0, high, member(entry, key))) PROBLEM(origin, "%s must be a number from 0 to %d", key->name, high);
}

static void set_seconds(const struct config_origin *origin, const struct key *key, const char *value, void *entry)
{
    if (!config_text_seconds(value, member(entry, key)))
        PROBLEM(origin, "%s must be a time in seconds from 0 to %d", key->name, CONFIG_SECONDS_MAX);
}

static void set_pool_mode(const struct config_origin *origin, const char *value, int *mode_out)
{
    const struct setting_choice *choice = settings_find_choice(settings_pool_mode_choices, value);
    if (choice == NULL)
        PROBLEM(origin, "pool_mode must be one of session, transaction, statement");
    else
        *mode_out = choice->value;
}

static void explain_unknown_key(const struct config_origin *origin, const char *key, const char *nearest)
{
    if (nearest != NULL)
        PROBLEM(origin, "unknown key \"%s\": did you mean %s?", key, nearest);
    else
        PROBLEM(origin, "unknown key \"%s\": remove it", key);
}

/* A key of a database that is none of ours: one of PgBouncer's, or a mistake. */
static void explain_database_key(const struct config_origin *origin, const char *key, const char *value, bool is_behind_secret,
                                 const char *nearest)
{
    const struct pgbouncer_key *known = pgbouncer_keys_find(SCOPE_DATABASE, key);
    if (known != NULL) {
        if (pgbouncer_keys_is_neutral(known, value)) return;
        config_problems_add(origin->problems, known->severity, origin->file, origin->line, "%s %s: %s", key,
                            known->severity == CONFIG_WARNING ? "has no effect" : "is not supported", known->reason);
    } else if (is_behind_secret) {
        PROBLEM(origin, "an unknown key behind the password (a password with blanks must stand in single quotes)");
    } else {
        explain_unknown_key(origin, key, nearest);
    }
}

/* ---- databases ---- */

static void add_option(struct config_database_draft *draft, const char *keyword, const char *value)
{
    if (*value == '\0') return;
    assert(draft->option_count + 2 < sizeof draft->options / sizeof *draft->options);
    draft->options[draft->option_count++] = keyword;
    draft->options[draft->option_count++] = value;
}

/* Append "-c name=value" as libpq's options want it: blanks and backslashes in the value get a backslash. */
static void add_setting(struct config_database_draft *draft, struct text_store *store, const char *name, const char *value)
{
    const char *before = draft->settings == NULL ? "" : draft->settings;
    char *text = text_store_alloc(store, strlen(before) + strlen(" -c =") + strlen(name) + 2 * strlen(value) + 1);
    char *to = text + sprintf(text, "%s%s-c %s=", before, *before == '\0' ? "" : " ", name);
    for (; *value != '\0'; value++) {
        if (strchr(" \t\\", *value) != NULL) *to++ = '\\';
        *to++ = *value;
    }
    *to = '\0';
    draft->settings = text;
}

static size_t count_items(const char *list)
{
    size_t count = 1;
    for (; *list != '\0'; list++) count += *list == ',';
    return count;
}

static void set_port(struct config_database_draft *draft, const struct config_origin *origin, const char *value)
{
    for (const char *port = value;;) {
        char text[sizeof "65535"] = "";
        size_t size = strcspn(port, ",");
        int64_t number;
        if (size < sizeof text) memcpy(text, port, size);
        if (!config_text_number(text, 10, 1, PORT_MAX, &number)) {
            PROBLEM(origin, "port must be a number from 1 to %d, or one for each host, separated by commas", PORT_MAX);
            return;
        }
        if (port[size] == '\0') break;
        port += size + 1;
    }
    add_option(draft, "port", value);
}

static void set_user(struct config_database_draft *draft, const struct config_origin *origin, const char *value)
{
    check_name(origin, "user", value);
    draft->database.user = *value == '\0' ? NULL : value;
}

static void set_dbname(struct config_database_draft *draft, const struct config_origin *origin, const char *value)
{
    check_name(origin, "dbname", value);
    add_option(draft, "dbname", value);
    draft->database.dbname = *value == '\0' ? NULL : value;
}

static void set_sslmode(struct config_database_draft *draft, const struct config_origin *origin, const char *value)
{
    if (!config_text_is_in_list(value, SETTINGS_SSLMODES, ','))
        PROBLEM(origin, "sslmode must be one of " SETTINGS_SSLMODES);
    else
        add_option(draft, "sslmode", value);
}

/* `value` lives in the origin's store. */
static void set_key(struct config_database_draft *draft, const struct config_origin *origin, const struct key *key, const char *value)
{
    struct config_database *database = &draft->database;
    unsigned *line = &draft->key_lines[key - database_keys];
    if (*line != 0) {
        PROBLEM(origin, "%s is said twice, first on line %u: keep one", key->name, *line);
        return;
    }
    *line = origin->line;
    switch (key->meaning) {
    case IS_CLIENTS:
    case IS_COUNT: set_number(origin, key, value, database); return;
    case IS_SECONDS: set_seconds(origin, key, value, database); return;
    case IS_CONNECT_QUERY: database->connect_query = *value == '\0' ? NULL : value; return;
    case IS_DBNAME: set_dbname(draft, origin, value); return;
    case IS_HOST:
    case IS_LIBPQ:
    case IS_SECRET: add_option(draft, key->name, value); return;
    case IS_PASSWORD: database->password = value; return;
    case IS_POOL_MODE: set_pool_mode(origin, value, &database->pool_mode); return;
    case IS_PORT: set_port(draft, origin, value); return;
    case IS_SETTING: add_setting(draft, origin->store, key->name, value); return;
    case IS_SSLMODE: set_sslmode(draft, origin, value); return;
    case IS_USER: set_user(draft, origin, value); return;
    }
}

static bool is_secret(const char *key)
{
    return strcmp(key, "password") == 0 || strcmp(key, "sslpassword") == 0;
}

static void set_any_key(struct config_database_draft *draft, const struct config_origin *origin, const char *key, const char *value,
                        bool is_behind_secret)
{
    struct config_nearest nearest = {.word = NULL};
    if (strcmp(key, "reserve_pool") == 0) key = "reserve_pool_size"; /* as PgBouncer called it once */
    for (size_t i = 0; i < DATABASE_KEY_COUNT; i++) {
        if (strcmp(database_keys[i].name, key) == 0) {
            set_key(draft, origin, &database_keys[i], value);
            return;
        }
        config_nearest_offer(&nearest, key, database_keys[i].name);
    }
    explain_database_key(origin, key, value, is_behind_secret, nearest.word);
}

void config_entries_begin_database(struct config_database_draft *draft, const struct config_origin *origin, const char *name)
{
    *draft = (struct config_database_draft){
        .database = {.name = text_store_add(origin->store, name), .pool_mode = POOL_MODE_UNSET},
        .line = origin->line,
    };
    for (size_t i = 0; i < DATABASE_KEY_COUNT; i++)
        if (is_number(&database_keys[i])) *member(&draft->database, &database_keys[i]) = -1;
    check_name(origin, "database", name);
    if (config_text_is_in_list(name, reserved_names, ',')) PROBLEM(origin, "\"%s\" is reserved for the console: choose another name", name);
}

void config_entries_database_key(struct config_database_draft *draft, const struct config_origin *origin, const char *key,
                                 const char *value)
{
    set_any_key(draft, origin, key, config_pairs_unquote(text_store_add(origin->store, value)), false);
}

void config_entries_database_line(struct config_database_draft *draft, const struct config_origin *origin, const char *value)
{
    char *rest = text_store_add(origin->store, value);
    char *key;
    char *pair_value;
    const char *why;
    bool is_behind_secret = false;
    for (;;) {
        switch (config_pairs_next(&rest, &key, &pair_value, &why)) {
        case CONFIG_PAIRS_END: return;
        case CONFIG_PAIRS_BAD: PROBLEM(origin, "database \"%s\": %s", draft->database.name, why); return;
        case CONFIG_PAIR:
            set_any_key(draft, origin, key, pair_value, is_behind_secret);
            is_behind_secret = is_behind_secret || is_secret(key);
        }
    }
}

static const char *find_option(const struct config_database_draft *draft, const char *keyword)
{
    for (size_t i = 0; i < draft->option_count; i += 2) {
        if (strcmp(draft->options[i], keyword) == 0) return draft->options[i + 1];
    }
    return NULL;
}

/* Add what datestyle= and timezone= asked for to options=, or make it. */
static void merge_settings(struct config_database_draft *draft, struct text_store *store)
{
    if (draft->settings == NULL) return;
    for (size_t i = 0; i < draft->option_count; i += 2) {
        if (strcmp(draft->options[i], "options") != 0) continue;
        char *text = text_store_alloc(store, strlen(draft->options[i + 1]) + strlen(draft->settings) + sizeof " ");
        sprintf(text, "%s %s", draft->options[i + 1], draft->settings);
        draft->options[i + 1] = text;
        return;
    }
    add_option(draft, "options", draft->settings);
}

void config_entries_finish_database(struct config_database_draft *draft, const struct config_origin *origin)
{
    struct config_database *database = &draft->database;
    const char *port = find_option(draft, "port");
    const char *host = find_option(draft, "host");
    const char *address = find_option(draft, "hostaddr");
    size_t hosts = address != NULL ? count_items(address) : host != NULL ? count_items(host) : 1;

    if (address != NULL && host != NULL && count_items(host) != hosts)
        PROBLEM(origin, "database \"%s\" has %zu host and %zu hostaddr: give as many of each", database->name, count_items(host), hosts);
    else if (port != NULL && count_items(port) > 1 && count_items(port) != hosts)
        PROBLEM(origin, "database \"%s\" has %zu hosts and %zu ports: give one port, or one for each host", database->name, hosts,
                count_items(port));
    if (database->pool_size > 0 && database->min_pool_size > database->pool_size)
        PROBLEM(origin, "database \"%s\": min_pool_size %lld is more than its pool_size %lld", database->name,
                (long long)database->min_pool_size, (long long)database->pool_size);

    merge_settings(draft, origin->store);
    const char **options = text_store_alloc(origin->store, (draft->option_count + 1) * sizeof *options);
    memcpy(options, draft->options, draft->option_count * sizeof *options);
    database->libpq_options = options;
}

/* ---- users ---- */

static void set_user_key(struct config_user *user, const struct config_origin *origin, bool *is_said, const struct key *key,
                         const char *value)
{
    if (*is_said) {
        PROBLEM(origin, "user \"%s\": %s is said twice: keep one", user->name, key->name);
        return;
    }
    *is_said = true;
    if (key->meaning == IS_POOL_MODE)
        set_pool_mode(origin, value, &user->pool_mode);
    else if (key->meaning == IS_SECONDS)
        set_seconds(origin, key, value, user);
    else
        set_number(origin, key, value, user);
}

static void set_any_user_key(struct config_user *user, const struct config_origin *origin, bool is_said[USER_KEY_COUNT], const char *key,
                             const char *value)
{
    struct config_nearest nearest = {.word = NULL};
    for (size_t i = 0; i < USER_KEY_COUNT; i++) {
        if (strcmp(user_keys[i].name, key) == 0) {
            set_user_key(user, origin, &is_said[i], &user_keys[i], value);
            return;
        }
        config_nearest_offer(&nearest, key, user_keys[i].name);
    }
    explain_unknown_key(origin, key, nearest.word);
}

struct config_user config_entries_read_user(const struct config_origin *origin, const char *name, const char *value)
{
    struct config_user user = {.name = text_store_add(origin->store, name), .pool_mode = POOL_MODE_UNSET};
    bool is_said[USER_KEY_COUNT] = {false};
    char *rest = text_store_add(origin->store, value);
    char *key;
    char *pair_value;
    const char *why;
    for (size_t i = 0; i < USER_KEY_COUNT; i++)
        if (is_number(&user_keys[i])) *member(&user, &user_keys[i]) = -1;
    check_name(origin, "user", name);
    for (;;) {
        switch (config_pairs_next(&rest, &key, &pair_value, &why)) {
        case CONFIG_PAIRS_END: return user;
        case CONFIG_PAIRS_BAD: PROBLEM(origin, "user \"%s\": %s", name, why); return user;
        case CONFIG_PAIR: set_any_user_key(&user, origin, is_said, key, pair_value);
        }
    }
}
