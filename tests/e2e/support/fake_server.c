/*
 * A scripted server for what a well-behaved one cannot produce. Not for SQL: it knows no statement.
 * Invariants: every connection is a thread that ends soon after is_stopping is set; the server is freed after all of them.
 */
#include "tests/e2e/support/fake_server.h"

#include "tests/e2e/support/wait.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, LOOK_MS = 20 };

struct fake_server {
    fake_script *script;
    void *argument;
    int listener;
    int port;
    pthread_t acceptor;
    atomic_bool is_stopping;
    atomic_int connections;
    atomic_int cancels;
    atomic_bool holds_cancels;
    pthread_t threads[CONNECTIONS_MAX];
    int thread_count; /* acceptor only, until it is joined */
};

struct arrival {
    struct fake_server *server;
    int fd;
};

static bool receive_exactly(struct fake_connection *connection, uint8_t *data, size_t size)
{
    struct wire *wire = connection->wire;
    while (size > 0 && !connection->server->is_stopping) {
        struct pollfd entry = {.fd = wire->fd, .events = POLLIN};
        if (poll(&entry, 1, LOOK_MS) == 0) continue;
        ssize_t got = recv(wire->fd, data, size, MSG_DONTWAIT);
        if (got <= 0) return false;
        data += got;
        size -= (size_t)got;
    }
    return size == 0;
}

/* Read startup packets until the one that counts; SSL and GSS are declined. False: no session follows. */
static bool take_startup(struct fake_connection *connection)
{
    uint8_t packet[FRONTEND_STARTUP_SIZE_MAX];
    for (;;) {
        struct frontend_startup startup;
        const char *why;
        if (!receive_exactly(connection, packet, 4)) return false;
        size_t size = (size_t)packet[0] << 24 | (size_t)packet[1] << 16 | (size_t)packet[2] << 8 | packet[3];
        if (size < 8 || size > sizeof packet || !receive_exactly(connection, packet + 4, size - 4)) return false;
        if (frontend_parse_startup(packet, size, &startup, &why) != CODEC_OK) return false;
        switch (startup.kind) {
        case FRONTEND_SSL_REQUEST:
        case FRONTEND_GSSENC_REQUEST:
            if (!wire_send(connection->wire, "N", 1)) return false;
            break;
        case FRONTEND_CANCEL_REQUEST:
            connection->server->cancels++;
            while (connection->server->holds_cancels && !connection->server->is_stopping) nap();
            return false;
        case FRONTEND_STARTUP: connection->number = connection->server->connections++; return true;
        }
    }
}

