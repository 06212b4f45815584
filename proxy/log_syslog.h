#ifndef PROXY_LOG_SYSLOG_H
#define PROXY_LOG_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Lines to the syslog daemon of this machine, over its Unix socket. syslog(3) waits when the daemon does not read; this never does.
 * Not safe for more than one thread at a time: log.c holds its mutex.
 */
struct log_syslog {
    int fd; /* -1: not connected; tried again with each line */
    char path[108];
    char ident[64];
    int facility; /* as in <syslog.h>, shifted already */
};

/* `path` "" is /dev/log. Connects; that this fails is no error. */
void log_syslog_open(struct log_syslog *sink, const char *path, const char *ident, int facility);
/* One line without its newline. `severity` as in <syslog.h>. Whether the daemon took it. */
bool log_syslog_write(struct log_syslog *sink, int severity, const char *text, size_t size);
void log_syslog_close(struct log_syslog *sink);

#endif
