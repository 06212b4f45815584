/*
 * Private PostgreSQL clusters for the tests. Not for talking to them: sql.c does that.
 * Invariants: nothing of an earlier run is used; each postmaster stands below the run directory, so that the reaper finds it;
 * whether a postmaster has ended is read from its pid file, since the process that started it may be another one.
 */
#include "tests/e2e/support/postgres.h"

#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/require.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/wait.h"

#include <glob.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char common_settings[] = "fsync = off\n"
                                      "synchronous_commit = off\n"
                                      "full_page_writes = off\n"
                                      "shared_buffers = 16MB\n"
                                      "dynamic_shared_memory_type = mmap\n" /* /dev/shm may be small, and many of these run at once */
                                      "wal_level = minimal\n"
                                      "max_wal_senders = 0\n"
                                      "max_worker_processes = 2\n"
                                      "autovacuum = off\n"
                                      "jit = off\n"
                                      "timezone = 'UTC'\n"
                                      "log_timezone = 'UTC'\n"
                                      "datestyle = 'ISO, MDY'\n"
                                      "log_connections = on\n"
                                      "log_disconnections = on\n"
                                      "log_statement = 'all'\n"
                                      "log_line_prefix = '%m [%p] %a '\n"
                                      "lc_messages = 'C'\n";

static const char common_hba[] = "local all all trust\n"
                                 "host all secret 127.0.0.1/32 scram-sha-256\n"
                                 "host all all 127.0.0.1/32 trust\n";

static const char *const contents[] = {
    "create role app login",
    "create role app2 login",
    "create role nologin_role",
    "create role secret login password 's3cret pass'",
    "create database app owner app",
    "create database other owner app",
    "grant all on schema public to public",
};

/* The newest PostgreSQL of this machine, or PGTURNSTILE_PGBIN. */
static char *program(const char *name)
{
    const char *chosen = getenv("PGTURNSTILE_PGBIN");
    if (chosen != NULL) return text_format("%s/%s", chosen, name);
    glob_t found;
    char *path = NULL;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0) {
        const char *last = found.gl_pathv[found.gl_pathc - 1];
        path = text_format("%.*s%s", (int)(strlen(last) - strlen("initdb")), last, name);
        globfree(&found);
    }
    return path != NULL ? path : text_format("%s", name);
}

static void run(const char *const *argv)
{
    char *log = text_format("%s/commands.log", run_directory());
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = log};
    int status = process_run(argv, &options);
    char *text = file_read(log);
    require(status == 0, "%s: status %d\n%s", argv[0], status, text);
    free(text);
    free(log);
}

static char *template_path(void)
{
    return text_format("%s/template", run_directory());
}

void postgres_make_template(void)
{
    char *initdb = program("initdb");
    char *directory = template_path();
    /* Before the first child writes to it as another user. */
    char *log = text_format("%s/commands.log", run_directory());
    file_write(log, "");
    process_hand_over(log);
    const char *argv[] = {initdb,      "--pgdata",        directory, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
                          "--no-sync", "--wal-segsize=1", NULL};
    run(argv);
    free(log);
    free(directory);
    free(initdb);
}

static void make_certificate(const struct postgres *postgres)
{
    char *key = text_format("%s/server.key", postgres->directory);
    char *certificate = text_format("%s/server.crt", postgres->directory);
    const char *argv[] = {"openssl", "req",           "-x509",   "-newkey", "rsa:2048", "-nodes",    "-days", "2",
                          "-subj",   "/CN=localhost", "-keyout", key,       "-out",     certificate, NULL};
    run(argv);
    const char *chmod_argv[] = {"chmod", "600", key, NULL};
    run(chmod_argv);
    free(certificate);
    free(key);
}

static void configure(const struct postgres *postgres, const struct postgres_options *options)
{
    char *path = text_format("%s/postgresql.conf", postgres->directory);
    char *text = text_format("%smax_connections = %d\nsuperuser_reserved_connections = %d\n"
                             "listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = '%s'\nssl = %s\n%s\n",
                             common_settings, options->max_connections > 0 ? options->max_connections : 25,
                             options->reserved > 0 ? options->reserved : 3, postgres->port, postgres->directory,
                             options->use_tls ? "on" : "off", options->settings != NULL ? options->settings : "");
    file_append(path, text);
    free(text);
    free(path);
    path = text_format("%s/pg_hba.conf", postgres->directory);
    text = text_format("%s\n%s", options->hba != NULL ? options->hba : "", common_hba);
    file_write(path, text);
    free(text);
    free(path);
}

