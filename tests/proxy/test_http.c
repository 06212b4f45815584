#include "proxy/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct http *http;
static struct error error;
static char directory[64], unix_path[128];
static char answer[65536];

static void start(void)
{
    alarm(120);
    signal(SIGPIPE, SIG_IGN);
    strcpy(directory, "/tmp/test_http_XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(unix_path, sizeof unix_path, "%s/socket", directory);
}

static void end(void)
{
    http_stop(&http);
    cr_expect_null(http);
    cr_expect_eq(rmdir(directory), 0, "the socket's file is left");
}

TestSuite(http, .init = start, .fini = end);

static void reply_with(struct http_reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void reply_with(struct http_reply *reply, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&reply->body, format, arguments);
    va_end(arguments);
    cr_assert_geq(size, 0);
    reply->size = (size_t)size;
    reply->status = 200;
    reply->content_type = "text/plain";
}

static void pages(void *context, const struct http_request *request, struct http_reply *reply)
{
    cr_assert_eq(context, directory);
    const char *name = request->argument(request, "name");
    if (strcmp(request->path, "/hello") == 0) reply_with(reply, "hello %s, you accept <%s>", name ? name : "nobody", request->accept);
    if (strcmp(request->path, "/empty") == 0) reply->status = 204;
}

static void listen_on(const char *where, bool allows_remote)
{
    struct http_options options = {.listen = where, .allows_remote = allows_remote, .unix_mode = 0600};
    http = http_open(&options, pages, directory, &error);
    if (http) cr_assert_eq(http_run(http, &error), 0, "%s", error.text);
}

/* A port that is free now. */
static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void exchange(int fd, const char *request)
{
    cr_assert_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    size_t size = 0;
    for (ssize_t count; size < sizeof answer - 1 && (count = read(fd, answer + size, sizeof answer - 1 - size)) > 0;) size += (size_t)count;
    answer[size] = '\0';
    close(fd);
}

static int connect_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, unix_path, strlen(unix_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void ask_unix(const char *request)
{
    exchange(connect_unix(), request);
}

static void ask_tcp(int port, const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    exchange(fd, request);
}

#define BEGINS(text) cr_expect_eq(strncmp(answer, text, strlen(text)), 0, "%s", answer)
#define HOLDS(text)  cr_expect_not_null(strstr(answer, text), "%s", answer)

Test(http, a_page_with_an_argument)
{
    listen_on(unix_path, false);
    cr_assert_not_null(http, "%s", error.text);
    ask_unix("GET /hello?name=Ada%20L HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    BEGINS("HTTP/1.1 200");
    HOLDS("hello Ada L, you accept <text/html>");
    HOLDS("Content-Type: text/plain");
    HOLDS("Cache-Control: no-store");
    HOLDS("Content-Security-Policy: default-src 'none'");
    ask_unix("GET /hello HTTP/1.0\r\n\r\n");
    HOLDS("hello nobody, you accept <>");
    ask_unix("GET /empty HTTP/1.0\r\n\r\n");
    cr_expect_not_null(strstr(answer, " 204 "), "%s", answer);
}

Test(http, head_has_no_body)
{
    listen_on(unix_path, false);
    ask_unix("HEAD /hello HTTP/1.0\r\n\r\n");
    HOLDS(" 200 ");
    cr_expect_null(strstr(answer, "nobody"));
}

Test(http, what_is_not_there_and_what_is_not_allowed)
{
    listen_on(unix_path, false);
    ask_unix("GET /other HTTP/1.0\r\n\r\n");
    HOLDS(" 404 ");
    ask_unix("POST /hello HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde");
    HOLDS(" 405 ");
    HOLDS("Allow: GET, HEAD");
    ask_unix("nonsense\r\n\r\n");
    cr_expect_null(strstr(answer, " 200 "));
}

Test(http, the_mode_of_the_socket)
{
    listen_on(unix_path, false);
    struct stat status;
    cr_assert_eq(stat(unix_path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
}

Test(http, loopback_answers_to_its_own_names_only)
{
    char where[64], request[256];
    int port = free_port();
    snprintf(where, sizeof where, "127.0.0.1:%d", port);
    listen_on(where, false);
    cr_assert_not_null(http, "%s", error.text);
    static const struct {
        const char *host;
        bool is_answered;
    } hosts[] = {{"localhost", true}, {"localhost:1234", true},      {"127.0.0.1:80", true},
                 {"[::1]:80", true},  {"evil.example", false},       {"127.0.0.1.evil.example:80", false},
                 {"[::1", true},      {"localhost.evil.net", false}, {"", false}};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", hosts[i].host);
        ask_tcp(port, request);
        BEGINS(hosts[i].is_answered ? "HTTP/1.1 200" : "HTTP/1.1 403");
    }
}

Test(http, other_addresses_are_refused_unless_said_so)
{
    char where[64];
    snprintf(where, sizeof where, "0.0.0.0:%d", free_port());
    listen_on(where, false);
    cr_assert_null(http);
    cr_expect_not_null(strstr(error.text, "http_allow_remote"), "%s", error.text);
    int port = free_port();
    snprintf(where, sizeof where, "0.0.0.0:%d", port);
    listen_on(where, true);
    cr_assert_not_null(http, "%s", error.text);
    ask_tcp(port, "GET /hello HTTP/1.1\r\nHost: db-proxy.internal\r\nConnection: close\r\n\r\n");
    BEGINS("HTTP/1.1 200");
}

Test(http, bad_addresses)
{
    static const char *const bad[] = {"9630", "127.0.0.1", "127.0.0.1:", ":9630", "127.0.0.1:http", "/nonexistent/x/y"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error.text[0] = '\0';
        listen_on(bad[i], false);
        cr_expect_null(http, "%s", bad[i]);
        cr_expect_not_null(strstr(error.text, "http_listen"), "%s: %s", bad[i], error.text);
    }
}

Test(http, a_socket_file_of_a_dead_process_is_taken_over_and_that_of_a_living_one_is_not)
{
    listen_on(unix_path, false);
    struct http *first = http;
    listen_on(unix_path, false);
    cr_expect_null(http);
    http_stop(&first);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, unix_path, strlen(unix_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    listen_on(unix_path, false);
    cr_expect_not_null(http, "%s", error.text);
}

/* More than the connections, and their backlog, that there is room for; each with half a request. */
static void crowd_in(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = connect_unix();
        cr_assert_eq(write(fds[i], "GET /hello HTTP/1.1\r\nHost:", 26), 26);
    }
}

Test(http, half_a_request_keeps_nobody_out)
{
    int crowd[300];
    alarm(20); /* less than libmicrohttpd's timeout */
    listen_on(unix_path, false);
    crowd_in(crowd, 300);
    ask_unix("GET /hello HTTP/1.0\r\n\r\n");
    HOLDS("hello nobody");
    cr_expect_leq(read(crowd[0], answer, sizeof answer), 0, "the oldest gave way");
    exchange(crowd[299], " x\r\nConnection: close\r\n\r\n");
    HOLDS("hello nobody");
    for (size_t i = 0; i < 299; i++) close(crowd[i]);
}

Test(http, who_asks_now_and_then_stays)
{
    int crowd[120];
    alarm(20);
    listen_on(unix_path, false);
    int kept = connect_unix();
    const char *request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    for (size_t i = 0; i < 120; i += 40) {
        crowd_in(crowd + i, 40);
        ask_unix("GET /hello HTTP/1.0\r\n\r\n"); /* so all of them have been accepted before */
        cr_assert_eq(write(kept, request, strlen(request)), (ssize_t)strlen(request));
        cr_assert_gt(read(kept, answer, sizeof answer - 1), 0);
    }
    exchange(kept, "GET /hello?name=Ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    HOLDS("hello Ada");
    for (size_t i = 0; i < 120; i++) close(crowd[i]);
}

/* Of an online restart: the older one's socket goes on with the younger one. */
Test(http, a_socket_is_handed_on_without_a_gap)
{
    listen_on(unix_path, false);
    struct http *older = http;
    int kept = connect_unix(), inherited[] = {-1, dup(http_descriptor(older))};
    const char *request = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    cr_assert_eq(write(kept, request, strlen(request)), (ssize_t)strlen(request));
    cr_assert_gt(read(kept, answer, sizeof answer - 1), 0);
    cr_expect_null(strstr(answer, "Connection: close"), "%s", answer);
    struct http_options options = {.listen = unix_path, .unix_mode = 0600, .inherited = inherited, .inherited_count = 2};
    http = http_open(&options, pages, directory, &error);
    cr_assert_not_null(http, "%s", error.text);
    cr_expect_eq(inherited[1], -1);
    http_leave(older);
    int waiting = connect_unix(); /* before the younger one runs */
    cr_assert_eq(http_run(http, &error), 0);
    exchange(waiting, "GET /hello HTTP/1.0\r\n\r\n");
    HOLDS("hello nobody");
    exchange(kept, request);
    HOLDS("Connection: close");
    HOLDS("hello nobody");
    http_stop(&older);
    ask_unix("GET /hello HTTP/1.0\r\n\r\n");
    HOLDS("hello nobody");
}

Test(http, the_file_of_a_service_manager_stays)
{
    listen_on(unix_path, false);
    int inherited = dup(http_descriptor(http));
    http_leave(http);
    http_stop(&http);
    struct http_options options = {
        .listen = unix_path, .unix_mode = 0600, .inherited = &inherited, .inherited_count = 1, .keeps_inherited_file = true};
    http = http_open(&options, pages, directory, &error);
    cr_assert_not_null(http, "%s", error.text);
    http_stop(&http);
    cr_expect_eq(unlink(unix_path), 0);
}
