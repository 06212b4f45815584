/*
 * A datagram a line, in the form that glibc's syslog(3) gives it (RFC 3164 without the host name).
 * Invariant: no call blocks. A daemon that was restarted is found again: the old connection says so by an error.
 */
#include "proxy/log_syslog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_SIZE_MAX = 2304 };

static bool connect_sink(struct log_syslog *sink)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, sink->path, sizeof address.sun_path);
    sink->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (sink->fd < 0) return false;
    if (connect(sink->fd, (const struct sockaddr *)&address, sizeof address) == 0) return true;
    close(sink->fd);
    sink->fd = -1;
    return false;
}

void log_syslog_open(struct log_syslog *sink, const char *path, const char *ident, int facility)
{
    *sink = (struct log_syslog){.fd = -1, .facility = facility};
    snprintf(sink->path, sizeof sink->path, "%s", *path ? path : "/dev/log");
    snprintf(sink->ident, sizeof sink->ident, "%s", ident);
    connect_sink(sink);
}

bool log_syslog_write(struct log_syslog *sink, int severity, const char *text, size_t size)
{
    char message[MESSAGE_SIZE_MAX], when[sizeof "Jan 01 00:00:00"];
    struct tm local;
    time_t now = time(NULL);
    localtime_r(&now, &local);
    strftime(when, sizeof when, "%b %e %H:%M:%S", &local);
    int length = snprintf(message, sizeof message, "<%d>%s %s[%ld]: %.*s", sink->facility | severity, when, sink->ident, (long)getpid(),
                          (int)size, text);
    if (length < 0) return false;
    if ((size_t)length >= sizeof message) length = sizeof message - 1;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (sink->fd < 0 && !connect_sink(sink)) return false;
        if (send(sink->fd, message, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return false;
        log_syslog_close(sink);
    }
    return false;
}

void log_syslog_close(struct log_syslog *sink)
{
    if (sink->fd >= 0) close(sink->fd);
    sink->fd = -1;
}
