/* The command line's way to the console. Nothing of the proxy itself is used here. */
#include "proxy/admin_client.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libpq-fe.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

static const char socket_name[] = ".s.PGSQL.";

struct admin_client {
    PGconn *connection;
    char peer[300];
};

/* Oids of pg_type.dat. */
enum { INT8_OID = 20, INT2_OID = 21, INT4_OID = 23, FLOAT4_OID = 700, FLOAT8_OID = 701, NUMERIC_OID = 1700 };

static bool is_number(Oid type)
{
    switch (type) {
    case INT8_OID:
    case INT2_OID:
    case INT4_OID:
    case FLOAT4_OID:
    case FLOAT8_OID:
    case NUMERIC_OID: return true;
    default: return false;
    }
}

/* libpq's words are lines; the first one says it. */
static void set_error(struct error *error, const char *sqlstate, const char *text)
{
    error_set(error, sqlstate && strlen(sqlstate) == 5 ? sqlstate : "", "%.*s", (int)strcspn(text, "\n"), *text ? text : "no answer");
}

/* The port of the only socket in a directory. */
static bool find_port(const char *directory, char *port_out, size_t size)
{
    DIR *entries = opendir(directory);
    int count = 0;
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        const char *port = entry->d_name + strlen(socket_name);
        if (strncmp(entry->d_name, socket_name, strlen(socket_name)) != 0 || strspn(port, "0123456789") != strlen(port)) continue;
        snprintf(port_out, size, "%s", port);
        count++;
    }
    if (entries) closedir(entries);
    return count == 1;
}

struct admin_client *admin_client_open(const struct admin_target *target, struct error *error)
{
    const char *host = target->host ? target->host : getenv("PGHOST"), *port = target->port ? target->port : getenv("PGPORT");
    char directory[256], absolute[PATH_MAX];
    /* libpq takes what does not begin with a slash for a name. */
    if (target->is_socket && *host != '/') {
        if (!realpath(host, absolute)) {
            error_set(error, "", "%s: %s", host, strerror(errno));
            return NULL;
        }
        host = absolute;
    }
    const char *base = host ? strrchr(host, '/') : NULL;
    if (base && strncmp(base + 1, socket_name, strlen(socket_name)) == 0) { /* the socket itself: libpq wants its directory and port */
        snprintf(directory, sizeof directory, "%.*s", (int)(base - host), host);
        if (!target->port) port = base + 1 + strlen(socket_name);
        host = directory;
    }
    char found[8];
    if (host && *host == '/' && (!port || !*port) && find_port(host, found, sizeof found)) port = found;
    if (!host || !*host) host = "127.0.0.1";
    if (!port || !*port) port = "6432";
    const char *const names[] = {"host", "port", "user", "dbname", "application_name", "connect_timeout", NULL};
    const char *const values[] = {host, port, target->user, "pgturnstile", "pgturnstile", "10", NULL};
    struct admin_client *client = memory_zalloc(sizeof *client);
    client->connection = PQconnectdbParams(names, values, 0);
    if (PQstatus(client->connection) != CONNECTION_OK) {
        set_error(error, "", PQerrorMessage(client->connection));
        admin_client_close(&client);
        return NULL;
    }
    snprintf(client->peer, sizeof client->peer, *host == '/' ? "%s/.s.PGSQL.%s" : "%s:%s", host, port);
    return client;
}

void admin_client_close(struct admin_client **client)
{
    if (!*client) return;
    PQfinish((*client)->connection);
    free(*client);
    *client = NULL;
}

const char *admin_client_peer(const struct admin_client *client)
{
    return client->peer;
}

bool admin_client_is_alive(const struct admin_client *client)
{
    return PQstatus(client->connection) == CONNECTION_OK;
}

static struct text_table *to_table(const PGresult *result)
{
    int columns = PQnfields(result), rows = PQntuples(result);
    struct text_table *table = text_table_new((size_t)columns);
    for (int i = 0; i < columns; i++) text_table_name(table, (size_t)i, PQfname(result, i), is_number(PQftype(result, i)));
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < columns; i++) text_table_add(table, PQgetisnull(result, row, i) ? NULL : PQgetvalue(result, row, i));
    return table;
}

struct text_table *admin_client_show(struct admin_client *client, const char *what, struct error *error)
{
    char question[128];
    for (const char *at = what; *at; at++) {
        if (isalnum((unsigned char)*at) || *at == '_' || *at == ' ') continue;
        error_set(error, "", "\"%s\" is nothing that SHOW could show", what);
        return NULL;
    }
    int size = snprintf(question, sizeof question, "SHOW %s", what);
    if (size < 0 || (size_t)size >= sizeof question) {
        error_set(error, "", "\"%.40s...\" is nothing that SHOW could show", what);
        return NULL;
    }
    PGresult *result = PQexec(client->connection, question);
    ExecStatusType status = PQresultStatus(result);
    struct text_table *table = status == PGRES_TUPLES_OK ? to_table(result) : status == PGRES_COMMAND_OK ? text_table_new(0) : NULL;
    if (!table) set_error(error, PQresultErrorField(result, PG_DIAG_SQLSTATE), PQerrorMessage(client->connection));
    PQclear(result);
    return table;
}
