/*
 * Startup and authentication of a client. Not for: what happens with a client that is known (admission.c).
 *
 * Invariants: an unknown user, a wrong password and an unknown database cannot be told apart before the proof of identity; no password is derived on this
 * thread; one startup a connection.
 */
#include "proxy/client_auth.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/backend.h"
#include "protocol/frame.h"
#include "protocol/password.h"
#include "protocol/scram.h"
#include "proxy/console_access.h"
#include "proxy/log.h"
#include "proxy/memory.h"

enum { CONSOLES_MAX = 64, PASSWORD_MESSAGE_MAX = 8192, ANSWER_MAX = 2 * SCRAM_MESSAGE_SIZE_MAX, NAME_SIZE_MAX = 64 };

/* What the client's next message must be. */
enum step { STEP_STARTUP, STEP_PASSWORD, STEP_MD5, STEP_SASL_FIRST, STEP_SASL_FINAL, STEP_DERIVING, STEP_DONE };

struct client_login {
    enum step step;
    bool had_ssl_request, had_gssenc_request;
    uint8_t *packet; /* the startup packet: names point into it */
    struct bytes_reader parameters;
    struct config *config;      /* the snapshot that this login began with */
    struct userlist_user *user; /* NULL: unknown, or trust */
    uint8_t md5_salt[4];
    struct scram_secret secret;
    struct scram_exchange *exchange;
    struct client *next_deriving; /* of commons->deriving */
};

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

struct bytes_reader client_login_parameters(const struct client_login *login)
{
    return login->parameters;
}

/* ---- outcome ---- */

static void succeed(struct client *client)
{
    client->login->step = STEP_DONE;
    client->host->authenticated(client);
}

/* `why` is for the log alone. */
static void refuse(struct client *client, const char *why)
{
    struct log_line line;
    client_log_begin(client, &line, LOG_LEVEL_WARNING, "client_refused");
    log_text(&line, "reason", why);
    log_end(&line);
    char message[160];
    snprintf(message, sizeof message, "password authentication failed for user \"%.*s\"", NAME_SIZE_MAX, client->user);
    client_goodbye(client, SQLSTATE_INVALID_PASSWORD, message, NULL, NULL);
}

static void ask(struct client *client, enum backend_authentication code, const void *data, size_t size)
{
    uint8_t buffer[ANSWER_MAX];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    backend_write_authentication(&writer, code, data, size);
    assert(!writer.has_failed);
    stream_write(&client->stream, buffer, writer.size);
}

/* ---- SCRAM ---- */

static void ask_for_scram(struct client *client)
{
    static const char mechanisms[] = SCRAM_MECHANISM "\0"; /* a list, ended by an empty name */
    struct client_login *login = client->login;
    const uint8_t *mock_key = client->host->commons->mock_key;
    if (login->user)
        login->secret = login->user->scram;
    else
        scram_mock_secret(client->user, mock_key, (uint32_t)login->config->settings.scram_iterations, &login->secret);
    login->exchange = memory_zalloc(sizeof *login->exchange);
    login->step = STEP_SASL_FIRST;
    ask(client, BACKEND_AUTH_SASL, mechanisms, sizeof mechanisms);
}

struct derivation {
    struct offload_job job;
    struct commons *commons;
    struct config *config; /* keeps `user` alive */
    struct userlist_user *user;
    uint8_t salt[SCRAM_SALT_SIZE];
    struct scram_secret secret;
};

static void derive(struct offload_job *job)
{
    struct derivation *derivation = (struct derivation *)job;
    char *password = userlist_prepare_password(derivation->user->secret);
    scram_derive_secret(password, derivation->salt, sizeof derivation->salt, (uint32_t)derivation->config->settings.scram_iterations,
                        &derivation->secret);
    userlist_wipe(&password);
}

static void derived(struct offload_job *job)
{
    struct derivation *derivation = (struct derivation *)job;
    derivation->user->scram = derivation->secret;
    derivation->user->has_scram = true;
    derivation->user->is_deriving = false;
    struct client **link = &derivation->commons->deriving;
    while (*link) {
        struct client *client = *link;
        if (client->login->user != derivation->user) {
            link = &client->login->next_deriving;
            continue;
        }
        *link = client->login->next_deriving;
        client->login->next_deriving = NULL;
        ask_for_scram(client);
        client_resume_login(client);
    }
    config_unref(&derivation->config);
    free(derivation);
}

