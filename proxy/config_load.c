/*
 * From a file to a configuration: which sections there are, what goes where, what stands there twice. Every problem is collected, none ends
 * the reading. The syntax is config_file.c's, single entries config_entries.c's, and what settings mean together is in config_check.c.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/config.h"
#include "proxy/config_check.h"
#include "proxy/config_file.h"
#include "proxy/config_text.h"
#include "proxy/memory.h"
#include "proxy/pgbouncer_keys.h"

/* IN_SKIPPED: its header is a problem already, its entries are not looked at. */
enum section { IN_NONE, IN_SETTINGS, IN_DATABASES, IN_DATABASE, IN_USERS, IN_CLASS, IN_SKIPPED };

struct database_item {
    struct config_database database;
    unsigned line;
};
struct user_item {
    struct config_user user;
    unsigned line;
};

struct loader {
    struct config *config;
    struct config_problems *problems;
    struct config_lines lines;
    enum section section;
    const char *settings_section; /* "pgturnstile" or "pgbouncer"; NULL: none yet */
    unsigned settings_section_line;
    struct config_database_draft draft; /* in a [database NAME] section */
    struct database_item *databases;
    size_t database_count;
    struct user_item *users;
    size_t user_count;
    struct config_classes_draft classes;
};

#define PROBLEM(loader, line, ...) config_problems_add((loader)->problems, CONFIG_ERROR, (loader)->config->path, line, __VA_ARGS__)

static struct config_origin origin_of(const struct loader *loader, unsigned line)
{
    return (struct config_origin){.file = loader->config->path,
                                  .line = line,
                                  .problems = loader->problems,
                                  .store = &loader->config->store,
                                  .tag_keys = &loader->config->tag_keys};
}

/* ---- [pgturnstile] ---- */

static bool is_class_key(const char *name)
{
    size_t count;
    const struct config_class_key *keys = config_class_keys(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].name, name) == 0) return true;
    return strcmp(name, "match") == 0 || strcmp(name, "share_by") == 0;
}

static void explain_unknown_setting(struct loader *loader, const char *name, const char *value, unsigned line)
{
    const struct pgbouncer_key *known = pgbouncer_keys_find(SCOPE_GLOBAL, name);
    struct config_nearest nearest = {.word = NULL};
    size_t count;
    const struct setting *list = settings_list(&count);
    for (size_t i = 0; i < count; i++) config_nearest_offer(&nearest, name, list[i].name);

    if (known != NULL && pgbouncer_keys_is_neutral(known, value)) return;
    if (known != NULL)
        config_problems_add(loader->problems, known->severity, loader->config->path, line, "%s %s: %s", name,
                            known->severity == CONFIG_WARNING ? "has no effect" : "is not supported", known->reason);
    else if (strcmp(name, "wait_timeout") == 0)
        PROBLEM(loader, line, "wait_timeout is a key of classes: write it into a [class NAME] section, or query_wait_timeout here");
    else if (is_class_key(name))
        PROBLEM(loader, line, "%s is a key of classes: write it into a [class NAME] section, [class default] is for all the rest", name);
    else if (nearest.word != NULL)
        PROBLEM(loader, line, "unknown key \"%s\": did you mean %s?", name, nearest.word);
    else
        PROBLEM(loader, line, "unknown key \"%s\": remove it", name);
}

static void read_setting(struct loader *loader, const char *name, const char *value, unsigned line)
{
    const struct setting *setting = settings_find(name);
    char wanted[256];
    if (setting == NULL) {
        explain_unknown_setting(loader, name, value, line);
        return;
    }
    unsigned *earlier = config_lines_of(&loader->lines, setting);
    if (*earlier != 0) {
        PROBLEM(loader, line, "%s is said twice, first on line %u: keep one", name, *earlier);
        return;
    }
    *earlier = line;
    if (settings_set(&loader->config->settings, setting, value, &loader->config->store, wanted, sizeof wanted) == 0) return;
    PROBLEM(loader, line, "%s must be %s, not \"%.60s\"%s", name, wanted, value,
            strpbrk(value, ";#") != NULL ? " (a comment must stand on a line of its own)" : "");
}

/* ---- entries ---- */

static void finish_database(struct loader *loader)
{
    struct config_origin origin = origin_of(loader, loader->draft.line);
    config_entries_finish_database(&loader->draft, &origin);
    loader->databases = memory_realloc(loader->databases, (loader->database_count + 1) * sizeof *loader->databases);
    loader->databases[loader->database_count++] = (struct database_item){.database = loader->draft.database, .line = loader->draft.line};
}

