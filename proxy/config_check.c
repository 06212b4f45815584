/*
 * What settings and entries mean together. Nothing here changes the configuration.
 */
#include "proxy/config_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "proxy/address.h"
#include "proxy/config_text.h"

void config_lines_init(struct config_lines *lines, struct text_store *store)
{
    size_t count;
    settings_list(&count);
    lines->of_settings = text_store_alloc(store, count * sizeof *lines->of_settings);
    lines->of_databases = NULL;
}

unsigned *config_lines_of(const struct config_lines *lines, const struct setting *setting)
{
    size_t count;
    return &lines->of_settings[setting - settings_list(&count)];
}

struct check {
    const struct config *config;
    const struct config_lines *lines;
    struct config_problems *problems;
};

static unsigned line_of(const struct check *check, const char *setting)
{
    return *config_lines_of(check->lines, settings_find(setting));
}

#define PROBLEM(check, line, ...) config_problems_add((check)->problems, CONFIG_ERROR, (check)->config->path, line, __VA_ARGS__)
#define WARNING(check, line, ...) config_problems_add((check)->problems, CONFIG_WARNING, (check)->config->path, line, __VA_ARGS__)

static bool can_others_read(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && (status.st_mode & S_IROTH) != 0;
}

static void check_listening(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    struct sockaddr_un address;
    int path_size = snprintf(NULL, 0, "%s/.s.PGSQL.%lld", settings->unix_socket_dir, (long long)settings->listen_port);
    if (*settings->listen_addr == '\0' && *settings->unix_socket_dir == '\0')
        PROBLEM(check, line_of(check, "listen_addr"),
                "listen_addr and unix_socket_dir are both empty, so nobody can connect: set one of them");
    if ((size_t)path_size >= sizeof address.sun_path)
        PROBLEM(check, line_of(check, "unix_socket_dir"),
                "unix_socket_dir makes a socket path of %d bytes, and the system takes at most %zu", path_size,
                sizeof address.sun_path - 1);
}

static const char *const loopbacks[] = {"127.0.0.0/8", "::1"};

static bool is_loopback(const char *text)
{
    struct address_range range, loopback;
    if (address_range_parse(text, &range) != ADDRESS_RANGE_OK) return strcmp(text, "localhost") == 0;
    for (size_t i = 0; i < sizeof loopbacks / sizeof loopbacks[0]; i++)
        if (address_range_parse(loopbacks[i], &loopback) == ADDRESS_RANGE_OK && address_range_is_within(&range, &loopback)) return true;
    return false;
}

static bool is_address(const char *text)
{
    struct address_range range;
    return address_range_parse(text, &range) == ADDRESS_RANGE_OK;
}

/* What is a name, only the system that serves it can tell. */
static void check_listen_addr(const struct check *check)
{
    char item[64];
    for (const char *at = check->config->settings.listen_addr; *at;) {
        size_t size = strcspn(at, ", \t");
        snprintf(item, sizeof item, "%.*s", (int)size, at);
        if (strchr(item, ':') && !is_address(item))
            PROBLEM(check, line_of(check, "listen_addr"), "listen_addr \"%s\" is no address: a port stands in listen_port, not behind it",
                    item);
        at += size + strspn(at + size, ", \t");
    }
}

static void check_http(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    const char *listen = settings->http_listen, *colon = strrchr(listen, ':');
    char host[256];
    if (*listen == '\0' || *listen == '/') return;
    int port = colon ? atoi(colon + 1) : 0;
    if (!colon || colon == listen || port < 1 || port > 65535 || strspn(colon + 1, "0123456789") != strlen(colon + 1)) {
        PROBLEM(check, line_of(check, "http_listen"),
                "http_listen \"%s\" is neither ADDRESS:PORT, such as 127.0.0.1:9630, nor the path of a Unix socket", listen);
        return;
    }
    bool is_bracketed = *listen == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - listen) - 2 * is_bracketed, listen + is_bracketed);
    if (!settings->http_allow_remote && (is_address(host) || strcmp(host, "*") == 0) && !is_loopback(host))
        PROBLEM(check, line_of(check, "http_listen"),
                "http_listen \"%s\" can be reached from other hosts, and whoever reaches it sees your queries: use 127.0.0.1, or say "
                "http_allow_remote = 1",
                listen);
}

/* Longer ones are no paths of sockets, which is told already. */
enum { SOCKET_DIRECTORY_MAX = sizeof((struct sockaddr_un *)NULL)->sun_path - sizeof "/.s.PGSQL.65535" };

/* It may still be made before the start (by systemd, say): no more than a warning. */
static void check_directory(const struct check *check, const char *setting, const char *path, bool is_file)
{
    char directory[4096];
    const char *slash = strrchr(path, '/');
    struct stat status;
    if (*path != '/' || (is_file && slash == path)) return;
    snprintf(directory, sizeof directory, "%.*s", is_file ? (int)(slash - path) : (int)strlen(path), path);
    if (!is_file && strlen(path) > SOCKET_DIRECTORY_MAX) return;
    if (stat(directory, &status) != 0)
        WARNING(check, line_of(check, setting), "%s cannot be made there: %s: %s", setting, directory, strerror(errno));
    else if (!S_ISDIR(status.st_mode))
        PROBLEM(check, line_of(check, setting), "%s cannot be made there: %s is no directory", setting, directory);
}

static void check_directories(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    check_directory(check, "unix_socket_dir", settings->unix_socket_dir, false);
    check_directory(check, "admin_socket", settings->admin_socket, false);
    check_directory(check, "logfile", settings->logfile, true);
    check_directory(check, "pidfile", settings->pidfile, true);
    check_directory(check, "http_listen", settings->http_listen, true);
}

