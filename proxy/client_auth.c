/*
 * What a client asks for: its startup packets, and a place for it; then the proof of who it is (client_proof.c). Not for: what happens with a client that is
 * known (admission.c).
 *
 * Invariants: nothing of the database it asks for can be learned before the proof of identity; one startup a connection.
 */
#include "proxy/client_auth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/backend.h"
#include "protocol/frame.h"
#include "proxy/client_proof.h"
#include "proxy/console_access.h"
#include "proxy/memory.h"

enum { CONSOLES_MAX = 64, PASSWORD_MESSAGE_MAX = 8192 };

void client_auth_free(struct client *client)
{
    struct client_login *login = client->login;
    if (!login) return;
    client->login = NULL;
    config_unref(&login->config);
    free(login->exchange);
    free(login->packet);
    free(login);
}

/* ---- the console ---- */

/*
 * A place among those of the console's own, so that max_client_conn does not keep out those who are to look into it. Only names that may use it get one; when they are all
 * taken, or for anybody else, it is a place like any client's. False: there is none.
 */
static bool take_place(struct client *client)
{
    struct commons *commons = client->host->commons;
    const struct settings *settings = &commons->config->settings;
    bool may_be_console = client->is_trusted || console_role_of(settings, client->user) != CONSOLE_NOBODY;
    if (client->is_console && may_be_console && commons->console_count < CONSOLES_MAX) {
        client->has_reserved_place = true;
        commons->console_count++;
    } else if (commons->client_count < settings->max_client_conn) {
        commons->client_count++;
    } else {
        return false;
    }
    client->is_counted = true;
    return true;
}

/* Over the admin socket we and root are who they say; over the other Unix socket we are, under the console's own name. */
static bool is_trusted_by_uid(const struct client *client)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (client->family != AF_UNIX || !client->is_console) return false;
    if (!client->came_by_admin_socket && !console_is_owner_name(client->user)) return false;
    if (getsockopt(client->stream.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) return false;
    return peer.uid == geteuid() || (client->came_by_admin_socket && peer.uid == 0);
}

/* psql without a name asks for the database of the user's name: on the admin socket there is but one thing that can be meant. */
static bool is_for_console(const struct client *client)
{
    return console_is_database(client->database) || (client->came_by_admin_socket && strcmp(client->database, client->user) == 0);
}

/* ---- startup packets ---- */

/* NegotiateProtocolVersion, when the client asked for more than 3.0 or for options that nobody knows; at most one. */
static void negotiate(struct client *client, const struct frontend_startup *startup)
{
    const char *options[64], *name, *value;
    uint32_t count = 0;
    struct bytes_reader parameters = startup->parameters;
    while (frontend_next_parameter(&parameters, &name, &value))
        if (strncmp(name, "_pq_.", 5) == 0 && count < sizeof options / sizeof options[0]) options[count++] = name;
    if (startup->version_minor == 0 && count == 0) return;
    uint8_t buffer[FRONTEND_STARTUP_SIZE_MAX + 64];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    backend_write_negotiate_protocol_version(&writer, 0, options, count);
    assert(!writer.has_failed);
    stream_write(&client->stream, buffer, writer.size);
}

