#ifndef PROXY_SERVER_LOGIN_H
#define PROXY_SERVER_LOGIN_H

#include "proxy/offload.h"
#include "proxy/parameters.h"

#include <stdint.h>

/*
 * Logging in to PostgreSQL through libpq on an offload thread: hosts, service files, pgpass, TLS, SCRAM and all (PostgreSQL manual, "libpq - Database
 * Connection Control Functions"). The result is a connection at rest, and what the server said about itself.
 */
struct pg_conn;
struct pg_cancel;

struct server_login {
    struct offload_job job;
    /* Asked for. */
    const char **keywords, **values; /* NULL-terminated, copied; a password among them is wiped afterwards */
    unsigned option_count;
    char *connect_query;  /* NULL: none */
    bool wants_functions; /* look for functions whose bodies may change the session */
    int64_t timeout_us, close_timeout_us;
    /* Result. `conn` NULL: failed, and by then PostgreSQL has closed the connection, unless it did not do so in time. */
    struct pg_conn *conn;
    struct pg_cancel *cancel;
    uint32_t pid;
    struct parameters parameters;
    char **functions;         /* their names, where asked for */
    char **function_settings; /* custom settings that may be set in their bodies */
    unsigned function_count, setting_count;
    char sqlstate[6]; /* of the failure; "08006" when PostgreSQL itself said none */
    char *message;    /* PostgreSQL's or libpq's own words, without line ends */
    void (*done)(struct server_login *login, void *owner);
    void *owner;
};

/* How long PostgreSQL may take to let us in, and after a failure, to end the connection. */
struct server_login *server_login_new(int64_t timeout_us, int64_t close_timeout_us);
/* A later option of the same keyword replaces an earlier one. */
void server_login_option(struct server_login *login, const char *keyword, const char *value);
/* `done` is called on the loop's thread; it takes conn and cancel out of the login if it wants them, and frees the login. */
void server_login_start(struct server_login *login, struct offload *offload, void (*done)(struct server_login *login, void *owner),
                        void *owner);
void server_login_free(struct server_login **login);

/* A failure that trying again will not mend by itself: a wrong password, no such database or role, no permission. */
bool server_login_is_refused(const char *sqlstate);

#endif
