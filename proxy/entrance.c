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

/* The sockets that are there already, for one use of them. */
struct known_sockets {
    int *fds;
    size_t count;
};

static struct known_sockets known_for(struct takeover_gift *gift, enum takeover_use use)
{
    if (gift->channel < 0) return (struct known_sockets){.fds = gift->sockets.fds, .count = gift->sockets.count};
    size_t first = 0;
    for (unsigned i = 0; i < use; i++) first += gift->uses[i];
    return (struct known_sockets){.fds = gift->sockets.fds + first, .count = gift->uses[use]};
}

static int open_to_admins(struct entrance *entrance, struct takeover_gift *gift, struct error *error)
{
    struct known_sockets known = known_for(gift, TAKEOVER_FOR_ADMINS);
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
                                       .inherited = known.fds,
                                       .inherited_count = known.count,
                                       .keeps_inherited_file = gift->is_activated};
    entrance->admins = listeners_open(commons->loop, &options, on_admin, entrance, error);
    return entrance->admins ? 0 : -1;
}

static int open_to_clients(struct entrance *entrance, struct takeover_gift *gift, struct error *error)
{
    struct known_sockets known = known_for(gift, TAKEOVER_FOR_CLIENTS);
    struct commons *commons = entrance->pools->commons;
    const struct settings *settings = &commons->config->settings;
    struct listener_options options = {.addresses = settings->listen_addr,
                                       .port = (int)settings->listen_port,
                                       .backlog = (int)settings->listen_backlog,
                                       .unix_directory = settings->unix_socket_dir,
                                       .unix_mode = (unsigned)settings->unix_socket_mode,
                                       .inherited = known.fds,
                                       .inherited_count = known.count,
                                       .is_activated = gift->is_activated};
    entrance->clients = listeners_open(commons->loop, &options, on_client, entrance, error);
    return entrance->clients ? 0 : -1;
}

static int open_to_http(struct entrance *entrance, struct takeover_gift *gift, struct error *error)
{
    struct known_sockets known = known_for(gift, TAKEOVER_FOR_HTTP);
    const struct settings *settings = &entrance->pools->commons->config->settings;
    if (!*settings->http_listen) return 0;
    struct http_options options = {.listen = settings->http_listen,
                                   .allows_remote = settings->http_allow_remote,
                                   .unix_mode = (unsigned)settings->http_socket_mode,
                                   .inherited = known.fds,
                                   .inherited_count = known.count,
                                   .keeps_inherited_file = gift->is_activated};
    entrance->pages = http_pages_open(entrance->pools, &options, error);
    return entrance->pages ? 0 : -1;
}

int entrance_open(struct entrance *entrance, struct takeover_gift *gift, struct error *error)
{
    struct takeover_sockets *sockets = &gift->sockets;
    /* Clients last: theirs is all that is left of a service manager's. */
    int failed = open_to_admins(entrance, gift, error);
    if (!failed) failed = open_to_http(entrance, gift, error);
    if (!failed) failed = open_to_clients(entrance, gift, error);
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->fds[i] >= 0) close(sockets->fds[i]);
    sockets->count = 0;
    return failed;
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

bool entrance_offer(const struct entrance *entrance, struct takeover_sockets *sockets_out, uint32_t uses_out[TAKEOVER_USES])
{
    if (!entrance->clients) return false;
    const size_t room = TAKEOVER_SOCKETS_MAX - 1; /* one is HTTP's */
    size_t clients = listeners_descriptors(entrance->clients, sockets_out->fds, room), count = clients;
    if (entrance->admins) count += listeners_descriptors(entrance->admins, sockets_out->fds + count, room - count);
    int http = http_pages_descriptor(entrance->pages);
    uses_out[TAKEOVER_FOR_CLIENTS] = (uint32_t)clients;
    uses_out[TAKEOVER_FOR_ADMINS] = (uint32_t)(count - clients);
    uses_out[TAKEOVER_FOR_HTTP] = http >= 0;
    if (http >= 0) sockets_out->fds[count++] = http;
    sockets_out->count = count;
    return true;
}

void entrance_leave(struct entrance *entrance)
{
    listeners_leave(&entrance->clients);
    listeners_leave(&entrance->admins);
    http_pages_leave(entrance->pages);
}
