#ifndef PROXY_CLIENT_LOGIN_H
#define PROXY_CLIENT_LOGIN_H

#include "protocol/frontend.h"
#include "protocol/scram.h"
#include "proxy/client.h"

/*
 * What is kept about a client while it logs in, for client_auth.c (what it wants), client_proof.c (who it is) and startup_settings.c (what it brings).
 */

/* What the client's next message must be. */
enum client_login_step { STEP_STARTUP, STEP_PASSWORD, STEP_MD5, STEP_SASL_FIRST, STEP_SASL_FINAL, STEP_DERIVING, STEP_DONE };

struct client_login {
    enum client_login_step step;
    bool had_ssl_request, had_gssenc_request;
    uint8_t *packet;                /* the startup packet: names point into it */
    struct bytes_reader parameters; /* for frontend_next_parameter */
    struct config *config;          /* the snapshot that this login began with */
    struct userlist_user *user;     /* NULL: unknown, or trust */
    uint8_t md5_salt[4];
    struct scram_secret secret;
    struct scram_exchange *exchange;
    struct client *next_deriving; /* of commons->deriving */
};

#endif
