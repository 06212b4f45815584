/*
 * Who a client is. Not for: what it asks for (client_auth.c).
 *
 * Invariants: an unknown user and a wrong password cannot be told apart; no password is derived on this thread.
 */
#include "proxy/client_proof.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/password.h"
#include "proxy/log.h"
#include "proxy/memory.h"

enum { ANSWER_MAX = 2 * SCRAM_MESSAGE_SIZE_MAX, NAME_SIZE_MAX = 64 };

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

static struct bytes_writer write_answer(uint8_t buffer[ANSWER_MAX], enum backend_authentication code, const void *data, size_t size)
{
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, ANSWER_MAX);
    backend_write_authentication(&writer, code, data, size);
    assert(!writer.has_failed);
    return writer;
}

static void ask(struct client *client, enum backend_authentication code, const void *data, size_t size)
{
    uint8_t buffer[ANSWER_MAX];
    struct bytes_writer answer = write_answer(buffer, code, data, size);
    stream_write(&client->stream, buffer, answer.size);
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

void client_proof_leave(struct client *client)
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
        struct bytes_writer answer = write_answer(buffer, BACKEND_AUTH_SASL_FINAL, server_final, strlen(server_final));
        stream_withhold(&client->stream, buffer, answer.size);
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

/* ---- which of them ---- */

void client_proof_begin(struct client *client)
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

void client_proof_message(struct client *client, const uint8_t *body, size_t size)
{
    switch (client->login->step) {
    case STEP_PASSWORD:
    case STEP_MD5: password_message(client, body, size); break;
    case STEP_SASL_FIRST: sasl_first(client, body, size); break;
    case STEP_SASL_FINAL: sasl_final(client, body, size); break;
    case STEP_STARTUP:
    case STEP_DERIVING:
    case STEP_DONE: abort(); /* no message is read in these steps */
    }
}
