/*
 * What a service manager and the tools around it get: sd_notify, socket activation, a log that follows its file, a log in JSON. No systemd is
 * needed: the test sets the variables and listens.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(service, .timeout = 300);

enum { FREE_FD = 100 };

/* ---- sd_notify ---- */

static int notify_fd = -1;

/* From here on processes that are started find us in NOTIFY_SOCKET. */
static void become_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *path = run_directory_short();
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(notify_fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(chmod(path, 0777), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    free(path);
}

/* Wait for a message that holds `part`; what came is returned, valid until the next call. */
static const char *expect_notified(const char *part)
{
    static char text[1024];
    int64_t deadline_ms = now_ms() + LONG_MS;
    for (;;) {
        struct pollfd wanted = {.fd = notify_fd, .events = POLLIN};
        cr_assert_eq(poll(&wanted, 1, ms_left(deadline_ms)), 1, "was not told %s", part);
        ssize_t size = recv(notify_fd, text, sizeof text - 1, 0);
        text[size > 0 ? size : 0] = '\0';
        if (strstr(text, part) != NULL) return text;
    }
}

Test(service, the_manager_is_told)
{
    become_manager();
    struct proxy *proxy = proxy_start("%s", "");
    char *main_pid = text_format("MAINPID=%d", (int)proxy->pid);
    cr_assert_not_null(strstr(expect_notified("READY=1"), main_pid));
    cr_assert_not_null(strstr(expect_notified("STATUS="), " servers of a budget of 5"));
    kill(proxy->pid, SIGHUP);
    cr_assert_not_null(strstr(expect_notified("RELOADING=1"), "MONOTONIC_USEC="));
    expect_notified("READY=1");
    kill(proxy->pid, SIGTERM);
    expect_notified("STOPPING=1");
    int status;
    cr_assert(process_wait(proxy->pid, LONG_MS, &status));
    proxy->pid = 0;
    proxy_finish(&proxy);
    free(main_pid);
}

Test(service, a_restart_tells_who_is_the_main_process_now)
{
    become_manager();
    char *path = run_directory_short();
    struct proxy *proxy = proxy_start("pidfile = %s.pid\n", path);
    expect_notified("READY=1");
    struct proxy *younger = proxy_take_over(proxy);
    char *main_pid = text_format("MAINPID=%d", (int)younger->pid);
    expect_notified(main_pid);
    int status;
    cr_assert(process_wait(proxy->pid, LONG_MS, &status));
    proxy->pid = 0;
    /* That the older has ended is no word about the service. */
    char text[1024];
    ssize_t size;
    while ((size = recv(notify_fd, text, sizeof text - 1, MSG_DONTWAIT)) > 0) {
        text[size] = '\0';
        cr_assert_null(strstr(text, "STOPPING"), "%s", text);
    }
    proxy_finish(&younger);
    proxy_finish(&proxy);
    free(main_pid);
    free(path);
}

Test(service, the_watchdog_is_fed)
{
    become_manager();
    setenv("WATCHDOG_USEC", "20000000", 1);
    struct proxy *proxy = proxy_start("%s", "");
    expect_notified("WATCHDOG=1");
    expect_notified("WATCHDOG=1");
    proxy_finish(&proxy);
}

/* ---- socket activation ---- */

static int listen_on_loopback(int *port_out)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port_out = ntohs(address.sin_port);
    return fd;
}

/* What systemd does: the sockets from 3 on, their number and the process in the environment. */
static pid_t start_activated(const char *program, const char *config, const char *log, const int *fds, int count)
{
    uid_t uid;
    gid_t gid;
    bool is_changing = process_unprivileged_user(&uid, &gid);
    pid_t pid = fork();
    if (pid != 0) return pid;
    char number[16];
    FILE *output = freopen(log, "a", stderr);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    if (output == NULL || (is_changing && (setgid(gid) != 0 || setuid(uid) != 0))) _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < count; i++)
        if (dup2(fds[i], FREE_FD + i) < 0) _exit(126);
    for (int i = 0; i < count; i++) dup2(FREE_FD + i, 3 + i);
    for (int fd = 3 + count; fd < 2 * FREE_FD; fd++) close(fd);
    snprintf(number, sizeof number, "%d", count);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    execl(program, program, config, (char *)NULL);
    _exit(127);
}

