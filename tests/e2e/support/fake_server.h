#ifndef TESTS_E2E_SUPPORT_FAKE_SERVER_H
#define TESTS_E2E_SUPPORT_FAKE_SERVER_H

#include "protocol/backend.h"
#include "tests/e2e/support/wire.h"

#include <stdbool.h>

/*
 * A PostgreSQL that does what PostgreSQL never does. It listens on a loopback port; each connection gets a thread that runs the
 * test's script, which reads and writes protocol messages through a `struct wire` (the encoders of protocol/backend.h
 * into wire->out). Scripts run outside the test's thread: they must not use Criterion's asserts, and return to close.
 */
struct fake_server;

struct fake_connection {
    struct fake_server *server;
    struct wire *wire; /* forgiving */
    int number;        /* 0 for the first connection */
    void *argument;    /* what fake_server_start was given */
};

typedef void fake_script(struct fake_connection *connection);

struct fake_server *fake_server_start(fake_script *script, void *argument);
int fake_server_port(const struct fake_server *server);
/* Connections with a startup packet, and CancelRequests, so far. */
int fake_server_connections(const struct fake_server *server);
int fake_server_cancels(const struct fake_server *server);
/* From now on a CancelRequest is answered (its connection closed) only when this is taken back. */
void fake_server_hold_cancels(struct fake_server *server, bool are_held);
/* Close everything, wait for the scripts, free. */
void fake_server_stop(struct fake_server **server);

/* ---- for scripts ---- */
/* Welcome the client: AuthenticationOk, the usual ParameterStatus messages, BackendKeyData, ReadyForQuery. */
void fake_welcome(struct fake_connection *connection);
/* The next message of the client; its type, 0 at the end. Waits until the server is stopped at the longest. */
struct wire_message fake_read(struct fake_connection *connection);
/* Wait for a Query and return its text, NULL at the end; other messages are passed over. */
const char *fake_read_query(struct fake_connection *connection);
/* One text column, one row, CommandComplete, ReadyForQuery. */
void fake_answer(struct fake_connection *connection, const char *value);
/* Answer queries for as long as they come, each with its own text. */
void fake_echo(struct fake_connection *connection);
/* A FATAL error. */
void fake_fatal(struct fake_connection *connection, const char *sqlstate, const char *message);
/* Say nothing until the peer closes or the server is stopped; what comes in is dropped. */
void fake_stay_silent(struct fake_connection *connection);

#endif