static void read_database(struct loader *loader, const char *name, const char *value, unsigned line)
{
    struct config_origin origin = origin_of(loader, line);
    config_entries_begin_database(&loader->draft, &origin, name);
    config_entries_database_line(&loader->draft, &origin, value);
    finish_database(loader);
}

static void read_user(struct loader *loader, const char *name, const char *value, unsigned line)
{
    struct config_origin origin = origin_of(loader, line);
    loader->users = memory_realloc(loader->users, (loader->user_count + 1) * sizeof *loader->users);
    loader->users[loader->user_count++] = (struct user_item){.user = config_entries_read_user(&origin, name, value), .line = line};
}

static void on_entry(void *context, const char *name, const char *value, unsigned line)
{
    struct loader *loader = context;
    struct config_origin origin = origin_of(loader, line);
    switch (loader->section) {
    case IN_NONE:
    case IN_SKIPPED: return;
    case IN_SETTINGS: read_setting(loader, name, value, line); return;
    case IN_DATABASES: read_database(loader, name, value, line); return;
    case IN_DATABASE: config_entries_database_key(&loader->draft, &origin, name, value); return;
    case IN_USERS: read_user(loader, name, value, line); return;
    case IN_CLASS: config_classes_key(&loader->classes, &origin, name, value); return;
    }
}

/* ---- sections ---- */

static enum section begin_settings(struct loader *loader, const char *name, unsigned line)
{
    if (loader->settings_section == NULL) {
        loader->settings_section = text_store_add(&loader->config->store, name);
        loader->settings_section_line = line;
    } else if (strcmp(loader->settings_section, name) != 0) {
        PROBLEM(loader, line, "[%s] and [%s] of line %u mean the same: put everything into [pgturnstile]", name, loader->settings_section,
                loader->settings_section_line);
    }
    return IN_SETTINGS;
}

static enum section begin_database(struct loader *loader, const char *name, unsigned line)
{
    struct config_origin origin = origin_of(loader, line);
    if (name == NULL) {
        PROBLEM(loader, line, "[database] lacks the name: write [database NAME] with a key a line, or [databases] with a database a line");
        return IN_SKIPPED;
    }
    config_entries_begin_database(&loader->draft, &origin, name);
    return IN_DATABASE;
}

static enum section begin_class(struct loader *loader, const char *name, unsigned line)
{
    struct config_origin origin = origin_of(loader, line);
    config_classes_begin(&loader->classes, &origin, name);
    return IN_CLASS;
}

static enum section begin_unknown(struct loader *loader, const char *name, const char *argument, unsigned line)
{
    static const char *const known[] = {"pgturnstile", "pgbouncer", "databases", "database", "users", "class"};
    struct config_nearest nearest = {.word = NULL};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) config_nearest_offer(&nearest, name, known[i]);

    if (strcmp(name, "peers") == 0)
        PROBLEM(loader, line, "[%s%s%s] is not supported in this version: remove the section", name, argument ? " " : "",
                argument ? argument : "");
    else if (nearest.word != NULL && argument == NULL)
        PROBLEM(loader, line, "unknown section [%s]: did you mean [%s]?", name, nearest.word);
    else
        PROBLEM(loader, line, "unknown section [%s%s%s]: there are [pgturnstile], [databases], [database NAME], [users] and [class NAME]",
                name, argument ? " " : "", argument ? argument : "");
    return IN_SKIPPED;
}

static void on_section(void *context, const char *name, const char *argument, unsigned line)
{
    struct loader *loader = context;
    bool is_plain = argument == NULL;
    if (loader->section == IN_DATABASE) finish_database(loader);
    if (is_plain && (strcmp(name, "pgturnstile") == 0 || strcmp(name, "pgbouncer") == 0))
        loader->section = begin_settings(loader, name, line);
    else if (is_plain && strcmp(name, "databases") == 0)
        loader->section = IN_DATABASES;
    else if (is_plain && strcmp(name, "users") == 0)
        loader->section = IN_USERS;
    else if (strcmp(name, "database") == 0)
        loader->section = begin_database(loader, argument, line);
    else if (strcmp(name, "class") == 0)
        loader->section = begin_class(loader, argument, line);
    else
        loader->section = begin_unknown(loader, name, argument, line);
}

/* ---- the end ---- */

