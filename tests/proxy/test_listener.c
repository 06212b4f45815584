#include "proxy/listener.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/log.h"

enum { MANY = 200 };

static struct ev_loop *loop;
static struct listeners *listeners;
static struct error error;
static char directory[64], unix_path[128];
static ev_timer too_late;
static int accepted[MANY];
static int accepted_count;
static struct listener_peer last_peer;

static void fail(struct ev_loop *at_loop, ev_timer *timer, int events)
{
    (void)at_loop, (void)timer, (void)events;
    cr_assert_fail("nobody is accepted");
}

static void start(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&too_late, fail, 60., 0.);
    ev_timer_start(loop, &too_late);
    strcpy(directory, "/tmp/test_listener_XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static void end(void)
{
    listeners_close(&listeners);
    cr_expect_null(listeners);
    for (int i = 0; i < accepted_count; i++) close(accepted[i]);
    ev_timer_stop(loop, &too_late);
    ev_loop_destroy(loop);
    unlink(unix_path);
    cr_expect_eq(rmdir(directory), 0);
}

TestSuite(listener, .init = start, .fini = end);

static void accept_one(int fd, const struct listener_peer *peer, void *context)
{
    cr_assert_eq(context, directory);
    cr_assert_lt(accepted_count, MANY);
    accepted[accepted_count++] = fd;
    last_peer = *peer;
}

static void wait_for(int count)
{
    while (accepted_count < count) ev_run(loop, EVRUN_ONCE);
}

static struct sockaddr_in address_of(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    cr_assert_eq(inet_pton(AF_INET, host, &address.sin_addr), 1);
    return address;
}

/* A socket of somebody else's that listens there; port 0: on any. */
static int other_server(const char *host, int *port_inout)
{
    struct sockaddr_in address = address_of(host, *port_inout);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0, "%s", strerror(errno));
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port_inout = ntohs(address.sin_port);
    return fd;
}

static int free_port(void)
{
    int port = 0;
    close(other_server("127.0.0.1", &port));
    return port;
}

