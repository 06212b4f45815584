/* SHOW: clients and servers one by one, and who holds or waits for what. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/admin_show.h"
#include "proxy/pins.h"

/* ---- what they have in common ---- */

struct endpoint {
    char text[INET6_ADDRSTRLEN];
    int64_t port;
};

static void read_address(const struct show_cursor *cursor, const struct sockaddr_storage *from, struct endpoint *address)
{
    *address = (struct endpoint){.text = "unix", .port = cursor->config->settings.listen_port};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        inet_ntop(AF_INET, &in->sin_addr, address->text, sizeof address->text);
        address->port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        inet_ntop(AF_INET6, &in6->sin6_addr, address->text, sizeof address->text);
        address->port = ntohs(in6->sin6_port);
    }
}

static void local_address(const struct show_cursor *cursor, int fd, struct endpoint *address)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNIX};
    socklen_t size = sizeof storage;
    if (fd >= 0) getsockname(fd, (struct sockaddr *)&storage, &size);
    read_address(cursor, &storage, address);
}

static void remote_address(const struct show_cursor *cursor, int fd, struct endpoint *address)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNIX};
    socklen_t size = sizeof storage;
    if (fd >= 0) getpeername(fd, (struct sockaddr *)&storage, &size);
    read_address(cursor, &storage, address);
}

static void client_address(const struct show_cursor *cursor, const struct client *client, struct endpoint *address)
{
    *address = (struct endpoint){.text = "unix", .port = cursor->config->settings.listen_port};
    if (client->family == AF_UNIX) return;
    inet_ntop(client->family, client->address, address->text, sizeof address->text);
    address->port = client->port;
}

enum { POINTER_SIZE = 24 };

/* Names, not addresses: nobody needs to know where things lie in our memory. */
static void client_pointer(const struct client *client, char text_out[POINTER_SIZE])
{
    *text_out = '\0';
    if (client) snprintf(text_out, POINTER_SIZE, "0x%llx", (unsigned long long)client->id << 1);
}

static void server_pointer(const struct server *server, char text_out[POINTER_SIZE])
{
    *text_out = '\0';
    if (server) snprintf(text_out, POINTER_SIZE, "0x%llx", (unsigned long long)server->id << 1 | 1);
}

static const char *application_of(const struct client *client)
{
    const char *name = client && client->settings ? session_state_get(client->settings, "application_name") : NULL;
    return name ? name : "";
}

/* ---- clients ---- */

static bool is_shown(const struct client *client)
{
    return client->state >= CLIENT_WELCOMING && client->state <= CLIENT_LEASING;
}

static int64_t peer_pid(const struct client *client)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (client->family != AF_UNIX || getsockopt(client->stream.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) return 0;
    return peer.pid;
}

static void client_cells(const struct show_cursor *cursor, struct admin_row *row, const struct client *client)
{
    struct endpoint remote, local;
    char pointer[POINTER_SIZE], link[POINTER_SIZE];
    bool is_waiting = client->waiter.pool != NULL;
    client_address(cursor, client, &remote);
    local_address(cursor, client->family == AF_UNIX ? -1 : client->stream.fd, &local);
    client_pointer(client, pointer);
    server_pointer(client->server, link);
    admin_row_text(row, "C");
    admin_row_text(row, client->user);
    admin_row_text(row, client->database);
    admin_row_text(row, "none");
    admin_row_text(row, is_waiting ? "waiting" : "active");
    admin_row_text(row, remote.text);
    admin_row_number(row, remote.port);
    admin_row_text(row, local.text);
    admin_row_number(row, local.port);
    admin_row_time(row, client->connected_us);
    admin_row_time(row, client->request_us > 0 ? client->request_us : client->connected_us);
    show_seconds(row, is_waiting ? cursor->view->commons->now_us - client->waiter.since_us : 0);
    admin_row_number(row, 0);
    admin_row_text(row, pointer);
    admin_row_text(row, link);
    admin_row_number(row, peer_pid(client));
    admin_row_text(row, "");
    admin_row_text(row, application_of(client));
    admin_row_number(row, (int64_t)statement_names_count(&client->statements));
    admin_row_number(row, (int64_t)client->id);
}