static void fill(const struct postgres *postgres)
{
    char *direct = postgres_direct(postgres, "postgres");
    PGconn *connection = PQconnectdb(direct);
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        PGresult *result = PQexec(connection, contents[i]);
        require(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", contents[i], PQerrorMessage(connection));
        PQclear(result);
    }
    PQfinish(connection);
    free(direct);
}

struct postgres *postgres_start(const struct postgres_options *options)
{
    struct postgres *postgres = calloc(1, sizeof *postgres);
    char *directory = run_directory_short();
    char *log = run_directory_file("postgres.log");
    char *template = template_path();
    snprintf(postgres->directory, sizeof postgres->directory, "%s", directory);
    snprintf(postgres->log_path, sizeof postgres->log_path, "%s", log);
    postgres->port = process_free_port();
    const char *argv[] = {"cp", "-a", template, directory, NULL};
    run(argv);
    configure(postgres, options);
    if (options->use_tls) make_certificate(postgres);
    postgres_begin(postgres);
    fill(postgres);
    free(template);
    free(log);
    free(directory);
    return postgres;
}

void postgres_remove(struct postgres **postgres)
{
    if (*postgres == NULL) return;
    char *pid_file = text_format("%s/postmaster.pid", (*postgres)->directory);
    if (access(pid_file, F_OK) == 0) postgres_stop(*postgres, POSTGRES_STOP_IMMEDIATE);
    directory_remove((*postgres)->directory);
    free(pid_file);
    free(*postgres);
    *postgres = NULL;
}

void postgres_share(const struct postgres *postgres)
{
    char *port = text_format("%d", postgres->port);
    setenv("PGTURNSTILE_E2E_CLUSTER", postgres->directory, 1);
    setenv("PGTURNSTILE_E2E_PORT", port, 1);
    setenv("PGTURNSTILE_E2E_LOG", postgres->log_path, 1);
    free(port);
}

const struct postgres *postgres_shared(void)
{
    static struct postgres shared;
    snprintf(shared.directory, sizeof shared.directory, "%s", getenv("PGTURNSTILE_E2E_CLUSTER"));
    snprintf(shared.log_path, sizeof shared.log_path, "%s", getenv("PGTURNSTILE_E2E_LOG"));
    shared.port = atoi(getenv("PGTURNSTILE_E2E_PORT"));
    return &shared;
}

static pid_t postmaster_pid(const struct postgres *postgres)
{
    char *path = text_format("%s/postmaster.pid", postgres->directory);
    char *text = file_read(path);
    pid_t pid = (pid_t)atoi(text);
    free(text);
    free(path);
    return pid;
}

void postgres_begin(const struct postgres *postgres)
{
    char *server = program("postgres");
    char *direct = postgres_direct(postgres, "postgres");
    const char *argv[] = {server, "-D", postgres->directory, NULL};
    struct process_options options = {.lifetime = PROCESS_LIVES_ON, .identity = PROCESS_UNPRIVILEGED, .output_path = postgres->log_path};
    pid_t pid = process_start(argv, &options);
    int64_t deadline_ms = now_ms() + LONG_MS;
    while (PQping(direct) != PQPING_OK) {
        int status = 0;
        bool has_ended = process_wait(pid, 0, &status);
        if (has_ended || now_ms() > deadline_ms) {
            char *text = file_read(postgres->log_path);
            require(false, "PostgreSQL did not start:\n%s", text);
        }
        nap();
    }
    free(direct);
    free(server);
}

void postgres_stop(const struct postgres *postgres, enum postgres_stop how)
{
    pid_t pid = postmaster_pid(postgres);
    char *pid_file = text_format("%s/postmaster.pid", postgres->directory);
    require(pid > 1, "no postmaster to stop");
    require(kill(pid, how == POSTGRES_STOP_FAST ? SIGINT : SIGQUIT) == 0);
    WAIT_FOR(access(pid_file, F_OK) != 0, LONG_MS);
    free(pid_file);
}

void postgres_restart(const struct postgres *postgres, enum postgres_stop how)
{
    postgres_stop(postgres, how);
    postgres_begin(postgres);
}

void postgres_freeze(const struct postgres *postgres)
{
    require(kill(postmaster_pid(postgres), SIGSTOP) == 0);
}

void postgres_thaw(const struct postgres *postgres)
{
    require(kill(postmaster_pid(postgres), SIGCONT) == 0);
}

char *postgres_log(const struct postgres *postgres)
{
    return file_read(postgres->log_path);
}

int postgres_log_count(const struct postgres *postgres, const char *needle)
{
    return file_count(postgres->log_path, needle);
}

char *postgres_direct(const struct postgres *postgres, const char *database)
{
    return text_format("host=%s port=%d user=postgres dbname=%s application_name=e2e-direct connect_timeout=60", postgres->directory,
                       postgres->port, database);
}