/* The plain secret's keys are derived once, by the first login that needs them; those that come meanwhile wait for it. */
static void wait_for_derivation(struct client *client)
{
    struct client_login *login = client->login;
    struct commons *commons = client->host->commons;
    login->step = STEP_DERIVING;
    login->next_deriving = commons->deriving;
    commons->deriving = client;
    if (login->user->is_deriving) return;
    login->user->is_deriving = true;
    struct derivation *derivation = memory_zalloc(sizeof *derivation);
    derivation->job.run = derive;
    derivation->job.done = derived;
    derivation->commons = commons;
    derivation->config = config_ref(login->config);
    derivation->user = login->user;
    RAND_bytes(derivation->salt, sizeof derivation->salt);
    offload_submit(commons->passwords, &derivation->job);
}

void client_auth_leave(struct client *client)
{
    if (!client->login || client->login->step != STEP_DERIVING) return;
    struct client **link = &client->host->commons->deriving;
    while (*link && *link != client) link = &(*link)->login->next_deriving;
    if (*link) *link = client->login->next_deriving;
}

static void begin_scram(struct client *client)
{
    const struct userlist_user *user = client->login->user;
    if (!user || user->has_scram)
        ask_for_scram(client);
    else
        wait_for_derivation(client);
}

static void sasl_first(struct client *client, const uint8_t *body, size_t size)
{
    struct client_login *login = client->login;
    const char *mechanism, *why = "malformed SASLInitialResponse message";
    const uint8_t *data;
    size_t data_size;
    uint8_t nonce[SCRAM_NONCE_SIZE];
    RAND_bytes(nonce, sizeof nonce);
    if (frontend_parse_sasl_initial(body, size, &mechanism, &data, &data_size) != CODEC_OK || !data) {
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, why, NULL, NULL);
    } else if (strcmp(mechanism, SCRAM_MECHANISM) != 0) {
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, "client selected an invalid SASL authentication mechanism", NULL, NULL);
    } else if (scram_client_first(login->exchange, data, data_size, &login->secret, nonce, &why) != CODEC_OK) {
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, why, NULL, NULL);
    } else {
        login->step = STEP_SASL_FINAL;
        ask(client, BACKEND_AUTH_SASL_CONTINUE, login->exchange->server_first, strlen(login->exchange->server_first));
    }
}

static void sasl_final(struct client *client, const uint8_t *body, size_t size)
{
    struct client_login *login = client->login;
    char server_final[SCRAM_MESSAGE_SIZE_MAX];
    bool is_right;
    const char *why = "malformed SCRAM message";
    if (scram_client_final(login->exchange, body, size, &login->secret, server_final, &is_right, &why) != CODEC_OK) {
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, why, NULL, NULL);
    } else if (!is_right || !login->user) {
        refuse(client, login->user ? "wrong password" : "unknown user");
    } else {
        /* The welcome, or the refusal, follows: one write for both. */
        uint8_t buffer[ANSWER_MAX];
        struct bytes_writer writer;
        bytes_writer_init(&writer, buffer, sizeof buffer);
        backend_write_authentication(&writer, BACKEND_AUTH_SASL_FINAL, server_final, strlen(server_final));
        assert(!writer.has_failed);
        stream_withhold(&client->stream, buffer, writer.size);
        succeed(client);
    }
}

/* ---- cleartext and md5 ---- */

/* A cleartext password against a SCRAM secret costs a derivation. */
struct check {
    struct offload_job job;
    struct client *client;
    struct scram_secret secret;
    char *password;
    bool is_right;
};

static void check(struct offload_job *job)
{
    struct check *self = (struct check *)job;
    char *prepared = userlist_prepare_password(self->password);
    self->is_right = scram_check_password(&self->secret, prepared);
    userlist_wipe(&prepared);
}

static void checked(struct offload_job *job)
{
    struct check *self = (struct check *)job;
    struct client *client = self->client;
    bool is_right = self->is_right;
    userlist_wipe(&self->password);
    free(self);
    client->offloaded--;
    if (client->state != CLIENT_AUTHENTICATING) return; /* it left meanwhile */
    if (is_right)
        succeed(client);
    else
        refuse(client, "wrong password");
}

static void check_on_thread(struct client *client, const char *password)
{
    struct check *self = memory_zalloc(sizeof *self);
    self->job.run = check;
    self->job.done = checked;
    self->client = client;
    self->secret = client->login->user->scram;
    self->password = memory_strdup(password);
    client->login->step = STEP_DONE;
    client->offloaded++;
    offload_submit(client->host->commons->passwords, &self->job);
}