enum show_step rows_of_clients(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct client *client = client_cursor_next(&cursor->clients);
    if (!client) return SHOW_END;
    if (!is_shown(client)) return SHOW_SKIPPED;
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    client_cells(cursor, &row, client);
    admin_row_end(&row);
    return SHOW_ROW;
}

/* ---- servers ---- */

static const char *server_state_text(enum server_state state)
{
    switch (state) {
    case SERVER_LOGGING_IN: return "new";
    case SERVER_IDLE: return "idle";
    case SERVER_LEASED: return "active";
    case SERVER_CLEANING: return "tested";
    case SERVER_CLOSING:
    case SERVER_CLOSED: return "closing";
    }
    return "";
}

static void server_cells(const struct show_cursor *cursor, struct admin_row *row, const struct server *server)
{
    struct endpoint remote, local;
    char pointer[POINTER_SIZE], link[POINTER_SIZE];
    const struct pool *pool = server->pool;
    bool is_held = pool->slots.is_held;
    remote_address(cursor, server->stream.fd, &remote);
    local_address(cursor, server->stream.fd, &local);
    server_pointer(server, pointer);
    client_pointer(server->client, link);
    admin_row_text(row, "S");
    admin_row_text(row, pool->user);
    admin_row_text(row, pool->database);
    admin_row_text(row, "none");
    admin_row_text(row, server_state_text(server->state));
    admin_row_text(row, remote.text);
    admin_row_number(row, remote.port);
    admin_row_text(row, local.text);
    admin_row_number(row, local.port);
    admin_row_time(row, server->connected_us);
    admin_row_time(row, server->leased_us > 0 ? server->leased_us : server->connected_us);
    show_seconds(row, 0);
    admin_row_number(row, server->is_retired || is_held || server->state == SERVER_CLOSING);
    admin_row_text(row, pointer);
    admin_row_text(row, link);
    admin_row_number(row, server->pid);
    admin_row_text(row, server_tls(server));
    admin_row_text(row, application_of(server->client));
    admin_row_number(row, server->prepared.count);
    admin_row_number(row, (int64_t)server->id);
}

enum show_step rows_of_servers(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct server *server = show_next_server(cursor);
    if (!server) return SHOW_END;
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    server_cells(cursor, &row, server);
    admin_row_end(&row);
    return SHOW_ROW;
}

/* ---- sockets ---- */

static void buffer_cells(struct admin_row *row, uint32_t message_left, uint32_t received, uint32_t unsent)
{
    admin_row_number(row, 0);
    admin_row_number(row, 0);
    admin_row_number(row, message_left);
    admin_row_number(row, 0);
    admin_row_number(row, unsent);
    admin_row_number(row, received);
    admin_row_number(row, unsent);
}

