/*
 * A crowd for the fairness benchmark: groups of clients that ask for the same transaction again and again, and how long each had to wait.
 *
 * Usage: crowd PORT WARM_SECONDS SECONDS GROUP...
 * A GROUP is USER/DATABASE/CLIENTS/MILLISECONDS/STATEMENTS, the statements separated by semicolons and each asked once the one before is
 * answered; MILLISECONDS is what the transaction takes by itself. The proxy on 127.0.0.1 must trust the users.
 *
 * All clients connect first, then all begin at once. The waits of transactions begun in the WARM_SECONDS do not count. After SECONDS more
 * nobody begins another, and what was begun is answered, also if that takes long: a wait is the whole time from the first statement
 * to the last answer, less MILLISECONDS. Prints a line of JSON for each group; `transactions` are those answered within SECONDS, `failures`
 * are errors, connections that ended and clients without an answer.
 *
 * Invariant: a client is in exactly one state; only CLIENT_ASKING has a time of asking.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_GROUPS = 8, MAX_STATEMENTS = 4, MAX_SQL_BYTES = 200, INPUT_BYTES = 8192, EVENTS_PER_ROUND = 256, DRAIN_SECONDS = 40 };

enum client_state { CLIENT_CONNECTING, CLIENT_RESTING, CLIENT_ASKING, CLIENT_LOST };

struct group {
    char user[64];
    char database[64];
    char statements[MAX_STATEMENTS][MAX_SQL_BYTES];
    int statement_count;
    int client_count;
    double own_ms;
    double *waits_ms;
    size_t wait_count;
    size_t wait_capacity;
    uint64_t transactions;
    uint64_t failures;
    char first_error[200];
};

struct client {
    int fd;
    struct group *group;
    enum client_state state;
    int statement;
    double asked_at;
    bool is_failed;
    size_t have;
    unsigned char input[INPUT_BYTES];
};

static struct group groups[MAX_GROUPS];
static int group_count;
static double counts_from;
static double counts_until;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint32_t get_be32(const unsigned char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return ntohl(value);
}

static void put_be32(unsigned char *bytes, size_t value)
{
    uint32_t order = htonl((uint32_t)value);
    memcpy(bytes, &order, sizeof order);
}

static void note_failure(struct group *group, const char *text)
{
    if (group->failures++ == 0) snprintf(group->first_error, sizeof group->first_error, "%s", text);
}

static void lose(struct client *client, const char *why)
{
    if (client->state != CLIENT_LOST) note_failure(client->group, why);
    client->state = CLIENT_LOST;
    close(client->fd);
}

static void send_bytes(struct client *client, const void *bytes, size_t size)
{
    if (send(client->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) lose(client, "cannot send");
}

static void send_statement(struct client *client)
{
    unsigned char message[5 + MAX_SQL_BYTES] = {'Q'};
    const char *sql = client->group->statements[client->statement];
    size_t size = strlen(sql) + 1;
    put_be32(message + 1, 4 + size);
    memcpy(message + 5, sql, size);
    send_bytes(client, message, 5 + size);
}

static void begin_transaction(struct client *client, double now)
{
    client->state = CLIENT_RESTING;
    if (now >= counts_until) return;
    client->state = CLIENT_ASKING;
    client->statement = 0;
    client->is_failed = false;
    client->asked_at = now;
    send_statement(client);
}

static void count_transaction(struct client *client, double now)
{
    struct group *group = client->group;
    if (now >= counts_from && now < counts_until && !client->is_failed) group->transactions++;
    if (client->asked_at < counts_from) return;
    if (group->wait_count == group->wait_capacity) {
        group->wait_capacity = group->wait_capacity ? 2 * group->wait_capacity : 4096;
        group->waits_ms = realloc(group->waits_ms, group->wait_capacity * sizeof *group->waits_ms);
        if (!group->waits_ms) fail("realloc");
    }
    group->waits_ms[group->wait_count++] = (now - client->asked_at) * 1000 - group->own_ms;
}

static void on_ready(struct client *client)
{
    if (client->state == CLIENT_CONNECTING) {
        client->state = CLIENT_RESTING;
        return;
    }
    if (client->state != CLIENT_ASKING) return;
    if (++client->statement < client->group->statement_count) {
        send_statement(client);
        return;
    }
    double now = now_seconds();
    count_transaction(client, now);
    begin_transaction(client, now);
}

static void on_error(struct client *client, const unsigned char *fields, size_t size)
{
    const char *text = "an error without a message";
    for (size_t at = 0; at < size && fields[at];) {
        const unsigned char *end = memchr(fields + at, 0, size - at);
        if (!end) break;
        if (fields[at] == 'M') text = (const char *)fields + at + 1;
        at = (size_t)(end - fields) + 1;
    }
    client->is_failed = true;
    note_failure(client->group, text);
}

static void on_input(struct client *client)
{
    ssize_t got = recv(client->fd, client->input + client->have, sizeof client->input - client->have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        lose(client, "the connection ended");
        return;
    }
    client->have += (size_t)got;
    size_t at = 0;
    while (client->state != CLIENT_LOST && client->have - at >= 5) {
        size_t size = 1 + (size_t)get_be32(client->input + at + 1);
        if (size > sizeof client->input) {
            lose(client, "a message longer than expected");
            return;
        }
        if (client->have - at < size) break;
        if (client->input[at] == 'E') on_error(client, client->input + at + 5, size - 5);
        if (client->input[at] == 'Z') on_ready(client);
        at += size;
    }
    client->have -= at;
    memmove(client->input, client->input + at, client->have);
}

static void log_in(struct client *client, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned char message[256];
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (client->fd < 0) fail("socket");
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int text = snprintf((char *)message + 8, sizeof message - 8, "user%c%s%cdatabase%c%s%c", 0, client->group->user, 0, 0,
                        client->group->database, 0);
    put_be32(message, 8 + (size_t)text + 1);
    put_be32(message + 4, 3 << 16);
    message[8 + text] = 0;
    send_bytes(client, message, 8 + (size_t)text + 1);
}

static void parse_group(char *text, struct group *group)
{
    char *rest = text;
    const char *user = strsep(&rest, "/");
    const char *database = strsep(&rest, "/");
    const char *clients = strsep(&rest, "/");
    const char *own_ms = strsep(&rest, "/");
    if (!rest) {
        fprintf(stderr, "crowd: a group is USER/DATABASE/CLIENTS/MILLISECONDS/STATEMENTS\n");
        exit(1);
    }
    snprintf(group->user, sizeof group->user, "%s", user);
    snprintf(group->database, sizeof group->database, "%s", database);
    group->client_count = atoi(clients);
    group->own_ms = atof(own_ms);
    for (const char *statement; group->statement_count < MAX_STATEMENTS && (statement = strsep(&rest, ";"));)
        snprintf(group->statements[group->statement_count++], MAX_SQL_BYTES, "%s", statement);
}

static int compare(const void *one, const void *other)
{
    double left = *(const double *)one, right = *(const double *)other;
    return (left > right) - (left < right);
}

static double quantile(const struct group *group, double part)
{
    if (group->wait_count == 0) return 0;
    return group->waits_ms[(size_t)(part * (double)(group->wait_count - 1))];
}

static void report(struct group *group)
{
    if (group->wait_count > 0) qsort(group->waits_ms, group->wait_count, sizeof *group->waits_ms, compare);
    printf("{\"user\": \"%s\", \"transactions\": %llu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f, \"failures\": %llu}\n",
           group->user, (unsigned long long)group->transactions, quantile(group, 0.5), quantile(group, 0.99), quantile(group, 1),
           (unsigned long long)group->failures);
    if (group->failures > 0) fprintf(stderr, "crowd: %s: %s\n", group->user, group->first_error);
}

static int in_state(const struct client *clients, int count, enum client_state state)
{
    int found = 0;
    for (int i = 0; i < count; i++) found += clients[i].state == state;
    return found;
}

/* Until no client is in that state, or the time has come. */
static void serve(int epoll_fd, struct client *clients, int count, enum client_state state, double until)
{
    struct epoll_event events[EVENTS_PER_ROUND];
    double checked_at = 0;
    for (double now; (now = now_seconds()) < until;) {
        if (now > checked_at + 0.02) {
            checked_at = now;
            if (in_state(clients, count, state) == 0) return;
        }
        int ready = epoll_wait(epoll_fd, events, EVENTS_PER_ROUND, 20);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (client->state != CLIENT_LOST) on_input(client);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc - 4 > MAX_GROUPS) {
        fprintf(stderr, "usage: crowd PORT WARM_SECONDS SECONDS GROUP...\n");
        return 1;
    }
    int count = 0;
    for (int i = 4; i < argc; i++) {
        parse_group(argv[i], &groups[group_count]);
        count += groups[group_count++].client_count;
    }
    struct client *clients = calloc((size_t)count, sizeof *clients);
    int epoll_fd = epoll_create1(0);
    if (!clients || epoll_fd < 0) fail("crowd");
    int next = 0;
    for (int i = 0; i < group_count; i++) {
        for (int j = 0; j < groups[i].client_count; j++, next++) {
            clients[next].group = &groups[i];
            log_in(&clients[next], atoi(argv[1]));
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[next]};
            if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[next].fd, &event) != 0) fail("epoll_ctl");
        }
    }
    serve(epoll_fd, clients, count, CLIENT_CONNECTING, now_seconds() + DRAIN_SECONDS);
    if (in_state(clients, count, CLIENT_CONNECTING) > 0) fprintf(stderr, "crowd: some clients could not log in\n");

    double start = now_seconds();
    counts_from = start + atof(argv[2]);
    counts_until = counts_from + atof(argv[3]);
    for (int i = 0; i < count; i++)
        if (clients[i].state == CLIENT_RESTING) begin_transaction(&clients[i], start);
    serve(epoll_fd, clients, count, CLIENT_ASKING, counts_until + DRAIN_SECONDS);
    for (int i = 0; i < count; i++)
        if (clients[i].state == CLIENT_ASKING || clients[i].state == CLIENT_CONNECTING) note_failure(clients[i].group, "no answer");
    for (int i = 0; i < group_count; i++) report(&groups[i]);
    return 0;
}