/* A socket of its own: on one that clients use, whoever has our uid would be an admin under any name. */
static void check_console(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    struct sockaddr_un address;
    int path_size = snprintf(NULL, 0, "%s/.s.PGSQL.%lld", settings->admin_socket, (long long)settings->listen_port);
    if ((size_t)path_size >= sizeof address.sun_path)
        PROBLEM(check, line_of(check, "admin_socket"), "admin_socket makes a socket path of %d bytes, and the system takes at most %zu",
                path_size, sizeof address.sun_path - 1);
    if (*settings->admin_socket != '\0' && strcmp(settings->admin_socket, settings->unix_socket_dir) == 0)
        PROBLEM(check, line_of(check, "admin_socket"),
                "admin_socket and unix_socket_dir are the same directory: give the console one of its own");
}

/* Whom PostgreSQL asks for a password cannot get far with what is kept here. */
static void check_login_secrets(const struct check *check)
{
    const struct config *config = check->config;
    const struct userlist_user *first = NULL, *user = NULL;
    size_t hashed = 0;
    bool wants_secrets = false;
    if (!config->userlist) return;
    for (size_t i = 0; i < config->database_count; i++)
        if (!config->databases[i].password && !config->databases[i].user) wants_secrets = true;
    while (wants_secrets && (user = userlist_next(config->userlist, user ? user->name : NULL)) != NULL) {
        if (user->kind == PASSWORD_PLAIN) continue;
        if (hashed++ == 0) first = user;
    }
    if (hashed > 0)
        WARNING(check, line_of(check, "auth_file"),
                "%s has no plain password for \"%s\"%s: where PostgreSQL asks for one, write it there, or password = ... into the entry of "
                "the database",
                config->settings.auth_file, first->name, hashed > 1 ? " and others" : "");
}

static void check_authentication(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    if (*settings->auth_file == '\0' && settings->auth_type != AUTH_TRUST)
        PROBLEM(check, line_of(check, "auth_type"),
                "auth_file is not set, so nobody can log in: set it to a file of lines \"user\" \"secret\" (or set auth_type = trust)");
    if (*settings->auth_file != '\0' && can_others_read(settings->auth_file))
        WARNING(check, line_of(check, "auth_file"), "everybody on this machine can read %s, and it holds secrets: chmod o-r it",
                settings->auth_file);
    check_login_secrets(check);
    for (size_t i = 0; i < check->config->database_count; i++) {
        if (check->config->databases[i].password == NULL || !can_others_read(check->config->path)) continue;
        WARNING(check, check->lines->of_databases[i],
                "everybody on this machine can read this file, and it holds a password: chmod o-r it");
        break;
    }
}

static void check_pool_sizes(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    unsigned line = line_of(check, "min_pool_size");
    if (settings->default_pool_size > 0 && settings->min_pool_size > settings->default_pool_size)
        PROBLEM(check, line, "min_pool_size %lld is more than default_pool_size %lld", (long long)settings->min_pool_size,
                (long long)settings->default_pool_size);
    if (settings->min_pool_size > settings->budget)
        PROBLEM(check, line, "min_pool_size %lld is more than the whole budget of %lld", (long long)settings->min_pool_size,
                (long long)settings->budget);
}

/* What an entry says against what it takes from the settings; within one entry or within the settings it was looked at already. */
static void check_databases(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    int64_t sum = 0;
    for (size_t i = 0; i < check->config->database_count; i++) {
        const struct config_database *database = &check->config->databases[i];
        int64_t smallest = config_min_pool_size(check->config, database);
        int64_t size = config_pool_size(check->config, database, NULL);
        bool is_mixed = (database->pool_size < 0) != (database->min_pool_size < 0);
        sum += smallest;
        if (is_mixed && size > 0 && smallest > size)
            PROBLEM(check, check->lines->of_databases[i], "database \"%s\": min_pool_size %lld is more than its pool_size %lld",
                    database->name, (long long)smallest, (long long)size);
        if (database->min_pool_size > settings->budget)
            PROBLEM(check, check->lines->of_databases[i], "database \"%s\": min_pool_size %lld is more than the whole budget of %lld",
                    database->name, (long long)smallest, (long long)settings->budget);
        else if (sum > settings->budget && sum - smallest <= settings->budget && smallest <= settings->budget)
            WARNING(check, line_of(check, "budget"),
                    "the databases' min_pool_size add up to more than the budget of %lld, so not all of them can be kept: lower them, or "
                    "raise budget",
                    (long long)settings->budget);
    }
    if (check->config->database_count == 0)
        WARNING(check, 0, "there is no database, so every client is refused: add one to [databases], or * for all of a server");
}

static void check_rest(const struct check *check)
{
    const struct settings *settings = &check->config->settings;
    if (!config_text_is_in_list(settings->server_tls_sslmode, SETTINGS_SSLMODES, ','))
        PROBLEM(check, line_of(check, "server_tls_sslmode"), "server_tls_sslmode must be one of " SETTINGS_SSLMODES);
    if (settings->stats_period_us == 0)
        PROBLEM(check, line_of(check, "stats_period"),
                "stats_period must be more than 0: to have no statistics in the log, set log_stats = 0");
}

void config_check(const struct config *config, const struct config_lines *lines, struct config_problems *problems)
{
    struct check check = {.config = config, .lines = lines, .problems = problems};
    check_listening(&check);
    check_listen_addr(&check);
    check_http(&check);
    check_directories(&check);
    check_console(&check);
    check_authentication(&check);
    check_pool_sizes(&check);
    check_databases(&check);
    check_rest(&check);
}
