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
 *
 * At most 64 connections are held. One more is taken all the same, and the one that has not sent a whole request for longest is closed: so connections that say nothing, or half
 * a request, keep nobody out.
 */
struct http_options {
    const char *listen; /* "127.0.0.1:9630", "[::1]:9630", "localhost:9630", or the path of a Unix socket */
    bool allows_remote; /* another address than loopback, and any Host, is meant */
    unsigned unix_mode;
    /* Sockets that listen already (inherited.h): one that is bound to the address above is taken, and no new one is made. */
    int *inherited;
    size_t inherited_count;
    bool keeps_inherited_file; /* the file of such a Unix socket is a service manager's */
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
/* Listens, and answers nobody before http_run. NULL with the reason in `error`. */
struct http *http_open(const struct http_options *options, http_answer *answer, void *context, struct error *error);
/* 0, or -1 with `error`. */
int http_run(struct http *http, struct error *error);
/* The socket, for another process to go on with; it stays ours. */
int http_descriptor(const struct http *http);
/* That other process listens now: nobody new is taken here, and whoever is connected is answered once more and then let go. */
void http_leave(struct http *http);
/* Waits for the request at hand. A Unix socket's file goes, unless it was left to somebody. Harmless on NULL. */
void http_stop(struct http **http);

#endif