static enum show_step row_of_socket(struct show_cursor *cursor, struct bytes_writer *writer, bool is_active_only)
{
    const struct client *client = client_cursor_next(&cursor->clients);
    const struct server *server = client ? NULL : show_next_server(cursor);
    if (!client && !server) return SHOW_END;
    const struct stream *stream = client ? &client->stream : &server->stream;
    uint32_t left = client ? client->message_left : server->message_left, received = client ? client->input_size : server->input_size;
    bool is_busy = client ? client->server || client->waiter.pool : server->client != NULL;
    if (client && !is_shown(client)) return SHOW_SKIPPED;
    if (is_active_only && !is_busy && received + stream->unsent_size + left == 0) return SHOW_SKIPPED;
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    if (client)
        client_cells(cursor, &row, client);
    else
        server_cells(cursor, &row, server);
    buffer_cells(&row, left, received, stream->unsent_size);
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_sockets(struct show_cursor *cursor, struct bytes_writer *writer)
{
    return row_of_socket(cursor, writer, false);
}

enum show_step rows_of_active_sockets(struct show_cursor *cursor, struct bytes_writer *writer)
{
    return row_of_socket(cursor, writer, true);
}

enum show_step rows_of_fds(struct show_cursor *cursor, struct bytes_writer *writer)
{
    static const char *const names[] = {"client_encoding", "standard_conforming_strings", "datestyle", "timezone"};
    const struct client *client = client_cursor_next(&cursor->clients);
    const struct server *server = client ? NULL : show_next_server(cursor);
    if (!client && !server) return SHOW_END;
    if (client && !is_shown(client)) return SHOW_SKIPPED;
    const struct session_state *settings = client ? client->settings : server->settings;
    const struct stream *linked = NULL;
    struct endpoint remote;
    if (client) {
        if (client->server) linked = &client->server->stream;
        client_address(cursor, client, &remote);
    } else {
        if (server->client) linked = &server->client->stream;
        remote_address(cursor, server->stream.fd, &remote);
    }
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_number(&row, client ? client->stream.fd : server->stream.fd);
    admin_row_text(&row, client ? "client" : "server");
    admin_row_text(&row, client ? client->user : server->pool->user);
    admin_row_text(&row, client ? client->database : server->pool->database);
    admin_row_text(&row, remote.text);
    admin_row_number(&row, remote.port);
    admin_row_number(&row, 0);
    admin_row_number(&row, linked ? linked->fd : 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        admin_row_text(&row, settings ? session_state_get(settings, names[i]) : NULL);
    for (int i = 0; i < 3; i++) admin_row_null(&row);
    admin_row_end(&row);
    return SHOW_ROW;
}

/* ---- leases and the queue ---- */

static const char *lease_state_text(const struct server *server)
{
    if (!exchange_is_settled(&server->exchange)) return "running";
    return server->exchange.status == 'I' ? "idle" : "idle in transaction";
}

enum show_step rows_of_leases(struct show_cursor *cursor, struct bytes_writer *writer)
{
    const struct server *server = show_next_server(cursor);
    if (!server) return SHOW_END;
    const struct client *client = server->client;
    if (!client) return SHOW_SKIPPED;
    int64_t now_us = cursor->view->commons->now_us;
    bool is_running = !exchange_is_settled(&server->exchange) && server->query_us > 0;
    struct endpoint remote;
    client_address(cursor, client, &remote);
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_number(&row, server->pid);
    admin_row_number(&row, (int64_t)client->id);
    admin_row_text(&row, client->user);
    admin_row_text(&row, client->database);
    admin_row_text(&row, application_of(client));
    admin_row_text(&row, remote.text);
    admin_row_number(&row, remote.port);
    admin_row_time(&row, server->leased_us);
    admin_row_number(&row, now_us - server->leased_us);
    admin_row_text(&row, lease_state_text(server));
    if (is_running)
        admin_row_number(&row, now_us - server->query_us);
    else
        admin_row_null(&row);
    admin_row_text(&row, client->pins ? pin_text(client->pins) : NULL);
    admin_row_number(&row, server->waited_us);
    admin_row_text(&row, client_class(client));
    admin_row_end(&row);
    return SHOW_ROW;
}

enum show_step rows_of_waiting(struct show_cursor *cursor, struct bytes_writer *writer)
{
    struct client *client = client_cursor_next(&cursor->clients);
    if (!client) return SHOW_END;
    if (!client->waiter.pool) return SHOW_SKIPPED;
    uint32_t position = turnstile_position(&client->waiter);
    struct endpoint remote;
    client_address(cursor, client, &remote);
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_number(&row, (int64_t)client->id);
    admin_row_text(&row, client->user);
    admin_row_text(&row, client->database);
    admin_row_text(&row, application_of(client));
    admin_row_text(&row, remote.text);
    admin_row_number(&row, remote.port);
    admin_row_number(&row, position);
    admin_row_time(&row, client->waiter.since_us);
    admin_row_number(&row, cursor->view->commons->now_us - client->waiter.since_us);
    admin_row_text(&row, client_class(client));
    admin_row_end(&row);
    return SHOW_ROW;
}
