#ifndef PROXY_UNIX_SOCKET_H
#define PROXY_UNIX_SOCKET_H

#include "proxy/error.h"

/*
 * A Unix socket bound to `path`, non-blocking and close-on-exec, its file with this mode; not listening yet. A socket file that nobody listens on is
 * removed first: a process that died left it. -1 with the reason; `setting` is what the reason tells people to look at. The caller
 * owns the descriptor, and unlinks the file when it is done.
 */
int unix_socket_bind(const char *path, unsigned mode, const char *setting, struct error *error) __attribute__((warn_unused_result));

#endif
