/*
 * Listening sockets. It accepts and hands over; what a connection is for is not its concern.
 */
#include "proxy/listener.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/inherited.h"
#include "proxy/log.h"
#include "proxy/memory.h"
#include "proxy/unix_socket.h"

enum { SOCKETS_MAX = 64, ACCEPTS_A_TURN = 64 };
static const double PAUSE_SECONDS = 0.1;

struct socket_entry {
    struct listeners *owner;
    ev_io watcher;
    bool is_unix;
};

struct listeners {
    struct ev_loop *loop;
    listener_accepted *accepted;
    void *context;
    ev_timer pause;
    struct socket_entry sockets[SOCKETS_MAX];
    size_t count;
    bool is_held; /* listeners_pause */
    char unix_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void start_all(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) ev_io_start(listeners->loop, &listeners->sockets[i].watcher);
}

static void stop_all(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) ev_io_stop(listeners->loop, &listeners->sockets[i].watcher);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    struct listeners *listeners = timer->data;
    if (!listeners->is_held) start_all(listeners);
}

static void pause_accepting(struct listeners *listeners, int why)
{
    stop_all(listeners);
    ev_timer_set(&listeners->pause, PAUSE_SECONDS, 0.);
    ev_timer_start(listeners->loop, &listeners->pause);
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "accept_paused");
    log_text(&line, "error", strerror(why));
    log_text(&line, "hint", "raise the limit of open files (ulimit -n, LimitNOFILE)");
    log_end(&line);
}

static void on_acceptable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct socket_entry *entry = watcher->data;
    struct listeners *listeners = entry->owner;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct listener_peer peer = {.address_size = sizeof peer.address, .is_unix = entry->is_unix};
        int fd = accept4(watcher->fd, (struct sockaddr *)&peer.address, &peer.address_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listeners->accepted(fd, &peer, listeners->context);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(listeners, errno);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return; /* EAGAIN: all are taken; anything else was the peer's fault */
        }
    }
}

static int add_socket(struct listeners *listeners, int fd, bool is_unix, int backlog)
{
    if (listeners->count == SOCKETS_MAX) {
        errno = ENOSPC;
        return -1;
    }
    if (listen(fd, backlog)) return -1;
    struct socket_entry *entry = &listeners->sockets[listeners->count++];
    entry->owner = listeners;
    entry->is_unix = is_unix;
    ev_io_init(&entry->watcher, on_acceptable, fd, EV_READ);
    entry->watcher.data = entry;
    return 0;
}

/* ---- sockets that listen already ---- */

/* As add_socket, and the descriptor is closed when that fails. */
static int add_inherited(struct listeners *listeners, int fd, bool is_unix, int backlog)
{
    if (add_socket(listeners, fd, is_unix, backlog) == 0) return 0;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int use_activated(struct listeners *listeners, const struct listener_options *options, struct error *error)
{
    for (size_t i = 0; i < options->inherited_count; i++) {
        struct sockaddr_storage bound = {0};
        socklen_t size = sizeof bound;
        int fd = options->inherited[i];
        if (!inherited_adapt(fd)) continue;
        options->inherited[i] = -1;
        bool is_known = getsockname(fd, (struct sockaddr *)&bound, &size) == 0;
        if (add_inherited(listeners, fd, is_known && bound.ss_family == AF_UNIX, options->backlog) == 0) continue;
        error_set(error, "", "cannot listen on a socket of the service manager: %s", strerror(errno));
        return -1;
    }
    if (listeners->count > 0) return 0;
    error_set(error, "", "the service manager gave no stream socket that listens");
    return -1;
}

/* ---- new ones ---- */

static int open_address(struct listeners *listeners, const struct addrinfo *address, const struct listener_options *options)
{
    int inherited = inherited_take(options->inherited, options->inherited_count, address->ai_addr);
    if (inherited >= 0) return add_inherited(listeners, inherited, false, options->backlog);
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, address->ai_addr, address->ai_addrlen) || add_socket(listeners, fd, false, options->backlog)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return 0;
}

