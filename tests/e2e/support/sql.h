#ifndef TESTS_E2E_SUPPORT_SQL_H
#define TESTS_E2E_SUPPORT_SQL_H

#include "tests/e2e/support/postgres.h"

#include <libpq-fe.h>

/* libpq connections and one-line queries. Every function fails the test when what it promises does not come true. */

/* Connect with a printf-like connection string. The caller closes it with PQfinish. */
PGconn *sql_connect(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, but the login must be refused: returns the message (valid until the next call). */
const char *sql_refused(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A superuser's connection to the shared PostgreSQL that bypasses the proxy; made once per test. */
PGconn *sql_direct(void);

/* Run one or more statements that return no error. */
void sql_run(PGconn *connection, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first column of the first row, "" without one. Valid until the eighth call after this one. */
const char *sql_value(PGconn *connection, const char *format, ...) __attribute__((format(printf, 2, 3)));
int sql_int(PGconn *connection, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The SQLSTATE of a statement that must fail, "" when libpq gives none. Valid as with sql_value; *sql_message* is the server's text of it. */
const char *sql_error(PGconn *connection, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *sql_message(void);

/* Client connections of the shared PostgreSQL other than the tests' own direct ones, in PostgreSQL's eyes. */
int backends_count(void);
/* Those that are not idle outside a transaction. */
int backends_busy(void);
/* Their process ids, in order, as "17,23". Valid as with sql_value. */
const char *backends_pids(void);
/* End all of them. */
void backends_terminate(void);
/* The same, and wait until each of them is gone; others may have come. */
void backends_replace(void);
/* The process id of the one whose query contains `needle`; 0: none. */
int backends_find(const char *needle);

#endif
