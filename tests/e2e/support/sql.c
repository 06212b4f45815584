/*
 * Short forms of libpq for the tests, and PostgreSQL's own view of the connections it serves. Not for what libpq cannot send:
 * wire.c does that.
 */
#include "tests/e2e/support/sql.h"

#include "tests/e2e/support/files.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_VALUES = 8 };

#define DIRECT_FILTER "backend_type = 'client backend' and application_name <> 'e2e-direct' and usename is distinct from 'postgres'"

/* A copy of `text` that lives until KEPT_VALUES more were kept. */
static const char *keep(const char *text)
{
    static _Thread_local char *kept[KEPT_VALUES];
    static _Thread_local unsigned next;
    char **slot = &kept[next++ % KEPT_VALUES];
    free(*slot);
    *slot = strdup(text);
    return *slot;
}

#define FORMAT_INTO(text, format)                            \
    char *text = NULL;                                       \
    {                                                        \
        va_list arguments;                                   \
        va_start(arguments, format);                         \
        cr_assert(vasprintf(&text, format, arguments) >= 0); \
        va_end(arguments);                                   \
    }

PGconn *sql_connect(const char *format, ...)
{
    FORMAT_INTO(text, format);
    PGconn *connection = PQconnectdb(text);
    cr_assert(PQstatus(connection) == CONNECTION_OK, "%s: %s", text, PQerrorMessage(connection));
    free(text);
    return connection;
}

const char *sql_refused(const char *format, ...)
{
    FORMAT_INTO(text, format);
    PGconn *connection = PQconnectdb(text);
    cr_assert(PQstatus(connection) != CONNECTION_OK, "was let in: %s", text);
    const char *message = keep(PQerrorMessage(connection));
    PQfinish(connection);
    free(text);
    return message;
}

PGconn *sql_direct(void)
{
    static PGconn *direct;
    if (direct != NULL && PQstatus(direct) == CONNECTION_OK) return direct;
    PQfinish(direct);
    char *text = postgres_direct(postgres_shared(), "postgres");
    direct = sql_connect("%s", text);
    free(text);
    return direct;
}

void sql_run(PGconn *connection, const char *format, ...)
{
    FORMAT_INTO(text, format);
    PGresult *result = PQexec(connection, text);
    ExecStatusType status = PQresultStatus(result);
    cr_assert(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY, "%s: %s", text,
              PQerrorMessage(connection));
    PQclear(result);
    free(text);
}

static const char *value_of(PGconn *connection, const char *text)
{
    PGresult *result = PQexec(connection, text);
    cr_assert(PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(connection));
    const char *value = keep(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return value;
}

const char *sql_value(PGconn *connection, const char *format, ...)
{
    FORMAT_INTO(text, format);
    const char *value = value_of(connection, text);
    free(text);
    return value;
}

int sql_int(PGconn *connection, const char *format, ...)
{
    FORMAT_INTO(text, format);
    int value = atoi(value_of(connection, text));
    free(text);
    return value;
}

static char last_message[1024];

const char *sql_error(PGconn *connection, const char *format, ...)
{
    FORMAT_INTO(text, format);
    PGresult *result = PQexec(connection, text);
    ExecStatusType status = PQresultStatus(result);
    cr_assert(status == PGRES_FATAL_ERROR, "should have failed: %s", text);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    snprintf(last_message, sizeof last_message, "%s", message != NULL ? message : PQerrorMessage(connection));
    sqlstate = keep(sqlstate != NULL ? sqlstate : "");
    PQclear(result);
    free(text);
    return sqlstate;
}

const char *sql_message(void)
{
    return last_message;
}

int backends_count(void)
{
    return sql_int(sql_direct(), "select count(*) from pg_stat_activity where " DIRECT_FILTER);
}

int backends_busy(void)
{
    return sql_int(sql_direct(), "select count(*) from pg_stat_activity where " DIRECT_FILTER " and state is distinct from 'idle'");
}

const char *backends_pids(void)
{
    return sql_value(sql_direct(), "select string_agg(pid::text, ',' order by pid) from pg_stat_activity where " DIRECT_FILTER);
}

void backends_terminate(void)
{
    sql_run(sql_direct(), "select pg_terminate_backend(pid) from pg_stat_activity where " DIRECT_FILTER);
}

void backends_replace(void)
{
    char *pids = strdup(backends_pids());
    sql_run(sql_direct(), "select pg_terminate_backend(pid) from pg_stat_activity where pid in (%s)", pids);
    WAIT_FOR(sql_int(sql_direct(), "select count(*) from pg_stat_activity where pid in (%s)", pids) == 0, LONG_MS);
    free(pids);
}

int backends_find(const char *needle)
{
    return sql_int(sql_direct(),
                   "select pid from pg_stat_activity where " DIRECT_FILTER " and state = 'active' and strpos(query, '%s') > 0", needle);
}
