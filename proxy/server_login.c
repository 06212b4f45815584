/*
 * Server logins. Runs libpq's connection loop on an offload thread with a deadline of its own. Not for: anything after the login (server.c).
 */
#include "proxy/server_login.h"

#include <ctype.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/clock.h"
#include "proxy/memory.h"
#include "proxy/userlist.h"

struct server_login *server_login_new(int64_t timeout_us, int64_t close_timeout_us)
{
    struct server_login *login = memory_zalloc(sizeof *login);
    login->timeout_us = timeout_us;
    login->close_timeout_us = close_timeout_us;
    login->keywords = memory_zalloc(sizeof *login->keywords);
    login->values = memory_zalloc(sizeof *login->values);
    return login;
}

static void wipe(const char *value)
{
    char *copy = (char *)(uintptr_t)value;
    userlist_wipe(&copy);
}

void server_login_option(struct server_login *login, const char *keyword, const char *value)
{
    for (unsigned i = 0; i < login->option_count; i++) {
        if (strcmp(login->keywords[i], keyword) != 0) continue;
        wipe(login->values[i]);
        login->values[i] = memory_strdup(value);
        return;
    }
    unsigned count = ++login->option_count;
    login->keywords = memory_realloc(login->keywords, (count + 1) * sizeof *login->keywords);
    login->values = memory_realloc(login->values, (count + 1) * sizeof *login->values);
    login->keywords[count - 1] = memory_strdup(keyword);
    login->values[count - 1] = memory_strdup(value);
    login->keywords[count] = login->values[count] = NULL;
}

static void forget_options(struct server_login *login)
{
    for (unsigned i = 0; i < login->option_count; i++) {
        free((char *)(uintptr_t)login->keywords[i]);
        wipe(login->values[i]);
    }
    free(login->keywords);
    free(login->values);
    login->keywords = login->values = NULL;
    login->option_count = 0;
}

void server_login_free(struct server_login **login_pointer)
{
    struct server_login *login = *login_pointer;
    if (!login) return;
    *login_pointer = NULL;
    forget_options(login);
    PQfreeCancel(login->cancel);
    PQfinish(login->conn);
    parameters_fini(&login->parameters);
    free(login->connect_query);
    for (unsigned i = 0; i < login->function_count; i++) free(login->functions[i]);
    free(login->functions);
    for (unsigned i = 0; i < login->setting_count; i++) free(login->function_settings[i]);
    free(login->function_settings);
    free(login->message);
    free(login);
}

/* ---- what went wrong ---- */

/* Verbose libpq errors read "... FATAL:  28P01: password authentication failed ..." */
static const char *find_sqlstate(const char *text)
{
    for (const char *found = strstr(text, ":  "); found; found = strstr(found + 1, ":  ")) {
        const char *code = found + 3;
        size_t i = 0;
        while (i < 5 && (isdigit((unsigned char)code[i]) || (code[i] >= 'A' && code[i] <= 'Z'))) i++;
        if (i == 5 && code[5] == ':') return code;
    }
    return NULL;
}

static void fail(struct server_login *login, const char *text)
{
    const char *words = text, *code = find_sqlstate(text);
    snprintf(login->sqlstate, sizeof login->sqlstate, "08006");
    if (code) {
        snprintf(login->sqlstate, sizeof login->sqlstate, "%.5s", code);
        words = code + 6 + strspn(code + 6, " ");
    }
    login->message = memory_strdup(words);
    char *location = strstr(login->message, "\nLOCATION:");
    if (location) *location = '\0';
    for (char *c = login->message; *c; c++)
        if (*c == '\n' || *c == '\t') *c = ' ';
    for (size_t size = strlen(login->message); size > 0 && login->message[size - 1] == ' ';) login->message[--size] = '\0';
    if (!*login->message) {
        free(login->message);
        login->message = memory_strdup("the server login failed without a word");
    }
}