static bool is_cleartext_right(const struct client *client, const char *password)
{
    const struct userlist_user *user = client->login->user;
    if (user->kind == PASSWORD_PLAIN) return password_is_equal(password, strlen(password), user->secret, strlen(user->secret));
    char secret[PASSWORD_MD5_SIZE];
    password_md5_secret(password, client->user, secret);
    return password_is_equal(secret, strlen(secret), user->secret, strlen(user->secret));
}

static bool is_md5_right(const struct client *client, const char *response)
{
    const struct userlist_user *user = client->login->user;
    char secret[PASSWORD_MD5_SIZE], expected[PASSWORD_MD5_SIZE];
    if (user->kind == PASSWORD_PLAIN)
        password_md5_secret(user->secret, client->user, secret);
    else
        snprintf(secret, sizeof secret, "%s", user->secret);
    password_md5_response(secret, client->login->md5_salt, expected);
    return password_is_equal(response, strlen(response), expected, strlen(expected));
}

static void password_message(struct client *client, const uint8_t *body, size_t size)
{
    struct client_login *login = client->login;
    const char *password;
    if (frontend_parse_password(body, size, &password) != CODEC_OK) {
        client_goodbye(client, SQLSTATE_PROTOCOL_VIOLATION, "invalid password packet size", NULL, NULL);
    } else if (!login->user || !*login->user->secret) {
        refuse(client, login->user ? "the user has no secret in auth_file" : "unknown user");
    } else if (!*password) {
        refuse(client, "empty password");
    } else if (login->step == STEP_PASSWORD && login->user->kind == PASSWORD_SCRAM) {
        check_on_thread(client, password);
    } else if (login->step == STEP_PASSWORD ? is_cleartext_right(client, password) : is_md5_right(client, password)) {
        succeed(client);
    } else {
        refuse(client, "wrong password");
    }
}

/* ---- the way in ---- */

static void begin_authentication(struct client *client)
{
    struct client_login *login = client->login;
    enum auth_type type = login->config->settings.auth_type;
    login->user = userlist_find(login->config->userlist, client->user);
    const struct userlist_user *user = login->user;
    client_move(client, CLIENT_AUTHENTICATING);
    if (client->is_trusted) {
        succeed(client);
        return;
    }
    switch (type) {
    case AUTH_TRUST:
        if (user || !*login->config->settings.auth_file)
            succeed(client);
        else
            refuse(client, "unknown user: with auth_type trust too a user must stand in auth_file, where there is one");
        return;
    case AUTH_PASSWORD:
        login->step = STEP_PASSWORD;
        ask(client, BACKEND_AUTH_CLEARTEXT, NULL, 0);
        return;
    case AUTH_MD5:
        if (user && user->kind == PASSWORD_SCRAM) {
            begin_scram(client);
            return;
        }
        login->step = STEP_MD5;
        RAND_bytes(login->md5_salt, sizeof login->md5_salt);
        ask(client, BACKEND_AUTH_MD5, login->md5_salt, sizeof login->md5_salt);
        return;
    case AUTH_SCRAM:
        /* From an md5 secret no SCRAM key can be had: the exchange fails at its end, like one with a wrong password. */
        if (user && (user->kind == PASSWORD_MD5 || !*user->secret)) login->user = NULL;
        begin_scram(client);
        return;
    }
}

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
    begin_authentication(client);
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
        client->host->cancel_requested(client->host->commons, startup.cancel_pid, startup.cancel_key, startup.cancel_key_size);
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
    const uint8_t *body = data + FRAME_HEADER_SIZE;
    switch (client->login->step) {
    case STEP_PASSWORD:
    case STEP_MD5: password_message(client, body, frame.body_size); break;
    case STEP_SASL_FIRST: sasl_first(client, body, frame.body_size); break;
    case STEP_SASL_FINAL: sasl_final(client, body, frame.body_size); break;
    case STEP_STARTUP:
    case STEP_DERIVING:
    case STEP_DONE: abort(); /* client_auth_input reads no message in these steps */
    }
    return total;
}

size_t client_auth_input(struct client *client, const uint8_t *data, size_t size)
{
    if (!client->login) client->login = memory_zalloc(sizeof *client->login);
    size_t used = 0;
    while (used < size && client->state <= CLIENT_AUTHENTICATING) {
        enum step step = client->login->step;
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
