/*
 * Binding Unix sockets. Not for: listening, accepting.
 */
#include "proxy/unix_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) || !S_ISSOCK(status.st_mode)) return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) && errno == ECONNREFUSED) unlink(address->sun_path);
    close(fd);
}

int unix_socket_bind(const char *path, unsigned mode, const char *setting, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path) {
        error_set(error, "", "\"%s\" is too long for a socket address (%zu bytes); check %s", path, sizeof address.sun_path, setting);
        return -1;
    }
    memcpy(address.sun_path, path, size + 1);
    remove_stale(&address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (is_bound && chmod(path, mode) == 0) return fd;
    error_set(error, "", "cannot listen on \"%s\": %s; check %s", path, strerror(errno), setting);
    if (is_bound) unlink(path);
    if (fd >= 0) close(fd);
    return -1;
}
