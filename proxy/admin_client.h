#ifndef PROXY_ADMIN_CLIENT_H
#define PROXY_ADMIN_CLIENT_H

#include <stdbool.h>

#include "proxy/error.h"
#include "proxy/text_table.h"

/* The console of a running pgturnstile, over libpq. Calls wait for the answer. */
struct admin_target {
    const char *host; /* a name, an address, the directory of a Unix socket, or the path of the socket; NULL: $PGHOST, or 127.0.0.1 */
    bool is_socket;   /* `host` is a path, also a relative one */
    const char *port; /* NULL: that of the socket's path, $PGPORT, or 6432 */
    const char *user; /* NULL: as libpq chooses */
};

struct admin_client;
struct admin_client *admin_client_open(const struct admin_target *target, struct error *error); /* NULL with `error` */
void admin_client_close(struct admin_client **client);
/* Where it is connected to, for a person. */
const char *admin_client_peer(const struct admin_client *client);
/* SHOW `what`, which is words; NULL with `error`. */
struct text_table *admin_client_show(struct admin_client *client, const char *what, struct error *error);
/* After a failure: the connection still works, so it was only that question which was not understood. */
bool admin_client_is_alive(const struct admin_client *client);

#endif
