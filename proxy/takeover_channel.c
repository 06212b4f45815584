/* The wire between two processes of a restart. What is said on it and when is takeover.c's. */
#include "proxy/takeover_channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKET_MODE = 0600, BACKLOG = 4 };

static int make_address(const char *path, struct sockaddr_un *address_out, struct error *error)
{
    *address_out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address_out->sun_path) {
        error_set(error, "", "restart_socket \"%s\" is too long for a socket address (%zu bytes)", path, sizeof address_out->sun_path);
        return -1;
    }
    strcpy(address_out->sun_path, path);
    return 0;
}

static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

/* Of the socket at `path` before it is published. */
static int make_fresh_address(const char *path, struct sockaddr_un *address_out, struct error *error)
{
    char fresh[sizeof address_out->sun_path];
    int size = snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
    if (size >= 0 && (size_t)size < sizeof fresh) return make_address(fresh, address_out, error);
    error_set(error, "", "restart_socket \"%s\" is too long for a socket address", path);
    return -1;
}

int takeover_channel_listen(const char *path, struct error *error)
{
    struct sockaddr_un address;
    struct stat there;
    if (make_fresh_address(path, &address, error)) return -1;
    if (lstat(path, &there) == 0 && !S_ISSOCK(there.st_mode)) {
        error_set(error, "", "\"%s\" exists and is no socket; check restart_socket", path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(address.sun_path);
    bool is_bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (is_bound && chmod(address.sun_path, SOCKET_MODE) == 0 && listen(fd, BACKLOG) == 0) return fd;
    error_set(error, "", "cannot listen on \"%s\": %s; check restart_socket", path, strerror(errno));
    if (is_bound) unlink(address.sun_path);
    if (fd >= 0) close(fd);
    return -1;
}

int takeover_channel_publish(const char *path)
{
    struct sockaddr_un address;
    struct error unused;
    return make_fresh_address(path, &address, &unused) ? -1 : rename(address.sun_path, path);
}

void takeover_channel_withdraw(const char *path)
{
    struct sockaddr_un address;
    struct error unused;
    if (make_fresh_address(path, &address, &unused) == 0) unlink(address.sun_path);
}

int takeover_channel_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 || is_trusted(fd)) return fd;
    close(fd);
    return -1;
}

int takeover_channel_connect(const char *path, int patience_s, struct error *error)
{
    struct sockaddr_un address;
    struct timeval patience = {.tv_sec = patience_s};
    if (make_address(path, &address, error)) return -1;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    bool is_connected = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
                        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
                        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (is_connected && is_trusted(fd)) return fd;
    if (is_connected)
        error_set(error, "", "\"%s\" belongs to another user, so nothing is taken over from it", path);
    else
        error_set(error, "", "cannot reach the running pgturnstile over \"%s\": %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

bool takeover_channel_send(int fd, enum takeover_kind kind, struct takeover_message *message, const struct takeover_sockets *sockets)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(TAKEOVER_SOCKETS_MAX * sizeof(int))];
    } control;
    message->version = TAKEOVER_VERSION;
    message->kind = kind;
    struct iovec part = {.iov_base = message, .iov_len = sizeof *message};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (sockets && sockets->count > 0) {
        memset(&control, 0, sizeof control);
        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE(sockets->count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sockets->count * sizeof(int));
        memcpy(CMSG_DATA(header), sockets->fds, sockets->count * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd, &packet, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof *message;
}

/* Keep the descriptors that came along, or close them when nobody wants any. */
static void take_sockets(struct msghdr *packet, struct takeover_sockets *sockets)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(packet); header; header = CMSG_NXTHDR(packet, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (sockets && sockets->count < TAKEOVER_SOCKETS_MAX)
                sockets->fds[sockets->count++] = fd;
            else
                close(fd);
        }
    }
}

enum takeover_received takeover_channel_receive(int fd, struct takeover_message *message, struct takeover_sockets *sockets)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(TAKEOVER_SOCKETS_MAX * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = message, .iov_len = sizeof *message};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    if (sockets) sockets->count = 0;
    ssize_t size;
    do {
        size = recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? TAKEOVER_NOTHING : TAKEOVER_END;
    if (size > 0) take_sockets(&packet, sockets);
    if (size != (ssize_t)sizeof *message || message->version != TAKEOVER_VERSION) {
        for (size_t i = 0; sockets && i < sockets->count; i++) close(sockets->fds[i]);
        if (sockets) sockets->count = 0;
        return TAKEOVER_END;
    }
    message->text[sizeof message->text - 1] = '\0';
    return TAKEOVER_GOT;
}