static void start(struct client *client, const struct frontend_startup *startup, const uint8_t *data)
{
    struct client_login *login = client->login;
    struct commons *commons = client->host->commons;
    if (startup->version_major != 3) {
        char message[128];
        snprintf(message, sizeof message, "unsupported frontend protocol %u.%u: server supports 3.0 to 3.0", startup->version_major,
                 startup->version_minor);
        client_goodbye(client, SQLSTATE_FEATURE_NOT_SUPPORTED, message, NULL, NULL);
        return;
    }
    login->packet = memory_alloc(startup->packet_size);
    memcpy(login->packet, data, startup->packet_size);
    login->parameters = startup->parameters;
    login->parameters.data = login->packet + (startup->parameters.data - data);
    struct bytes_reader parameters = login->parameters;
    for (const char *name, *value; frontend_next_parameter(&parameters, &name, &value);) {
        if (strcmp(name, "user") == 0) client->user = value;
        if (strcmp(name, "database") == 0) client->database = value;
    }
    if (!client->user || !*client->user) {
        client->user = NULL;
        client_goodbye(client, SQLSTATE_INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet", NULL, NULL);
        return;
    }
    if (!client->database || !*client->database) client->database = client->user;
    client->is_console = is_for_console(client);
    client->is_trusted = is_trusted_by_uid(client);
    if (client->came_by_admin_socket && !client->is_console) {
        client_goodbye(client, SQLSTATE_INVALID_CATALOG, "the admin socket leads to the console only", NULL,
                       "Ask for database " CONSOLE_DATABASE ", or connect to unix_socket_dir.");
        return;
    }
    if (!take_place(client)) {
        client_goodbye(client, SQLSTATE_TOO_MANY_CONNECTIONS, "sorry, too many clients already", NULL,
                       "pgturnstile takes max_client_conn clients at once.");
        return;
    }
    login->config = config_ref(commons->config);
    negotiate(client, startup);
    client_proof_begin(client);
}

/* SSLRequest or GSSENCRequest: not for now. Bytes behind it were meant to be encrypted, or put there by somebody in the middle. */
static void decline_encryption(struct client *client, bool *had, bool is_alone)
{
    if (*had || !is_alone) {
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION,
                       *had ? "encryption was requested twice" : "received unencrypted data after an encryption request", NULL, NULL);
        return;
    }
    *had = true;
    stream_write(&client->stream, "N", 1);
}

/* Keys of another size are nobody's here. */
static void pass_cancel_request(struct client *client, const struct frontend_startup *startup)
{
    struct commons *commons = client->host->commons;
    struct bytes_reader key;
    bytes_reader_init(&key, startup->cancel_key, startup->cancel_key_size);
    uint32_t secret = bytes_read_u32(&key);
    if (bytes_reader_is_done(&key))
        client->host->cancel_requested(commons, startup->cancel_pid, secret);
    else
        commons->stats.cancels_ignored++;
}

static size_t startup_input(struct client *client, const uint8_t *data, size_t size)
{
    struct client_login *login = client->login;
    struct frontend_startup startup;
    const char *why = NULL;
    switch (frontend_parse_startup(data, size, &startup, &why)) {
    case CODEC_MORE: return 0;
    case CODEC_BAD: client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, why, NULL, NULL); return 0;
    case CODEC_OK: break;
    }
    bool is_alone = startup.packet_size == size;
    switch (startup.kind) {
    case FRONTEND_SSL_REQUEST: decline_encryption(client, &login->had_ssl_request, is_alone); break;
    case FRONTEND_GSSENC_REQUEST: decline_encryption(client, &login->had_gssenc_request, is_alone); break;
    case FRONTEND_CANCEL_REQUEST:
        pass_cancel_request(client, &startup);
        client_close(client, NULL);
        break;
    case FRONTEND_STARTUP: start(client, &startup, data); break;
    }
    return startup.packet_size;
}

static size_t message_input(struct client *client, const uint8_t *data, size_t size)
{
    struct frame frame;
    enum codec_result result = frame_parse_header(data, size, &frame);
    if (result == CODEC_MORE) return 0;
    if (result == CODEC_OK && frame.type == FRONTEND_TERMINATE) {
        client_close(client, "client gave up its login");
        return 0;
    }
    if (result == CODEC_BAD || frame.type != FRONTEND_PASSWORD || frame.body_size > PASSWORD_MESSAGE_MAX) {
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, "expected a password response of sensible size", NULL, NULL);
        return 0;
    }
    size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size;
    if (size < total) return 0;
    client_proof_message(client, data + FRAME_HEADER_SIZE, frame.body_size);
    return total;
}

size_t client_auth_input(struct client *client, const uint8_t *data, size_t size)
{
    if (!client->login) client->login = memory_zalloc(sizeof *client->login);
    size_t used = 0;
    while (used < size && client->state <= CLIENT_AUTHENTICATING) {
        enum client_login_step step = client->login->step;
        if (step == STEP_DERIVING || step == STEP_DONE) break; /* what comes early waits */
        size_t more =
            step == STEP_STARTUP ? startup_input(client, data + used, size - used) : message_input(client, data + used, size - used);
        if (more == 0) break;
        used += more;
    }
    if (client->state <= CLIENT_AUTHENTICATING && size - used > FRONTEND_STARTUP_SIZE_MAX + PASSWORD_MESSAGE_MAX)
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, "too many bytes before the login was done", NULL, NULL);
    return used;
}
