/* Listening sockets of others: which is which. Not for: what is done with them. */
#include "proxy/inherited.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static bool is_listening_stream(int fd)
{
    int type = 0, is_listening = 0;
    socklen_t size = sizeof type, size2 = sizeof is_listening;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size2) == 0 && is_listening;
}

static bool is_same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family) return false;
    if (a->sa_family == AF_UNIX) return strcmp(((const struct sockaddr_un *)a)->sun_path, ((const struct sockaddr_un *)b)->sun_path) == 0;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)a, *y = (const struct sockaddr_in *)b;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a, *y = (const struct sockaddr_in6 *)b;
    return a->sa_family == AF_INET6 && x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
           memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

bool inherited_adapt(int fd)
{
    return fd >= 0 && is_listening_stream(fd) && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

int inherited_take(int *fds, size_t count, const struct sockaddr *address)
{
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_storage bound = {0};
        socklen_t size = sizeof bound;
        int fd = fds[i];
        if (!inherited_adapt(fd) || getsockname(fd, (struct sockaddr *)&bound, &size) ||
            !is_same_address((struct sockaddr *)&bound, address))
            continue;
        fds[i] = -1;
        return fd;
    }
    return -1;
}