/* Only clients with the password itself can answer PostgreSQL: what it stores, and what an auth_file may hold, proves who they are but not who we are. */
static void fail_for_password(struct server_login *login, const char *user)
{
    char text[512];
    snprintf(text, sizeof text,
             "PostgreSQL asks for the password of \"%.63s\", and pgturnstile has none in plain text: write it into auth_file, or password "
             "= ... into "
             "the entry of the database",
             user);
    fail(login, text);
    snprintf(login->sqlstate, sizeof login->sqlstate, "28P01");
}

bool server_login_is_refused(const char *sqlstate)
{
    return strncmp(sqlstate, "28", 2) == 0 || strncmp(sqlstate, "3D", 2) == 0 || strncmp(sqlstate, "42", 2) == 0 ||
           strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "0A", 2) == 0 || strcmp(sqlstate, "55000") == 0;
}

/* ---- on the thread ---- */

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context, (void)result;
}

/* Wait for the socket; false when the deadline has passed. */
static bool wait_for(PGconn *conn, short events, int64_t deadline_us)
{
    for (;;) {
        int64_t left_us = deadline_us - clock_now_us();
        if (left_us <= 0) return false;
        struct pollfd poll_fd = {.fd = PQsocket(conn), .events = events};
        int ready = poll(&poll_fd, 1, (int)(left_us / 1000) + 1);
        if (ready > 0 || (ready < 0 && errno != EINTR)) return true;
    }
}

static bool connect_within(PGconn *conn, int64_t deadline_us)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING) {
        if (!wait_for(conn, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_us)) return false;
        next = PQconnectPoll(conn);
    }
    return true;
}

/* PostgreSQL counts a backend until its process has let go, also when the login failed: wait for its end of file. */
static void wait_until_gone(PGconn *conn, int64_t timeout_us)
{
    char byte;
    if (PQsocket(conn) >= 0) shutdown(PQsocket(conn), SHUT_WR);
    int64_t deadline_us = clock_now_us() + timeout_us;
    while (PQsocket(conn) >= 0 && wait_for(conn, POLLIN, deadline_us)) {
        ssize_t got = recv(PQsocket(conn), &byte, 1, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
    }
}

/* The last result of these statements; NULL: the connection was lost, or the deadline has passed. */
static PGresult *execute_within(PGconn *conn, const char *sql, int64_t deadline_us)
{
    PGresult *last = NULL;
    if (!PQsendQuery(conn, sql)) return NULL;
    for (;;) {
        while (PQisBusy(conn))
            if (!wait_for(conn, POLLIN, deadline_us) || !PQconsumeInput(conn)) {
                PQclear(last);
                return NULL;
            }
        PGresult *result = PQgetResult(conn);
        if (!result) return last;
        PQclear(last);
        last = result;
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) return last; /* nobody is there to copy */
    }
}

static bool run_connect_query(struct server_login *login, PGconn *conn, int64_t deadline_us)
{
    if (!login->connect_query) return true;
    PGresult *result = execute_within(conn, login->connect_query, deadline_us);
    ExecStatusType status = PQresultStatus(result);
    bool is_ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
    if (!is_ok) fail(login, result ? PQerrorMessage(conn) : "connect_query did not end in time, or took the connection with it");
    PQclear(result);
    return is_ok;
}

/*
 * Functions in the database whose bodies set something, or call one that does. Word by word and generous: one too many costs an inquiry after its calls.
 * Functions in C, and SQL bodies that were parsed when they were created, show nothing.
 */