/* It serves on the sockets that it was given, whatever its configuration says, and leaves the Unix socket's file alone. */
Test(service, sockets_of_the_manager)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *directory = run_directory_short(), *program, *log = run_directory_file("proxy.log"), *config = run_directory_file("a.ini");
    cr_assert_eq(mkdir(directory, 0777), 0);
    int port, status, fds[2] = {listen_on_loopback(&port), socket(AF_UNIX, SOCK_STREAM, 0)};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%d", directory, port);
    cr_assert_eq(bind(fds[1], (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(chmod(address.sun_path, 0777), 0);
    cr_assert_eq(listen(fds[1], 8), 0);
    char *text = text_format("[databases]\n* = host=%s port=%d\n[pgturnstile]\nauth_type = trust\nlisten_addr = 192.0.2.1\n",
                             postgres_shared()->directory, postgres_shared()->port);
    file_write(config, text);
    process_hand_over(config);
    /* Before it runs: the kernel keeps the connection for it. */
    struct wire *early = wire_connect(port);
    program = proxy_program();
    file_write(log, "");
    process_hand_over(log);
    pid_t pid = start_activated(program, config, log, fds, 2);
    close(fds[0]);
    close(fds[1]);
    wire_login(early, "app", "app", NULL);
    cr_assert_str_eq(wire_query(early, "select 1"), "1");
    struct wire *local = wire_connect_unix(directory, port);
    wire_login(local, "app", "app", NULL);
    cr_assert_str_eq(wire_query(local, "select 2"), "2");
    wire_close(&local);
    wire_close(&early);
    cr_assert_eq(kill(pid, SIGINT), 0);
    cr_assert(process_wait(pid, LONG_MS, &status));
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", file_read(log));
    cr_assert_eq(access(address.sun_path, F_OK), 0);
    unlink(address.sun_path);
    free(text);
    free(config);
    free(log);
    free(program);
    free(directory);
}

/* ---- the log ---- */

Test(service, the_log_follows_its_file)
{
    char *place = run_directory_short();
    cr_assert_eq(mkdir(place, 0755), 0);
    process_hand_over(place);
    char *log = text_format("%s/log", place), *old = text_format("%s/log.1", place);
    struct proxy *proxy = proxy_start("logfile = %s\n", log);
    WAIT_FOR(file_count(log, " started ") == 1, LONG_MS);
    /* Nobody tells it. */
    cr_assert_eq(rename(log, old), 0);
    WAIT_FOR(access(log, F_OK) == 0, LONG_MS);
    struct wire *wire = wire_session(proxy->port);
    wire_close(&wire);
    WAIT_FOR(file_count(log, " client_") > 0, LONG_MS);
    cr_assert_eq(file_count(old, " client_"), 0);
    /* And at once when told. */
    cr_assert_eq(unlink(old), 0);
    cr_assert_eq(rename(log, old), 0);
    kill(proxy->pid, SIGHUP);
    WAIT_FOR(file_count(log, " config_reloaded") == 1, LONG_MS);
    proxy_finish(&proxy);
    free(old);
    free(log);
    free(place);
}

/* Each line is an object of its own, whatever a stranger calls himself. */
Test(service, the_log_as_json)
{
    struct proxy *proxy = proxy_start("log_format = json\n");
    struct wire *wire = wire_connect(proxy->port);
    wire_login(wire, "app", "app", (const char *const[]){"application_name", "\"}\n{\"event\":\"forged\"\x1b[31m", NULL});
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    wire_close(&wire);
    struct wire *stranger = wire_connect(proxy->port);
    frontend_write_startup(&stranger->out, 3, 0,
                           (const char *const[]){"user", "\"}\n{\"event\":\"forged\"\xff\x1b[31m", "database", "app", NULL});
    wire_flush(stranger);
    WAIT_FOR(proxy_log_count(proxy, "forged") > 0, LONG_MS);
    wire_close(&stranger);
    proxy_stop(proxy, SIGINT, LONG_MS);
    char *log = proxy_log(proxy);
    int count = 0;
    for (char *line = strtok(log, "\n"); line != NULL; line = strtok(NULL, "\n"), count++) {
        cr_assert_eq(strncmp(line, "{\"time\":\"20", 11), 0, "%s", line);
        cr_assert_eq(line[strlen(line) - 1], '}', "%s", line);
        cr_assert_null(strstr(line, "\"event\":\"forged\""), "%s", line);
    }
    cr_assert_gt(count, 3);
    free(log);
    proxy_finish(&proxy);
}