static int open_tcp(struct listeners *listeners, const char *name, const struct listener_options *options, struct error *error)
{
    char port[16];
    snprintf(port, sizeof port, "%d", options->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    bool is_all = strcmp(name, "*") == 0;
    int failed = getaddrinfo(is_all ? NULL : name, port, &hints, &found);
    if (failed) {
        error_set(error, "", "cannot listen on \"%s\": %s; check listen_addr", name, gai_strerror(failed));
        return -1;
    }
    int opened = 0;
    for (const struct addrinfo *address = found; address; address = address->ai_next) {
        if (open_address(listeners, address, options) == 0) {
            opened++;
        } else if (!(is_all && errno == EAFNOSUPPORT)) {
            error_set(error, "", "cannot listen on \"%s\" port %d: %s; is another server using it? check listen_addr and listen_port", name,
                      options->port, strerror(errno));
            opened = -1;
            break;
        }
    }
    freeaddrinfo(found);
    return opened > 0 ? 0 : -1;
}

/* 0, or -1 with errno. */
static int set_group(const char *path, const char *name)
{
    if (!name || !*name) return 0;
    errno = 0;
    const struct group *group = getgrnam(name);
    if (group) return chown(path, (uid_t)-1, group->gr_gid);
    if (errno == 0) errno = EINVAL;
    return -1;
}

static int open_unix(struct listeners *listeners, const struct listener_options *options, struct error *error)
{
    const char *setting = options->unix_setting ? options->unix_setting : "unix_socket_dir";
    char path[sizeof listeners->unix_path];
    int size = snprintf(path, sizeof path, "%s/.s.PGSQL.%d", options->unix_directory, options->port);
    if (size < 0 || (size_t)size >= sizeof path) {
        error_set(error, "", "%s \"%s\" is too long for a socket address (%zu bytes)", setting, options->unix_directory, sizeof path);
        return -1;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, sizeof path);
    int inherited = inherited_take(options->inherited, options->inherited_count, (const struct sockaddr *)&address);
    if (inherited >= 0 && add_inherited(listeners, inherited, true, options->backlog) == 0) {
        if (!options->keeps_inherited_file) memcpy(listeners->unix_path, path, sizeof listeners->unix_path);
        return 0;
    }
    int fd = unix_socket_bind(path, options->unix_mode, setting, error);
    if (fd < 0) return -1;
    if (set_group(path, options->unix_group) || add_socket(listeners, fd, true, options->backlog)) {
        error_set(error, "", "cannot listen on \"%s\": %s; check %s", path, strerror(errno), setting);
        unlink(path);
        close(fd);
        return -1;
    }
    memcpy(listeners->unix_path, path, sizeof listeners->unix_path);
    return 0;
}

static int open_addresses(struct listeners *listeners, const struct listener_options *options, struct error *error)
{
    char *names = memory_strdup(options->addresses), *rest = names;
    int failed = 0;
    for (char *name; !failed && (name = strsep(&rest, ", \t"));)
        if (*name) failed = open_tcp(listeners, name, options, error);
    free(names);
    if (!failed && *options->unix_directory) failed = open_unix(listeners, options, error);
    return failed;
}

struct listeners *listeners_open(struct ev_loop *loop, const struct listener_options *options, listener_accepted *accepted, void *context,
                                 struct error *error)
{
    struct listeners *listeners = memory_zalloc(sizeof *listeners);
    listeners->loop = loop;
    listeners->accepted = accepted;
    listeners->context = context;
    ev_timer_init(&listeners->pause, on_pause_over, PAUSE_SECONDS, 0.);
    listeners->pause.data = listeners;
    int failed = options->is_activated ? use_activated(listeners, options, error) : open_addresses(listeners, options, error);
    if (failed) {
        listeners_close(&listeners);
        return NULL;
    }
    start_all(listeners);
    return listeners;
}

size_t listeners_descriptors(const struct listeners *listeners, int *fds, size_t size)
{
    size_t count = 0;
    for (; count < listeners->count && count < size; count++) fds[count] = listeners->sockets[count].watcher.fd;
    return count;
}

void listeners_leave(struct listeners **listeners)
{
    if (*listeners) *(*listeners)->unix_path = '\0';
    listeners_close(listeners);
}

void listeners_pause(struct listeners *listeners)
{
    listeners->is_held = true;
    stop_all(listeners);
}

void listeners_resume(struct listeners *listeners)
{
    listeners->is_held = false;
    if (!ev_is_active(&listeners->pause)) start_all(listeners);
}

void listeners_close(struct listeners **listeners_pointer)
{
    struct listeners *listeners = *listeners_pointer;
    if (!listeners) return;
    *listeners_pointer = NULL;
    stop_all(listeners);
    ev_timer_stop(listeners->loop, &listeners->pause);
    for (size_t i = 0; i < listeners->count; i++) close(listeners->sockets[i].watcher.fd);
    if (*listeners->unix_path) unlink(listeners->unix_path);
    free(listeners);
}