/* -1 with errno, or the descriptor. */
static int connect_to(const char *host, int port)
{
    struct sockaddr_in address = address_of(host, port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static struct sockaddr_un unix_address(int port)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(unix_path, sizeof unix_path, "%s/.s.PGSQL.%d", directory, port);
    memcpy(address.sun_path, unix_path, sizeof address.sun_path);
    return address;
}

static int connect_to_unix(int port)
{
    struct sockaddr_un address = unix_address(port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static struct listeners *open_on(const char *addresses, int port, const char *unix_directory)
{
    const struct listener_options options = {
        .addresses = addresses, .port = port, .backlog = MANY, .unix_directory = unix_directory, .unix_mode = 0750};
    error = (struct error){0};
    return listeners_open(loop, &options, accept_one, directory, &error);
}

/* ---- TCP ---- */

Test(listener, accepts_on_loopback)
{
    int port = free_port();
    listeners = open_on("127.0.0.1", port, "");
    cr_assert_not_null(listeners, "%s", error.text);
    int fd = connect_to("127.0.0.1", port);
    cr_assert_geq(fd, 0);
    wait_for(1);
    cr_expect(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
    cr_expect(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);

    struct sockaddr_in mine, theirs;
    socklen_t size = sizeof mine;
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&mine, &size), 0);
    cr_expect_not(last_peer.is_unix);
    cr_assert_eq(last_peer.address_size, sizeof theirs);
    memcpy(&theirs, &last_peer.address, sizeof theirs);
    cr_expect_eq(theirs.sin_port, mine.sin_port);
    cr_expect_eq(theirs.sin_addr.s_addr, mine.sin_addr.s_addr);

    char byte;
    cr_expect_eq(send(fd, "x", 1, 0), 1);
    while (recv(accepted[0], &byte, 1, 0) < 0 && errno == EAGAIN) continue;
    cr_expect_eq(byte, 'x');
    close(fd);
}

Test(listener, takes_a_list_of_addresses)
{
    int port = free_port();
    listeners = open_on(" 127.0.0.1,127.0.0.2 , 127.0.0.3\t", port, "");
    cr_assert_not_null(listeners, "%s", error.text);
    static const char *const hosts[] = {"127.0.0.3", "127.0.0.1", "127.0.0.2"};
    for (int i = 0; i < 3; i++) {
        int fd = connect_to(hosts[i], port);
        cr_assert_geq(fd, 0, "%s", hosts[i]);
        wait_for(i + 1);
        close(fd);
    }
    cr_expect_lt(connect_to("127.0.0.4", port), 0);
}

Test(listener, star_is_all)
{
    int port = free_port();
    listeners = open_on("*", port, "");
    cr_assert_not_null(listeners, "%s", error.text);
    int fd = connect_to("127.0.0.7", port);
    cr_assert_geq(fd, 0);
    wait_for(1);
    close(fd);
}

Test(listener, none_is_possible)
{
    listeners = open_on("", free_port(), "");
    cr_expect_not_null(listeners);
}

/* More than are accepted in one turn. */
Test(listener, accepts_many_at_once)
{
    int port = free_port(), fds[MANY];
    listeners = open_on("127.0.0.1", port, "");
    cr_assert_not_null(listeners, "%s", error.text);
    for (int i = 0; i < MANY; i++) cr_assert_geq(fds[i] = connect_to("127.0.0.1", port), 0);
    wait_for(MANY);
    for (int i = 0; i < MANY; i++) close(fds[i]);
}

Test(listener, close_refuses_newcomers)
{
    int port = free_port();
    listeners = open_on("127.0.0.1", port, directory);
    cr_assert_not_null(listeners, "%s", error.text);
    int waiting = connect_to("127.0.0.1", port);
    listeners_close(&listeners);
    cr_expect_null(listeners);
    cr_expect_lt(connect_to("127.0.0.1", port), 0);
    cr_expect_eq(errno, ECONNREFUSED);
    cr_expect_lt(connect_to_unix(port), 0);
    cr_expect_eq(errno, ENOENT);
    ev_run(loop, EVRUN_NOWAIT);
    cr_expect_eq(accepted_count, 0);
    close(waiting);
    listeners = open_on("127.0.0.1", port, directory);
    cr_expect_not_null(listeners, "and again: %s", error.text);
}

Test(listener, an_address_in_use_is_named)
{
    int port = 0;
    char expected[256];
    int other = other_server("127.0.0.2", &port);
    cr_expect_null(open_on("127.0.0.1,127.0.0.2", port, directory));
    snprintf(
        expected, sizeof expected,
        "cannot listen on \"127.0.0.2\" port %d: Address already in use; is another server using it? check listen_addr and listen_port",
        port);
    cr_expect_str_eq(error.text, expected);
    cr_expect_lt(connect_to("127.0.0.1", port), 0, "the first one is closed again");
    cr_expect_eq(errno, ECONNREFUSED);
    close(other);
}

Test(listener, an_address_that_is_none_is_named)
{
    static const char head[] = "cannot listen on \"a..b\": ";
    cr_expect_null(open_on("a..b", free_port(), ""));
    cr_expect_eq(strncmp(error.text, head, sizeof head - 1), 0, "%s", error.text);
    cr_expect_not_null(strstr(error.text, "; check listen_addr"), "%s", error.text);
}

/* ---- Unix ---- */

Test(listener, accepts_on_a_unix_socket)
{
    struct stat status;
    umask(0);
    listeners = open_on("", 6432, directory);
    cr_assert_not_null(listeners, "%s", error.text);
    int fd = connect_to_unix(6432);
    cr_assert_geq(fd, 0);
    wait_for(1);
    cr_expect(last_peer.is_unix);
    cr_expect(fcntl(accepted[0], F_GETFL) & O_NONBLOCK);
    cr_expect(fcntl(accepted[0], F_GETFD) & FD_CLOEXEC);
    cr_expect_eq(stat(unix_path, &status), 0);
    cr_expect(S_ISSOCK(status.st_mode));
    cr_expect_eq(status.st_mode & 0777, 0750);
    listeners_close(&listeners);
    cr_expect_eq(stat(unix_path, &status), -1, "the file is removed");
    close(fd);
}

/* As a process that was killed leaves it. */
Test(listener, a_stale_socket_file_is_replaced)
{
    struct sockaddr_un address = unix_address(6432);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 1), 0);
    close(fd);
    cr_expect_lt(connect_to_unix(6432), 0);
    cr_expect_eq(errno, ECONNREFUSED);
    listeners = open_on("", 6432, directory);
    cr_assert_not_null(listeners, "%s", error.text);
    fd = connect_to_unix(6432);
    cr_assert_geq(fd, 0);
    wait_for(1);
    close(fd);
}

