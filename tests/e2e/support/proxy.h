#ifndef TESTS_E2E_SUPPORT_PROXY_H
#define TESTS_E2E_SUPPORT_PROXY_H

#include "tests/e2e/support/postgres.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * The program under test: $PGTURNSTILE, or ./pgturnstile. It runs in the foreground with a configuration of its own and logs to
 * a file; it dies with the test.
 */
struct proxy_options {
    const struct postgres *postgres; /* NULL: the shared one */
    const char *databases;           /* lines of [databases]; NULL: "* = host=<its socket directory> port=<its port>" */
    const char *settings;            /* lines of [pgturnstile]; they win over the harness's defaults; may be NULL */
    const char *users;               /* lines of [users], or NULL */
    const char *classes;             /* whole sections [class NAME], or NULL */
    const char *auth_file;           /* contents of an auth_file, or NULL: no such setting */
};

struct proxy {
    pid_t pid;
    int port;
    char *directory; /* of its Unix socket */
    char *config_path;
    char *log_path;
    char *base; /* what the configuration begins with, for proxy_reload_with */
    struct proxy_options options;
};

/* Start it and wait until it accepts connections. The defaults: auth_type = trust, pool_mode = transaction, budget = 5, query_wait_notify = 0. */
struct proxy *proxy_start_with(const struct proxy_options *options);
/* The same in front of the shared PostgreSQL, with printf-like lines for [pgturnstile]; "" for none. */
struct proxy *proxy_start(const char *settings_format, ...) __attribute__((format(printf, 1, 2)));

/* Run it with a whole configuration that must be refused: returns the exit status; the caller frees the output. */
int proxy_run_refused(const char *config, char **output_out);

/* What process_start wants in argv[0]; the caller frees it. */
char *proxy_program(void);

/* Another process with the same configuration, which takes over from the first (-R). Waits until it has; the first one goes on draining. */
struct proxy *proxy_take_over(const struct proxy *older);

/* Send a signal, wait for the end, return the status of waitpid(2). The test fails when it is still there after `timeout_ms`. */
int proxy_stop(struct proxy *proxy, int signal, int timeout_ms);

/* End of a test: stop it if it still runs (SIGQUIT must give exit status 0) and free the struct. */
void proxy_finish(struct proxy **proxy);

/* Replace [pgturnstile]'s lines (or the whole file) and send SIGHUP. Does not wait for the effect. */
void proxy_reload(struct proxy *proxy, const char *settings);
void proxy_reload_raw(struct proxy *proxy, const char *config);
/* The same with new lines, and wait until they are in force: for limits that only what comes next may reach. */
void proxy_reconfigure(struct proxy *proxy, const char *settings);

/* "host=127.0.0.1 port=... user=app dbname=app ...", valid until the fourth call after this one. */
const char *proxy_conninfo(const struct proxy *proxy, const char *more);

bool proxy_is_running(struct proxy *proxy);
/* The log so far; the caller frees it. */
char *proxy_log(const struct proxy *proxy);
int proxy_log_count(const struct proxy *proxy, const char *needle);

/* Resident memory now and at its highest so far, in KiB; open descriptors. */
long proxy_rss_kib(const struct proxy *proxy);
long proxy_peak_rss_kib(const struct proxy *proxy);
/* Let the highest so far start again from now. */
void proxy_reset_peak(const struct proxy *proxy);
int proxy_fd_count(const struct proxy *proxy);

#endif
