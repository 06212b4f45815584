/*
 * The floor for the benchmark: passes bytes between each client and a server connection of its own, one receive and one send for each
 * piece. It is not a proxy: it pools nothing, looks at nothing, and stands still while a peer does not read.
 *
 * Usage: relay LISTEN_PORT SERVER_PORT, both on 127.0.0.1. It prints "ready" once clients can connect.
 *
 * Invariants: peer_of[fd] is the other side of an open pair and 0 for any other descriptor. Descriptors are closed only between two
 * rounds of events, so that no event of a round can meet a number that was given out again.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_DESCRIPTORS = 65536, EVENTS_PER_ROUND = 256, PIECE_BYTES = 16384 };

static int peer_of[MAX_DESCRIPTORS];

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int listen_on(struct sockaddr_in address)
{
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) fail("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) fail("SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    if (listen(fd, SOMAXCONN) != 0) fail("listen");
    return fd;
}

static void watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static void accept_pair(int epoll_fd, int listener, struct sockaddr_in server_address)
{
    int on = 1;
    int client = accept(listener, NULL, NULL);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0 || server < 0 || client >= MAX_DESCRIPTORS || server >= MAX_DESCRIPTORS) fail("accept");
    if (connect(server, (struct sockaddr *)&server_address, sizeof server_address) != 0) fail("connect");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer_of[client] = server;
    peer_of[server] = client;
    watch(epoll_fd, client);
    watch(epoll_fd, server);
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Moves one piece; false when one of the two sides is gone. */
static bool pass_on(int from)
{
    static char piece[PIECE_BYTES];
    ssize_t got = recv(from, piece, sizeof piece, 0);
    return got > 0 && send_all(peer_of[from], piece, (size_t)got);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: relay LISTEN_PORT SERVER_PORT\n");
        return 2;
    }
    struct sockaddr_in server_address = loopback(argv[2]);
    int listener = listen_on(loopback(argv[1]));
    int epoll_fd = epoll_create1(0);
    if (epoll_fd < 0) fail("epoll_create1");
    watch(epoll_fd, listener);
    puts("ready");
    fflush(stdout);

    for (;;) {
        struct epoll_event events[EVENTS_PER_ROUND];
        int ended[2 * EVENTS_PER_ROUND];
        int ended_count = 0;
        int count = epoll_wait(epoll_fd, events, EVENTS_PER_ROUND, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_pair(epoll_fd, listener, server_address);
            } else if (peer_of[fd] != 0 && !pass_on(fd)) {
                ended[ended_count++] = fd;
                ended[ended_count++] = peer_of[fd];
                peer_of[peer_of[fd]] = 0;
                peer_of[fd] = 0;
            }
        }
        for (int i = 0; i < ended_count; i++) close(ended[i]);
    }
}