Test(listener, a_socket_that_is_served_stays)
{
    char expected[256];
    listeners = open_on("", 6432, directory);
    cr_assert_not_null(listeners, "%s", error.text);
    cr_expect_null(open_on("", 6432, directory));
    snprintf(expected, sizeof expected, "cannot listen on \"%s/.s.PGSQL.6432\": Address already in use; check unix_socket_dir", directory);
    cr_expect_str_eq(error.text, expected);
    int before = accepted_count, fd = connect_to_unix(6432);
    cr_assert_geq(fd, 0, "it is there still");
    wait_for(before + 1);
    close(fd);
}

Test(listener, a_file_that_is_no_socket_stays)
{
    struct stat status;
    unix_address(6432);
    FILE *file = fopen(unix_path, "w");
    cr_assert_not_null(file);
    fclose(file);
    cr_expect_null(open_on("", 6432, directory));
    cr_expect_not_null(strstr(error.text, "Address already in use"), "%s", error.text);
    cr_assert_eq(stat(unix_path, &status), 0);
    cr_expect(S_ISREG(status.st_mode));
}

Test(listener, a_directory_that_is_not_there)
{
    char missing[128];
    snprintf(missing, sizeof missing, "%s/missing", directory);
    cr_expect_null(open_on("", 6432, missing));
    cr_expect_not_null(strstr(error.text, "No such file or directory; check unix_socket_dir"), "%s", error.text);
    cr_expect_not_null(strstr(error.text, missing), "%s", error.text);
}

/* The longest path that a socket address holds, with its NUL, is taken, and one more is not. */
Test(listener, a_directory_that_is_too_long)
{
    char name[256];
    size_t longest = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 - strlen("/.s.PGSQL.6432");
    size_t length = (size_t)snprintf(name, sizeof name, "%s/", directory);
    memset(name + length, 'd', sizeof name - length);
    name[longest + 1] = '\0';
    cr_expect_null(open_on("", 6432, name));
    cr_expect_not_null(strstr(error.text, "is too long for a socket address"), "%s", error.text);
    name[longest] = '\0';
    cr_assert_eq(mkdir(name, 0700), 0);
    listeners = open_on("", 6432, name);
    cr_expect_not_null(listeners, "%s", error.text);
    listeners_close(&listeners);
    cr_expect_eq(rmdir(name), 0, "nothing is left in it");
}

/* ---- out of descriptors ---- */

static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = count;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static bool is_logged(const char *path, const char *what)
{
    char text[4096];
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strstr(text, what) != NULL;
}

Test(listener, accepting_pauses_without_descriptors_and_resumes)
{
    struct rlimit before;
    char log_path[128];
    int port = free_port();
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    snprintf(log_path, sizeof log_path, "%s/log", directory);
    cr_assert_eq(log_open(&(struct log_options){.path = log_path, .lowest = LOG_LEVEL_INFO}), 0);
    listeners = open_on("127.0.0.1", port, "");
    cr_assert_not_null(listeners, "%s", error.text);
    int fd = connect_to("127.0.0.1", port);
    cr_assert_geq(fd, 0);
    ev_run(loop, EVRUN_NOWAIT); /* its own descriptors are made */
    wait_for(1);

    int other = connect_to("127.0.0.1", port);
    cr_assert_geq(other, 0);
    allow_descriptors(3);
    ev_run(loop, EVRUN_ONCE);
    ev_run(loop, EVRUN_NOWAIT);
    allow_descriptors(before.rlim_cur);
    cr_expect_eq(accepted_count, 1);
    cr_expect(is_logged(log_path, " warning accept_paused error=\"Too many open files\""));
    wait_for(2);
    close(fd);
    close(other);
    unlink(log_path);
}

