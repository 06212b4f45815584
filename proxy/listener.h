#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "proxy/error.h"

/*
 * Listening sockets: TCP and Unix. Accepted descriptors are non-blocking and close-on-exec. When the process is out of descriptors or memory,
 * accepting pauses for a moment and resumes; the kernel's backlog keeps those who wait.
 */
struct listener_options {
    const char *addresses; /* comma list; "*" is all; "" is none */
    int port;
    int backlog;
    const char *unix_directory; /* "" is none */
    unsigned unix_mode;
    const char *unix_group;   /* NULL or "": as it is made */
    const char *unix_setting; /* what to check when it fails; NULL: unix_socket_dir */
    /*
     * Sockets that listen already, -1 for none. One that is bound to an address above takes the place of a new one: it is the listeners' from then
     * on, and -1 is put in its place. The others stay the caller's. `is_activated`: all of them are taken, and the addresses above are not looked at.
     */
    int *inherited;
    size_t inherited_count;
    bool is_activated;
    bool keeps_inherited_file; /* the file of an inherited Unix socket is a service manager's */
};

struct listener_peer {
    struct sockaddr_storage address;
    socklen_t address_size;
    bool is_unix;
    bool is_admin; /* the caller's: it came by the admin socket */
};

struct listeners;
/* Called for each new connection; the callee owns `fd`. */
typedef void listener_accepted(int fd, const struct listener_peer *peer, void *context);
struct listeners *listeners_open(struct ev_loop *loop, const struct listener_options *options, listener_accepted *accepted, void *context,
                                 struct error *error);
/* Let newcomers wait in the kernel, until listeners_resume. */
void listeners_pause(struct listeners *listeners);
void listeners_resume(struct listeners *listeners);
/* Stop accepting; the Unix socket's file is removed, unless the socket is a service manager's. */
void listeners_close(struct listeners **listeners);
/* The same without removing the file: another process goes on with the socket. */
void listeners_leave(struct listeners **listeners);
/* Up to `size` descriptors, for another process; they stay ours. */
size_t listeners_descriptors(const struct listeners *listeners, int *fds_out, size_t size);

#endif
