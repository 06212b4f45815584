#ifndef TESTS_E2E_SUPPORT_WIRE_H
#define TESTS_E2E_SUPPORT_WIRE_H

#include "protocol/backend.h"
#include "protocol/frontend.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A client that speaks the protocol byte by byte, for everything that libpq would never send.
 *
 * Messages are staged with protocol/frontend.h's encoders into `out` and leave with wire_flush:
 *     frontend_write_query(&wire->out, "select 1");
 *     wire_flush(wire);
 *     wire_expect(wire, "T D:1 C:SELECT_1 Z:I");
 * Whatever comes in is taken within LONG_MS or the test fails. One thread per wire; functions that can fail the test
 * belong to the test's main thread, the `try` ones to any.
 */
enum { WIRE_OUT_SIZE = 1 << 20, WIRE_OUT_SIZE_FORGIVING = 1 << 16, WIRE_PARAMETERS_MAX = 48 };

struct wire {
    int fd; /* -1: closed */
    struct bytes_writer out;
    uint8_t *in; /* received, from in_start to in_end not yet taken */
    size_t in_start, in_end, in_capacity;
    uint32_t pid; /* BackendKeyData */
    uint8_t key[FRONTEND_CANCEL_KEY_SIZE_MAX];
    size_t key_size;
    struct {
        char name[64], value[192];
    } parameters[WIRE_PARAMETERS_MAX]; /* the last ParameterStatus of each name */
    size_t parameter_count;
    char text[1024];       /* what wire_query returned last */
    bool skips_parameters; /* wire_match takes ParameterStatus wherever it comes, and expects none */
    bool is_forgiving;     /* set for threads: failures return instead of failing the test */
};

struct wire_message {
    uint8_t type;        /* 0: the connection has ended */
    const uint8_t *body; /* until the next receive */
    size_t size;
};

/* ---- connections ---- */
struct wire *wire_connect(int port);
struct wire *wire_connect_unix(const char *directory, int port);
/* The same without failing: NULL when there is no connection. The wire is forgiving. */
struct wire *wire_try_connect(int port);
/* A forgiving wire over a connected socket, which it owns from now on. */
struct wire *wire_adopt(int fd);
/* Close (FIN) and free; NULL is fine. */
void wire_close(struct wire **wire);
/* Close with RST: unread and unsent bytes are lost. */
void wire_abort(struct wire **wire);
/* No more bytes will be sent; receiving goes on. */
void wire_half_close(struct wire *wire);
/* Small socket buffers, so that back-pressure sets in early. */
void wire_shrink_buffers(struct wire *wire, int size);

/* ---- sending ---- */
/*
 * All of it; false: the peer is gone (forgiving wires only, others fail the test). While the peer does not take more, what it sends
 * is received, as a sane client does.
 */
bool wire_send(struct wire *wire, const void *data, size_t size);
/* What is staged. */
bool wire_flush(struct wire *wire);
/* What is staged, in a send call per byte. */
void wire_flush_slowly(struct wire *wire);
/* The first `size` bytes of what is staged; the rest is forgotten. */
void wire_flush_part(struct wire *wire, size_t size);
/* As much as fits without waiting; returns how much that was. */
size_t wire_send_some(struct wire *wire, const void *data, size_t size);

/* ---- receiving ---- */
/* The next whole message. */
struct wire_message wire_receive(struct wire *wire);
/* The same within `timeout_ms`; false: none came. */
bool wire_try_receive(struct wire *wire, int timeout_ms, struct wire_message *message_out);
/* The next message, however large, without keeping its body: its type (0: end) and size. */
uint8_t wire_skip(struct wire *wire, size_t *size_out);
/* One byte that is no message (the answer to SSLRequest); -1: end of connection. */
int wire_receive_byte(struct wire *wire);
/* Up to `size` raw bytes, at least one; 0: end. */
size_t wire_receive_raw(struct wire *wire, void *data, size_t size);

/*
 * Receive messages and compare them with a pattern: words separated by blanks, each a type byte, with
 *   "Z:T"  the status             "C:INSERT_0_1"  the tag           "E:42601"  the SQLSTATE (N likewise)
 *   "D:a|b"  the columns as text  "S:name"  the parameter's name    "d:abc"  the start of CopyData
 * where '_' stands for any character. "X*" is none or any number of X; "S" and "N" messages that the pattern
 * does not name at that place fail. "-" is the end of the connection.
 */
bool wire_match(struct wire *wire, const char *pattern, char *why_out, size_t why_size); /* false: `why_out` says what came instead */
void wire_expect_at(struct wire *wire, const char *pattern, const char *file, int line); /* the test fails */
#define wire_expect(wire, pattern) wire_expect_at(wire, pattern, __FILE__, __LINE__)

/* ---- sessions ---- */
/* Startup with protocol 3.0, trust: must end in ReadyForQuery. `pairs` is more startup parameters or NULL: name, value, ..., NULL. */
void wire_login(struct wire *wire, const char *user, const char *database, const char *const *pairs);
bool wire_try_login(struct wire *wire, const char *user, const char *database);
/* Connect and log in as app to database app. */
struct wire *wire_session(int port);
/* The last value of a ParameterStatus, NULL: never heard. */
const char *wire_parameter(const struct wire *wire, const char *name);
/*
 * A simple query, everything up to ReadyForQuery: the first column of the last row, "" without a row, or the SQLSTATE as
 * "!42601"; "!end" when the connection ended. Any message that does not belong into the answer fails the test. Valid until the next call.
 */
const char *wire_query(struct wire *wire, const char *text);
/* Send a query and do not wait. */
void wire_send_query(struct wire *wire, const char *text);
/* A CancelRequest on a connection of its own, until that is closed by the peer. */
void wire_cancel(int port, uint32_t pid, const uint8_t *key, size_t key_size);
/* A round trip through the peer's event loop that needs no server: what was sent to it before, it has seen afterwards. */
void wire_settle(int port);

#endif
