/* The protocols of sd_notify(3) and sd_listen_fds(3), which systemd promises to keep as they are. */
#include "proxy/service_manager.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/clock.h"

enum { FIRST_SOCKET = 3 };

/* A variable that holds a number greater than 0, else 0. */
static unsigned long long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    unsigned long long number = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    return number > 0 && *end == '\0' ? number : 0;
}

/* Whether the variable, where it is set, names this process. */
static bool is_for_us(const char *name)
{
    return !getenv(name) || number_of(name) == (unsigned long long)getpid();
}

size_t service_manager_sockets(int *first_out)
{
    *first_out = FIRST_SOCKET;
    unsigned long long count = getenv("LISTEN_PID") && is_for_us("LISTEN_PID") ? number_of("LISTEN_FDS") : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return count < 1024 ? (size_t)count : 0;
}

void service_manager_notify(const char *format, ...)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || (*path != '/' && *path != '@')) return;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path) return;
    memcpy(address.sun_path, path, size);
    if (*path == '@') address.sun_path[0] = '\0';

    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    ssize_t sent = sendto(fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, address_size);
    (void)sent;
    close(fd);
}

void service_manager_ready(void)
{
    service_manager_notify("READY=1\nMAINPID=%ld", (long)getpid());
}

void service_manager_reloading(void)
{
    service_manager_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_now_us());
}

void service_manager_stopping(void)
{
    service_manager_notify("STOPPING=1");
}

int64_t service_manager_watchdog_us(void)
{
    return is_for_us("WATCHDOG_PID") ? (int64_t)(number_of("WATCHDOG_USEC") & INT64_MAX) : 0;
}

void service_manager_alive(void)
{
    service_manager_notify("WATCHDOG=1");
}