/* ---- sockets that listen already ---- */

Test(listener, an_inherited_socket_of_the_address_is_used_and_others_stay_the_callers)
{
    int port = 0, other_port = 0;
    int fds[] = {other_server("127.0.0.1", &other_port), -1, other_server("127.0.0.1", &port)}, wanted = fds[2], descriptors[4];
    const struct listener_options options = {
        .addresses = "127.0.0.1", .port = port, .backlog = 4, .unix_directory = "", .inherited = fds, .inherited_count = 3};
    int early = connect_to("127.0.0.1", port);
    cr_assert_geq(early, 0);
    listeners = listeners_open(loop, &options, accept_one, directory, &error);
    cr_assert_not_null(listeners, "%s", error.text);
    cr_assert_eq(fds[2], -1);
    cr_assert_geq(fds[0], 0);
    cr_assert_eq(listeners_descriptors(listeners, descriptors, 4), 1);
    cr_assert_eq(descriptors[0], wanted);
    wait_for(1);
    close(early);
    close(fds[0]);
}

/* What an older process left is ours, and what a service manager made is not. */
static void inherit_unix(int port, bool keeps_file)
{
    int fd;
    struct listeners *first = open_on("", port, directory);
    cr_assert_not_null(first, "%s", error.text);
    cr_assert_eq(listeners_descriptors(first, &fd, 1), 1);
    fd = dup(fd);
    listeners_leave(&first);
    const struct listener_options options = {.addresses = "",
                                             .port = port,
                                             .backlog = 4,
                                             .unix_directory = directory,
                                             .unix_mode = 0777,
                                             .inherited = &fd,
                                             .inherited_count = 1,
                                             .keeps_inherited_file = keeps_file};
    listeners = listeners_open(loop, &options, accept_one, directory, &error);
    cr_assert_not_null(listeners, "%s", error.text);
    cr_assert_eq(fd, -1);
    int client = connect_to_unix(port);
    cr_assert_geq(client, 0);
    wait_for(1);
    close(client);
    listeners_close(&listeners);
    struct sockaddr_un address = unix_address(port);
    cr_assert_eq(access(address.sun_path, F_OK) == 0, keeps_file);
    unlink(address.sun_path);
}

Test(listener, an_inherited_unix_socket_is_left_with_its_file)
{
    inherit_unix(free_port(), false);
}

Test(listener, the_file_of_a_service_manager_stays)
{
    inherit_unix(free_port(), true);
}

Test(listener, sockets_of_a_service_manager_are_taken_as_they_are)
{
    int port = 0, pipe_ends[2];
    cr_assert_eq(pipe(pipe_ends), 0);
    int fds[] = {pipe_ends[0], other_server("127.0.0.1", &port)};
    const struct listener_options options = {.addresses = "192.0.2.1",
                                             .port = 1,
                                             .backlog = 4,
                                             .unix_directory = "/nonexistent",
                                             .inherited = fds,
                                             .inherited_count = 2,
                                             .is_activated = true};
    listeners = listeners_open(loop, &options, accept_one, directory, &error);
    cr_assert_not_null(listeners, "%s", error.text);
    cr_assert_eq(fds[0], pipe_ends[0]);
    int client = connect_to("127.0.0.1", port);
    cr_assert_geq(client, 0);
    wait_for(1);
    close(client);
    listeners_close(&listeners);
    const struct listener_options none = {
        .addresses = "", .unix_directory = "", .inherited = fds, .inherited_count = 1, .is_activated = true};
    cr_assert_null(listeners_open(loop, &none, accept_one, directory, &error));
    cr_assert_not_null(strstr(error.text, "service manager"));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}
