#ifndef PROXY_TAKEOVER_CHANNEL_H
#define PROXY_TAKEOVER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/error.h"

/*
 * What two pgturnstiles of one machine say to each other during a restart: datagrams over a Unix socket of their own (SOCK_SEQPACKET), the older's
 * answer with its listening sockets in it. Both ends make sure that the other is the same user, or root.
 *
 *   younger                              older
 *   HELLO                         ->
 *                                 <-     SOCKETS (listening sockets), or REFUSED and why
 *   READY: it accepts             ->     accepts no more
 *                                 <-     STATE: what it knows, in a descriptor; once more when it ends
 *   ALLOW n, CANCEL key, STOP     ->
 *                                 <-     REPORT
 */
enum takeover_kind {
    TAKEOVER_HELLO = 1,
    TAKEOVER_SOCKETS,
    TAKEOVER_REFUSED,
    TAKEOVER_READY,
    TAKEOVER_STATE,
    TAKEOVER_REPORT,
    TAKEOVER_ALLOW,
    TAKEOVER_CANCEL,
    TAKEOVER_STOP
};
enum { TAKEOVER_VERSION = 2, TAKEOVER_SOCKETS_MAX = 64 };
/* What a listening socket is for; they are handed over in this order. */
enum takeover_use { TAKEOVER_FOR_CLIENTS, TAKEOVER_FOR_ADMINS, TAKEOVER_FOR_HTTP, TAKEOVER_USES };

struct takeover_message {
    uint32_t version, kind;
    uint32_t pid;                 /* HELLO, SOCKETS: the sender's; CANCEL: of the key */
    uint32_t secret;              /* CANCEL */
    uint32_t is_activated;        /* SOCKETS: they are the service manager's */
    uint32_t uses[TAKEOVER_USES]; /* SOCKETS: how many for each */
    uint32_t allowed, held;       /* REPORT, ALLOW */
    uint32_t clients, demand;     /* REPORT */
    char text[256];               /* REFUSED */
};

/* Descriptors that came with a message, or go with it. */
struct takeover_sockets {
    int fds[TAKEOVER_SOCKETS_MAX];
    size_t count;
};

/* A socket that listens, under a name of this process beside `path`. -1 with `error`, also when something that is no socket is at `path`. */
int takeover_channel_listen(const char *path, struct error *error);
/* From here on it is the one at `path`, in one step also when somebody else's is there. -1 with errno. */
int takeover_channel_publish(const char *path);
/* What takeover_channel_listen has made goes, if it was not published. */
void takeover_channel_withdraw(const char *path);
/* Accept; -1: nobody there, or nobody we trust. */
int takeover_channel_accept(int listener);
/* Connect; calls wait at most `patience_s`. -1 with `error`. */
int takeover_channel_connect(const char *path, int patience_s, struct error *error);
/* Fills in the version. `sockets` may be NULL. False: the other does not take it. */
bool takeover_channel_send(int fd, enum takeover_kind kind, struct takeover_message *message, const struct takeover_sockets *sockets);

/* END: the other is gone, or talks nonsense. `sockets` (NULL: none are taken) belong to the caller afterwards. */
enum takeover_received { TAKEOVER_GOT, TAKEOVER_NOTHING, TAKEOVER_END };
enum takeover_received takeover_channel_receive(int fd, struct takeover_message *message_out, struct takeover_sockets *sockets_out);

#endif