static int compare_databases(const void *a_, const void *b_)
{
    const struct database_item *a = a_;
    const struct database_item *b = b_;
    int order = strcmp(a->database.name, b->database.name);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static void settle_databases(struct loader *loader)
{
    size_t count = loader->database_count;
    struct config_database *databases = text_store_alloc(&loader->config->store, count * sizeof *databases);
    loader->lines.of_databases = text_store_alloc(&loader->config->store, count * sizeof *loader->lines.of_databases);
    if (count > 1) qsort(loader->databases, count, sizeof *loader->databases, compare_databases);
    for (size_t i = 0; i < count; i++) {
        const struct database_item *item = &loader->databases[i];
        if (i > 0 && strcmp(item[-1].database.name, item->database.name) == 0)
            PROBLEM(loader, item->line, "database \"%s\" is said twice, first on line %u: keep one", item->database.name, item[-1].line);
        databases[i] = item->database;
        loader->lines.of_databases[i] = item->line;
    }
    loader->config->databases = databases;
    loader->config->database_count = count;
}

static int compare_users(const void *a_, const void *b_)
{
    const struct user_item *a = a_;
    const struct user_item *b = b_;
    int order = strcmp(a->user.name, b->user.name);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static void settle_users(struct loader *loader)
{
    size_t count = loader->user_count;
    struct config_user *users = text_store_alloc(&loader->config->store, count * sizeof *users);
    if (count > 1) qsort(loader->users, count, sizeof *loader->users, compare_users);
    for (size_t i = 0; i < count; i++) {
        const struct user_item *item = &loader->users[i];
        if (i > 0 && strcmp(item[-1].user.name, item->user.name) == 0)
            PROBLEM(loader, item->line, "user \"%s\" is said twice, first on line %u: keep one", item->user.name, item[-1].line);
        users[i] = item->user;
    }
    loader->config->users = users;
    loader->config->user_count = count;
}

static void settle_classes(struct loader *loader)
{
    struct config *config = loader->config;
    struct config_origin origin = origin_of(loader, 0);
    struct config_classes_limits limits = {.budget = config->settings.budget,
                                           .budget_line = *config_lines_of(&loader->lines, settings_find("budget")),
                                           .listen_port = config->settings.listen_port};
    config->classes = config_classes_finish(&loader->classes, &origin, &limits, &config->class_count);
}

/* A file made for PgBouncer means session mode when it says nothing. */
static void warn_of_pool_mode(struct loader *loader)
{
    if (loader->settings_section == NULL || strcmp(loader->settings_section, "pgbouncer") != 0) return;
    if (*config_lines_of(&loader->lines, settings_find("pool_mode")) != 0) return;
    config_problems_add(loader->problems, CONFIG_WARNING, loader->config->path, loader->settings_section_line,
                        "pool_mode is not set: it is transaction here and session in PgBouncer; write which one is meant");
}

static void on_userlist_problem(void *context, unsigned line, const char *text)
{
    const struct loader *loader = context;
    config_problems_add(loader->problems, CONFIG_ERROR, loader->config->settings.auth_file, line, "%s", text);
}

static void finish(struct loader *loader)
{
    struct config *config = loader->config;
    if (loader->section == IN_DATABASE) finish_database(loader);
    settle_databases(loader);
    settle_users(loader);
    settle_classes(loader);
    config->userlist = userlist_read(config->settings.auth_file, on_userlist_problem, loader);
    warn_of_pool_mode(loader);
    config_check(config, &loader->lines, loader->problems);
}

struct config *config_load(const char *path, struct config_problems *problems)
{
    struct config *config = memory_zalloc(sizeof *config);
    *problems = (struct config_problems){.items = NULL};
    config->references = 1;
    config->path = text_store_add(&config->store, path);
    settings_init(&config->settings);

    struct loader loader = {.config = config, .problems = problems};
    struct config_file_callbacks callbacks = {.context = &loader, .section = on_section, .entry = on_entry};
    config_lines_init(&loader.lines, &config->store);
    if (config_file_read(path, &callbacks, problems) == 0) finish(&loader);
    free(loader.databases);
    free(loader.users);
    config_problems_sort(problems, path);
    if (config_problems_forbid_use(problems)) config_unref(&config);
    return config;
}

struct config *config_with(struct config *base, const struct setting *setting, const char *value, struct config_problems *problems)
{
    struct config *config = memory_zalloc(sizeof *config);
    *problems = (struct config_problems){.items = NULL};
    *config = *base;
    config->store = (struct text_store){.blocks = NULL};
    config->references = 1;
    config->base = config_ref(base);
    char wanted[256];
    struct config_lines lines;
    config_lines_init(&lines, &config->store);
    lines.of_databases = text_store_alloc(&config->store, config->database_count * sizeof *lines.of_databases);
    if (settings_set(&config->settings, setting, value, &config->store, wanted, sizeof wanted) == 0)
        config_check(config, &lines, problems);
    else
        config_problems_add(problems, CONFIG_ERROR, config->path, 0, "%s must be %s, not \"%.60s\"", setting->name, wanted, value);
    if (config_problems_forbid_use(problems)) config_unref(&config);
    return config;
}