static void *serve(void *argument)
{
    struct arrival *arrival = argument;
    struct fake_connection connection = {arrival->server, wire_adopt(arrival->fd), 0, arrival->server->argument};
    free(arrival);
    if (take_startup(&connection)) connection.server->script(&connection);
    wire_close(&connection.wire);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct fake_server *server = argument;
    while (!server->is_stopping) {
        struct pollfd entry = {.fd = server->listener, .events = POLLIN};
        if (poll(&entry, 1, LOOK_MS) == 0) continue;
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        if (server->thread_count == CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        struct arrival *arrival = malloc(sizeof *arrival);
        *arrival = (struct arrival){server, fd};
        if (pthread_create(&server->threads[server->thread_count], NULL, serve, arrival) == 0) server->thread_count++;
    }
    return NULL;
}

struct fake_server *fake_server_start(fake_script *script, void *argument)
{
    struct fake_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->script = script;
    server->argument = argument;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0);
    cr_assert(listen(server->listener, 128) == 0);
    cr_assert(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
    cr_assert(pthread_create(&server->acceptor, NULL, accept_all, server) == 0);
    return server;
}

int fake_server_port(const struct fake_server *server)
{
    return server->port;
}

int fake_server_connections(const struct fake_server *server)
{
    return server->connections;
}

int fake_server_cancels(const struct fake_server *server)
{
    return server->cancels;
}

void fake_server_hold_cancels(struct fake_server *server, bool are_held)
{
    server->holds_cancels = are_held;
}

void fake_server_stop(struct fake_server **server)
{
    (*server)->is_stopping = true;
    pthread_join((*server)->acceptor, NULL);
    for (int i = 0; i < (*server)->thread_count; i++) pthread_join((*server)->threads[i], NULL);
    close((*server)->listener);
    free(*server);
    *server = NULL;
}

void fake_welcome(struct fake_connection *connection)
{
    static const char *const parameters[][2] = {
        {"server_version", "15.99"},
        {"server_encoding", "UTF8"},
        {"client_encoding", "UTF8"},
        {"DateStyle", "ISO, MDY"},
        {"TimeZone", "UTC"},
        {"IntervalStyle", "postgres"},
        {"standard_conforming_strings", "on"},
        {"integer_datetimes", "on"},
        {"is_superuser", "off"},
        {"session_authorization", "app"},
        {"application_name", ""},
        {"default_transaction_read_only", "off"},
        {"in_hot_standby", "off"},
    };
    struct bytes_writer *out = &connection->wire->out;
    backend_write_authentication(out, BACKEND_AUTH_OK, NULL, 0);
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        backend_write_parameter_status(out, parameters[i][0], parameters[i][1]);
    backend_write_key_data(out, 1000 + (uint32_t)connection->number, (const uint8_t *)"\1\2\3\4", 4);
    backend_write_ready_for_query(out, 'I');
    wire_flush(connection->wire);
}

/* What the proxy asks of its own at a login is no part of any script: there are no functions here. */
static bool answer_login_question(struct fake_connection *connection, const struct wire_message *message)
{
    const char *text;
    if (message->type != FRONTEND_QUERY || frontend_parse_query(message->body, message->size, &text) != CODEC_OK) return false;
    if (strstr(text, "touching") == NULL) return false;
    struct bytes_writer *out = &connection->wire->out;
    backend_write_row_description(out, (const char *const[]){"name"}, (const uint32_t[]){25}, 1);
    backend_write_command_complete(out, "SELECT 0");
    backend_write_ready_for_query(out, 'I');
    wire_flush(connection->wire);
    return true;
}

struct wire_message fake_read(struct fake_connection *connection)
{
    struct wire_message message = {0};
    while (!connection->server->is_stopping)
        if (wire_try_receive(connection->wire, LOOK_MS, &message) && !answer_login_question(connection, &message)) return message;
    return (struct wire_message){0};
}

const char *fake_read_query(struct fake_connection *connection)
{
    for (;;) {
        const char *text;
        struct wire_message message = fake_read(connection);
        if (message.type == 0 || message.type == FRONTEND_TERMINATE) return NULL;
        if (message.type == FRONTEND_QUERY && frontend_parse_query(message.body, message.size, &text) == CODEC_OK) return text;
    }
}

void fake_answer(struct fake_connection *connection, const char *value)
{
    struct bytes_writer *out = &connection->wire->out;
    backend_write_row_description(out, (const char *const[]){"answer"}, (const uint32_t[]){25}, 1);
    backend_write_data_row(out, (const char *const[]){value}, 1);
    backend_write_command_complete(out, "SELECT 1");
    backend_write_ready_for_query(out, 'I');
    wire_flush(connection->wire);
}

void fake_echo(struct fake_connection *connection)
{
    for (const char *text = fake_read_query(connection); text != NULL; text = fake_read_query(connection)) fake_answer(connection, text);
}

void fake_fatal(struct fake_connection *connection, const char *sqlstate, const char *message)
{
    struct backend_error error = {.severity = "FATAL", .sqlstate = sqlstate, .message = message};
    backend_write_error(&connection->wire->out, &error);
    wire_flush(connection->wire);
}

void fake_stay_silent(struct fake_connection *connection)
{
    while (fake_read(connection).type != 0) {
    }
}