static const char functions_sql[] =
    "WITH RECURSIVE candidate AS MATERIALIZED (SELECT proname::pg_catalog.text AS name, pg_catalog.lower(prosrc) AS body FROM "
    "pg_catalog.pg_proc p"
    " JOIN pg_catalog.pg_namespace n ON n.oid=p.pronamespace JOIN pg_catalog.pg_language l ON l.oid=p.prolang"
    " WHERE n.nspname NOT IN ('pg_catalog','information_schema') AND l.lanname NOT IN ('internal','c')),"
    " touching(name) AS (SELECT name FROM candidate WHERE body OPERATOR(pg_catalog.~)"
    " 'set_config|advisory_|\\m(set|reset|execute|listen|unlisten|temp|temporary|load|discard)\\M'"
    " UNION SELECT c.name FROM candidate c, touching t WHERE pg_catalog.strpos(c.body, pg_catalog.lower(t.name)) OPERATOR(pg_catalog.>) 0)"
    " SELECT 'f', name FROM touching UNION ALL SELECT DISTINCT 's', found[1] FROM touching JOIN candidate USING (name),"
    " LATERAL pg_catalog.regexp_matches(body,"
    " '(?:set_config\\s*\\(\\s*(?:[a-z]?''+|\\$\\w*\\$)|\\mset\\s+(?:session\\s+)?)\"?([a-z_][\\w$]*(?:\\.[a-z_][\\w$]*)+)', 'g') AS found";

/* False: the connection did not survive it. That they cannot be read is no harm to the login. */
static bool find_functions(struct server_login *login, PGconn *conn, int64_t deadline_us)
{
    if (!login->wants_functions) return true;
    PGresult *result = execute_within(conn, functions_sql, deadline_us);
    if (!result) {
        fail(login, *PQerrorMessage(conn) ? PQerrorMessage(conn) : "the server stopped answering during the login");
        return false;
    }
    int count = PQresultStatus(result) == PGRES_TUPLES_OK ? PQntuples(result) : 0;
    login->functions = memory_zalloc(((size_t)count + 1) * sizeof *login->functions);
    login->function_settings = memory_zalloc(((size_t)count + 1) * sizeof *login->function_settings);
    for (int i = 0; i < count; i++) {
        const char *name = PQgetvalue(result, i, 1);
        if (*PQgetvalue(result, i, 0) == 'f')
            login->functions[login->function_count++] = memory_strdup(name);
        else
            login->function_settings[login->setting_count++] = memory_strdup(name);
    }
    PQclear(result);
    return true;
}

static void take_over(struct server_login *login, PGconn *conn)
{
    login->cancel = PQgetCancel(conn);
    login->pid = (uint32_t)PQbackendPID(conn);
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        parameters_set(&login->parameters, (enum parameter)i, PQparameterStatus(conn, parameter_name((enum parameter)i)));
    PQsetnonblocking(conn, 1);
    login->conn = conn;
}

static void log_in(struct offload_job *job)
{
    struct server_login *login = (struct server_login *)job;
    int64_t deadline_us = clock_now_us() + login->timeout_us;
    PGconn *conn = PQconnectStartParams(login->keywords, login->values, 0);
    if (!conn) abort(); /* libpq says NULL only when memory is out */
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    bool is_in_time = PQstatus(conn) == CONNECTION_BAD || connect_within(conn, deadline_us);
    if (!is_in_time) {
        fail(login, "the server login took longer than server_connect_timeout");
    } else if (PQstatus(conn) != CONNECTION_OK) {
        if (PQconnectionNeedsPassword(conn))
            fail_for_password(login, PQuser(conn));
        else
            fail(login, PQerrorMessage(conn));
    } else if (run_connect_query(login, conn, deadline_us) && find_functions(login, conn, deadline_us)) {
        if (PQstatus(conn) == CONNECTION_OK && PQtransactionStatus(conn) == PQTRANS_IDLE)
            take_over(login, conn);
        else
            fail(login, "the connection was not at rest after its login");
    }
    if (!login->conn) {
        if (is_in_time) wait_until_gone(conn, login->close_timeout_us);
        PQfinish(conn);
    }
    forget_options(login);
}

static void logged_in(struct offload_job *job)
{
    struct server_login *login = (struct server_login *)job;
    login->done(login, login->owner);
}

void server_login_start(struct server_login *login, struct offload *offload, void (*done)(struct server_login *login, void *owner),
                        void *owner)
{
    login->job.run = log_in;
    login->job.done = logged_in;
    login->done = done;
    login->owner = owner;
    offload_submit(offload, &login->job);
}
