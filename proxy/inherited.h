#ifndef PROXY_INHERITED_H
#define PROXY_INHERITED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Listening sockets that another process made: a service manager, or the process that this one takes over from. */

/* Make it as our own ones are: non-blocking, closed on exec. False: it is no stream socket that listens; -1 is none. */
bool inherited_adapt(int fd);
/* The one that is bound to `address`, adapted: the caller's from then on, and -1 is put in its place. -1: none. */
int inherited_take(int *fds, size_t count, const struct sockaddr *address);

#endif
