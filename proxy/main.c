/*
 * The program: command line, environment, start order. Everything else is the worker's.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/log.h"
#include "proxy/worker.h"

static const char usage[] = "Usage: pgturnstile [OPTION]... CONFIG\n"
                            "Lets many PostgreSQL clients share a small budget of server connections.\n\n"
                            "  -h, --help     show this and exit\n"
                            "  -V, --version  show the version and exit\n";

static void print_problems(const struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        const char *kind = problem->is_warning ? "warning: " : "";
        if (problem->line)
            fprintf(stderr, "%s:%u: %s%s\n", problem->file, problem->line, kind, problem->text);
        else
            fprintf(stderr, "%s: %s%s\n", problem->file, kind, problem->text);
    }
}

/* What libpq would take from the environment into the sessions that all clients share. */
static void clean_environment(void)
{
    static const char *const names[] = {"PGOPTIONS", "PGAPPNAME", "PGCLIENTENCODING", "PGTZ",   "PGDATESTYLE", "PGGEQO",
                                        "PGHOST",    "PGPORT",    "PGDATABASE",       "PGUSER", "PGPASSWORD"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

static void raise_descriptor_limit(const struct settings *settings)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    uint64_t needed = (uint64_t)settings->max_client_conn + (uint64_t)settings->budget + 64;
    if (limit.rlim_cur >= needed) return;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "few_descriptors");
    log_number(&line, "limit", (int64_t)limit.rlim_cur);
    log_number(&line, "needed", (int64_t)needed);
    log_text(&line, "hint", "lower max_client_conn, or raise the limit of open files (ulimit -n, LimitNOFILE)");
    log_end(&line);
}

/* The proxy reads what strangers send: never as root. */
static int leave_root(const char *user)
{
    if (geteuid() != 0) return 0;
    if (!*user) {
        fprintf(stderr, "pgturnstile: does not run as root; start it as another user, or name one with the setting \"user\"\n");
        return -1;
    }
    const struct passwd *entry = getpwnam(user);
    if (!entry || entry->pw_uid == 0) {
        fprintf(stderr, "pgturnstile: user \"%s\" does not exist or is root; check the setting \"user\"\n", user);
        return -1;
    }
    if (initgroups(user, entry->pw_gid) || setgid(entry->pw_gid) || setuid(entry->pw_uid)) {
        fprintf(stderr, "pgturnstile: cannot become user \"%s\": %s\n", user, strerror(errno));
        return -1;
    }
    setenv("HOME", entry->pw_dir, 1); /* libpq looks there for .pgpass and certificates */
    return 0;
}

static int write_pid_file(const char *path)
{
    if (!*path) return 0;
    FILE *file = fopen(path, "w");
    if (!file || fprintf(file, "%ld\n", (long)getpid()) < 0 || fclose(file)) {
        fprintf(stderr, "pgturnstile: cannot write pidfile \"%s\": %s\n", path, strerror(errno));
        return -1;
    }
    return 0;
}

static int run(const char *path)
{
    struct config_problems problems = {0};
    struct config *config = config_load(path, &problems);
    print_problems(&problems);
    config_problems_fini(&problems);
    if (!config) return 1;
    if (leave_root(config->settings.user)) return 1;
    const struct settings *settings = &config->settings;
    if (log_open(settings->logfile, settings->verbose > 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO)) {
        fprintf(stderr, "pgturnstile: cannot write logfile \"%s\": %s\n", settings->logfile, strerror(errno));
        return 1;
    }
    raise_descriptor_limit(settings);
    struct error error;
    char *pidfile = strdup(settings->pidfile);
    struct worker *worker = worker_new(config, &error);
    if (!worker) {
        fprintf(stderr, "pgturnstile: %s\n", error.text);
        free(pidfile);
        return 1;
    }
    int status = pidfile && write_pid_file(pidfile) == 0 ? 0 : 1;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "started");
    log_text(&line, "version", PACKAGE_VERSION);
    log_number(&line, "pid", getpid());
    log_end(&line);
    if (status == 0) worker_run(worker);
    if (pidfile && *pidfile && status == 0) unlink(pidfile);
    free(pidfile);
    log_begin(&line, LOG_LEVEL_INFO, "ended");
    log_end(&line);
    if (!worker_free(&worker)) _exit(status);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "hV", options, NULL)) != -1;) {
        switch (option) {
        case 'h': fputs(usage, stdout); return 0;
        case 'V': puts("pgturnstile " PACKAGE_VERSION); return 0;
        default: fputs(usage, stderr); return 2;
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    clean_environment();
    return run(argv[optind]);
}
