/*
 * What listens: opened at the start, handed on to a younger process, closed at the end.
 */
#include "proxy/entrance.h"

#include <unistd.h>

static void on_client(int fd, const struct listener_peer *peer, void *context)
{
    const struct entrance *entrance = context;
    client_new(entrance->client_host, fd, peer);
}

static void on_admin(int fd, const struct listener_peer *peer, void *context)
{
    struct listener_peer known = *peer;
    known.is_admin = true;
    on_client(fd, &known, context);
}

static int open_to_admins(struct entrance *entrance, struct takeover_sockets *sockets, struct error *error)
{
    struct commons *commons = entrance->pools->commons;
    const struct settings *settings = &commons->config->settings;
    if (!*settings->admin_socket) return 0;
    struct listener_options options = {.addresses = "",
                                       .port = (int)settings->listen_port,
                                       .backlog = (int)settings->listen_backlog,
                                       .unix_directory = settings->admin_socket,
                                       .unix_mode = (unsigned)settings->admin_socket_mode,
                                       .unix_group = settings->admin_socket_group,
                                       .unix_setting = "admin_socket",
                                       .inherited = sockets->fds,
                                       .inherited_count = sockets->count};
    entrance->admins = listeners_open(commons->loop, &options, on_admin, entrance, error);
    return entrance->admins ? 0 : -1;
}

static int open_to_clients(struct entrance *entrance, struct takeover_sockets *sockets, bool is_activated, struct error *error)
{
    struct commons *commons = entrance->pools->commons;
    const struct settings *settings = &commons->config->settings;
    struct listener_options options = {.addresses = settings->listen_addr,
                                       .port = (int)settings->listen_port,
                                       .backlog = (int)settings->listen_backlog,
                                       .unix_directory = settings->unix_socket_dir,
                                       .unix_mode = (unsigned)settings->unix_socket_mode,
                                       .inherited = sockets->fds,
                                       .inherited_count = sockets->count,
                                       .is_activated = is_activated};
    entrance->clients = listeners_open(commons->loop, &options, on_client, entrance, error);
    return entrance->clients ? 0 : -1;
}

static int open_to_http(struct entrance *entrance, bool takes_over, struct error *error)
{
    const struct settings *settings = &entrance->pools->commons->config->settings;
    if (!*settings->http_listen) return 0;
    struct http_pages_options options = {.http = {.listen = settings->http_listen,
                                                  .allows_remote = settings->http_allow_remote,
                                                  .unix_mode = (unsigned)settings->http_socket_mode},
                                         .waits_for_address = takes_over};
    entrance->pages = http_pages_start(entrance->pools, &options, error);
    return entrance->pages ? 0 : -1;
}

int entrance_open(struct entrance *entrance, struct takeover_sockets *sockets, bool is_activated, bool takes_over, struct error *error)
{
    /* The console's first, so that a socket that is meant for it is not taken for one of clients. */
    int failed = open_to_admins(entrance, sockets, error);
    if (!failed) failed = open_to_clients(entrance, sockets, is_activated, error);
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->fds[i] >= 0) close(sockets->fds[i]);
    sockets->count = 0;
    return failed ? failed : open_to_http(entrance, takes_over, error);
}

void entrance_pause(struct entrance *entrance)
{
    if (entrance->clients) listeners_pause(entrance->clients);
}

void entrance_resume(struct entrance *entrance)
{
    if (entrance->clients) listeners_resume(entrance->clients);
}

void entrance_close_to_clients(struct entrance *entrance)
{
    listeners_close(&entrance->clients);
}

void entrance_close(struct entrance *entrance)
{
    listeners_close(&entrance->clients);
    listeners_close(&entrance->admins);
    http_pages_stop(&entrance->pages);
}

bool entrance_offer(const struct entrance *entrance, struct takeover_sockets *sockets_out)
{
    if (!entrance->clients) return false;
    size_t count = listeners_descriptors(entrance->clients, sockets_out->fds, TAKEOVER_SOCKETS_MAX);
    if (entrance->admins) count += listeners_descriptors(entrance->admins, sockets_out->fds + count, TAKEOVER_SOCKETS_MAX - count);
    sockets_out->count = count;
    return true;
}

void entrance_leave(struct entrance *entrance)
{
    listeners_leave(&entrance->clients);
    listeners_leave(&entrance->admins);
    http_pages_stop(&entrance->pages); /* the other may be waiting for the address */
}
