#ifndef TESTS_E2E_SUPPORT_POSTGRES_H
#define TESTS_E2E_SUPPORT_POSTGRES_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * A private PostgreSQL: a cluster of its own, listening on a free loopback port and on a Unix socket in its directory.
 *
 * Each test program has a shared one, started by main.c with `e2e_postgres_options` of that program. A test that stops servers
 * or needs other settings starts one more.
 *
 * In it: roles app and app2 (trusted), role secret (password "s3cret pass", scram-sha-256 on TCP), roles postgres (superuser,
 * trusted) and nologin_role; databases postgres, app, other. Timestamps and logs are in UTC, statements are logged.
 */
struct postgres_options {
    int max_connections;  /* 0: 25 */
    int reserved;         /* of these for superusers only; 0: 3 */
    bool use_tls;         /* a self-signed certificate, made now; hostssl and host are both accepted */
    const char *settings; /* more lines for postgresql.conf, or NULL */
    const char *hba;      /* lines in front of the others in pg_hba.conf, or NULL */
};

struct postgres {
    char directory[100]; /* the cluster, and its Unix socket */
    char log_path[256];
    int port;
};

enum postgres_stop { POSTGRES_STOP_FAST, POSTGRES_STOP_IMMEDIATE };

/* What the test program asks of its shared PostgreSQL. Each program defines it. */
extern const struct postgres_options e2e_postgres_options;

/* Run initdb once for this run directory; later clusters are copies. Runner only. */
void postgres_make_template(void);

/* Start a new cluster and wait until it takes connections. The caller frees the struct with postgres_remove, or lets the reaper do it. */
struct postgres *postgres_start(const struct postgres_options *options);
void postgres_remove(struct postgres **postgres);

/* Make `postgres` the shared one of this program (runner), and find it (tests). */
void postgres_share(const struct postgres *postgres);
const struct postgres *postgres_shared(void);

/* Stop and wait for the end; start again with the same port. */
void postgres_stop(const struct postgres *postgres, enum postgres_stop how);
void postgres_begin(const struct postgres *postgres);
void postgres_restart(const struct postgres *postgres, enum postgres_stop how);

/* Freeze and thaw the postmaster (SIGSTOP, SIGCONT): connections are accepted by the kernel and never answered. */
void postgres_freeze(const struct postgres *postgres);
void postgres_thaw(const struct postgres *postgres);

/* The log so far; the caller frees it. */
char *postgres_log(const struct postgres *postgres);
int postgres_log_count(const struct postgres *postgres, const char *needle);

/* "host=... port=... user=postgres dbname=... application_name=e2e-direct", the caller frees it. For sql.h. */
char *postgres_direct(const struct postgres *postgres, const char *database);

#endif
