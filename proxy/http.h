#ifndef PROXY_HTTP_H
#define PROXY_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/error.h"

/*
 * A small HTTP server for people and monitoring, on libmicrohttpd's own thread: GET and HEAD of a few pages, nothing that changes anything. It knows
 * nothing of what the pages say.
 *
 * It is meant for the loopback interface or a Unix socket. There, a request must name its host as `localhost` or by a numeric address: so a
 * web site that has its own name point to 127.0.0.1 learns nothing.
 */
struct http_options {
    const char *listen; /* "127.0.0.1:9630", "[::1]:9630", "localhost:9630", or the path of a Unix socket */
    bool allows_remote; /* another address than loopback, and any Host, is meant */
    unsigned unix_mode;
};

struct http_request {
    const char *path;                                                              /* from '/', without the query */
    const char *accept;                                                            /* the header; "" when there is none */
    const char *(*argument)(const struct http_request *request, const char *name); /* of the query string; NULL: none */
    void *connection;
};

struct http_reply { /* zeroed before the call: not found */
    unsigned status;
    const char *content_type; /* a constant */
    char *body;               /* from malloc; HTTP frees it. NULL: empty */
    size_t size;
};

/* Called on HTTP's thread, one request at a time. */
typedef void http_answer(void *context, const struct http_request *request, struct http_reply *reply_out);

struct http;
/* NULL with the reason in `error`. */
struct http *http_start(const struct http_options *options, http_answer *answer, void *context, struct error *error);
/* Waits for the request at hand. Harmless on NULL. */
void http_stop(struct http **http);

#endif
