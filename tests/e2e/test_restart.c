/*
 * The online restart (-R): nobody is refused, nothing fails, and both processes together stay within the budget.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sampler.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(restart, .timeout = 300);

/* Every proxy here has a pidfile of its own, and with it a restart_socket. */
static struct proxy *start(const char *settings)
{
    char *pid_file = run_directory_short();
    struct proxy *proxy = proxy_start("pidfile = %s.pid\n%s", pid_file, settings);
    free(pid_file);
    return proxy;
}

static char *pid_file_of(const struct proxy *proxy)
{
    char *config = file_read(proxy->config_path);
    char *at = strstr(config, "pidfile = ");
    cr_assert_not_null(at);
    at += strlen("pidfile = ");
    char *path = text_format("%.*s", (int)strcspn(at, "\n"), at);
    free(config);
    return path;
}

static void expect_pid_file(const struct proxy *proxy, pid_t pid)
{
    char *path = pid_file_of(proxy), *text = file_read(path);
    cr_assert_eq(atol(text), (long)pid, "the pidfile says %s", text);
    free(text);
    free(path);
}

static void expect_ended(struct proxy *proxy)
{
    int status = 0;
    cr_assert(process_wait(proxy->pid, LONG_MS, &status), "still runs");
    proxy->pid = 0;
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
}

/* ---- under load ---- */

enum { RECONNECTING = 6, STAYING = 4, RESTARTS = 3 };

static struct load {
    char conninfo[256];
    atomic_bool is_over, may_leave;
    atomic_int transactions, failures;
    char why[256];
} load;

static void note_failure(PGconn *connection)
{
    if (load.failures++ == 0) snprintf(load.why, sizeof load.why, "%s", PQerrorMessage(connection));
}

static void run_transaction(PGconn *connection)
{
    static const char *const statements[] = {"begin", "select pg_sleep(0.002)", "commit"};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        PGresult *result = PQexec(connection, statements[i]);
        ExecStatusType status = PQresultStatus(result);
        PQclear(result);
        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) continue;
        note_failure(connection);
        return;
    }
    load.transactions++;
}

static void *reconnect(void *unused)
{
    while (!load.is_over) {
        PGconn *connection = PQconnectdb(load.conninfo);
        if (PQstatus(connection) == CONNECTION_OK)
            run_transaction(connection);
        else
            note_failure(connection);
        PQfinish(connection);
    }
    return unused;
}

/* One connection, from before the restarts until it may leave. */
static void *stay(void *unused)
{
    PGconn *connection = PQconnectdb(load.conninfo);
    if (PQstatus(connection) != CONNECTION_OK) note_failure(connection);
    while (!load.may_leave && PQstatus(connection) == CONNECTION_OK) run_transaction(connection);
    PQfinish(connection);
    return unused;
}

static void expect_progress(void)
{
    int before = load.transactions;
    WAIT_FOR(load.transactions > before + 3 * (RECONNECTING + STAYING), LONG_MS);
}

Test(restart, no_connection_and_no_transaction_fails)
{
    struct proxy *proxy = start("budget = 5\nlog_connections = 0\nlog_disconnections = 0\n");
    pthread_t reconnecting[RECONNECTING], staying[STAYING];
    snprintf(load.conninfo, sizeof load.conninfo, "%s", proxy_conninfo(proxy, ""));
    struct sampler *sampler = sampler_start(postgres_shared());
    for (int i = 0; i < RECONNECTING; i++) cr_assert(pthread_create(&reconnecting[i], NULL, reconnect, NULL) == 0);
    for (int i = 0; i < STAYING; i++) cr_assert(pthread_create(&staying[i], NULL, stay, NULL) == 0);
    expect_progress();
    for (int i = 0; i < RESTARTS; i++) {
        struct proxy *younger = proxy_take_over(proxy);
        expect_progress();
        expect_pid_file(younger, younger->pid);
        load.may_leave = true; /* both kinds of clients have lived through the first one */
        expect_ended(proxy);
        expect_pid_file(younger, younger->pid);
        proxy_finish(&proxy);
        proxy = younger;
        expect_progress();
        WAIT_FOR(proxy_log_count(proxy, " restart_finished ") == 1, LONG_MS);
        cr_assert_eq(proxy_log_count(proxy, "restart_older_lost"), 0);
    }
    load.is_over = true;
    for (int i = 0; i < RECONNECTING; i++) pthread_join(reconnecting[i], NULL);
    for (int i = 0; i < STAYING; i++) pthread_join(staying[i], NULL);
    cr_assert_eq(load.failures, 0, "%d failed, the first: %s", load.failures, load.why);
    int peak = sampler_stop(&sampler);
    cr_assert(peak <= 5, "%d connections at once", peak);
    char *pid_file = pid_file_of(proxy);
    proxy_finish(&proxy);
    cr_assert_neq(access(pid_file, F_OK), 0, "the pidfile is left over");
    free(pid_file);
}

/* ---- what becomes of the clients of the older ---- */

/* With a single connection for both, whoever needs it gets it. */
Test(restart, a_budget_of_one_is_shared)
{
    struct proxy *proxy = start("budget = 1\n");
    struct wire *old = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(old, "select 1"), "1");
    struct sampler *sampler = sampler_start(postgres_shared());
    struct proxy *younger = proxy_take_over(proxy);
    struct wire *new = wire_session(younger->port);
    for (int i = 0; i < 3; i++) {
        cr_assert_str_eq(wire_query(new, "select 2"), "2");
        cr_assert_str_eq(wire_query(old, "select 1"), "1");
    }
    wire_send_query(old, "select 3");
    wire_send_query(new, "select 4");
    wire_expect(new, "T D:4 C:SELECT_1 Z:I");
    wire_expect(old, "T D:3 C:SELECT_1 Z:I");
    wire_close(&old);
    expect_ended(proxy);
    cr_assert_str_eq(wire_query(new, "select 5"), "5");
    cr_assert(sampler_stop(&sampler) <= 1);
    wire_close(&new);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

static int knock(const struct proxy *proxy)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *pid_file = pid_file_of(proxy);
    cr_assert_lt(snprintf(address.sun_path, sizeof address.sun_path, "%s.restart", pid_file), (int)sizeof address.sun_path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    free(pid_file);
    return fd;
}

/* Who knocks meanwhile and does not say what for is told nothing, and the budget goes on being shared. */
Test(restart, a_silent_knock_is_no_younger)
{
    char byte;
    struct proxy *proxy = start("budget = 1\n");
    struct wire *old = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(old, "select 1"), "1");
    struct proxy *younger = proxy_take_over(proxy);
    int knocking = knock(younger);
    struct wire *new = wire_session(younger->port);
    for (int i = 0; i < 2; i++) {
        cr_assert_str_eq(wire_query(new, "select 2"), "2");
        cr_assert_str_eq(wire_query(old, "select 1"), "1");
    }
    cr_assert_eq(recv(knocking, &byte, 1, MSG_DONTWAIT), -1, "it is told something");
    cr_assert_eq(errno, EAGAIN);
    close(knocking);
    wire_close(&old);
    expect_ended(proxy);
    wire_close(&new);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

Test(restart, a_cancel_request_reaches_the_older)
{
    struct proxy *proxy = start("");
    struct wire *old = wire_session(proxy->port);
    wire_send_query(old, "select pg_sleep(60) /* mine */");
    WAIT_FOR(backends_find("mine") != 0, LONG_MS);
    struct proxy *younger = proxy_take_over(proxy);
    wire_cancel(younger->port, old->pid, old->key, old->key_size);
    wire_expect(old, "T* E:57014 Z:I");
    wire_close(&old);
    expect_ended(proxy);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

Test(restart, the_older_ends_its_clients_at_last)
{
    struct proxy *proxy = start("restart_timeout = 0.5\n");
    struct wire *idle = wire_session(proxy->port), *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(idle, "select 1"), "1");
    cr_assert_str_eq(wire_query(busy, "begin"), "");
    cr_assert_str_eq(wire_query(busy, "select 1"), "1");
    struct proxy *younger = proxy_take_over(proxy);
    wire_expect(idle, "E:57P01 -");
    cr_assert_str_eq(wire_query(busy, "select 2"), "2");
    wire_send_query(busy, "commit");
    wire_expect(busy, "C:COMMIT Z:I E:57P01 -");
    expect_ended(proxy);
    wire_close(&busy);
    wire_close(&idle);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

Test(restart, who_ends_the_younger_ends_both)
{
    struct proxy *proxy = start("");
    struct wire *old = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(old, "select 1"), "1");
    struct proxy *younger = proxy_take_over(proxy);
    kill(younger->pid, SIGTERM);
    expect_ended(younger);
    wire_expect(old, "E:57P01 -");
    expect_ended(proxy);
    wire_close(&old);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

Test(restart, the_older_outlives_a_younger_that_is_killed)
{
    struct proxy *proxy = start("budget = 2\n");
    struct wire *old = wire_session(proxy->port), *other = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(old, "begin"), "");
    cr_assert_str_eq(wire_query(old, "select 1"), "1");
    struct proxy *younger = proxy_take_over(proxy);
    proxy_stop(younger, SIGKILL, LONG_MS);
    WAIT_FOR(proxy_log_count(proxy, " restart_younger_gone ") == 1, LONG_MS);
    cr_assert_str_eq(wire_query(other, "select 2"), "2");
    cr_assert_str_eq(wire_query(old, "commit"), "");
    wire_close(&other);
    wire_close(&old);
    expect_ended(proxy);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

/* Who only looks on does not keep it alive. */
Test(restart, the_older_does_not_wait_for_the_console)
{
    struct proxy *proxy = start("admin_users = app\nrestart_timeout = 0\n");
    struct wire *console = wire_connect(proxy->port);
    console->skips_parameters = true;
    wire_login(console, "app", "pgturnstile", NULL);
    struct proxy *younger = proxy_take_over(proxy);
    expect_ended(proxy);
    wire_close(&console);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

Test(restart, the_unix_socket_stays)
{
    struct proxy *proxy = start("");
    struct proxy *younger = proxy_take_over(proxy);
    expect_ended(proxy);
    struct wire *wire = wire_connect_unix(younger->directory, younger->port);
    wire_login(wire, "app", "app", NULL);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    wire_close(&wire);
    char *path = text_format("%s/.s.PGSQL.%d", younger->directory, younger->port);
    proxy_finish(&younger);
    cr_assert_neq(access(path, F_OK), 0, "%s is left over", path);
    free(path);
    proxy_finish(&proxy);
}

/* ---- restarts that do not come about ---- */

static void expect_no_takeover(const char *config_path, const char *word)
{
    char *log = run_directory_file("refused.log"), *program = proxy_program();
    const char *argv[] = {program, "-R", config_path, NULL};
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = log};
    int status = 0;
    pid_t pid = process_start(argv, &options);
    cr_assert(process_wait(pid, LONG_MS, &status), "took over");
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "wait status 0x%x", status);
    cr_assert_gt(file_count(log, word), 0, "%s", file_read(log));
    free(program);
    free(log);
}

static void expect_it_serves(struct proxy *proxy)
{
    struct wire *wire = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    wire_close(&wire);
    cr_assert(proxy_is_running(proxy));
}

Test(restart, a_younger_that_fails_harms_nobody)
{
    struct proxy *proxy = start("");
    char *config = file_read(proxy->config_path), *path = run_directory_file("broken.ini");
    char *text = text_format("%sbudget = none\n", config);
    file_write(path, text);
    process_hand_over(path);
    expect_no_takeover(path, "budget");
    free(text);
    /* It gets the sockets, and then cannot listen on the address that it wants as well. */
    text = text_format("%slisten_addr = 127.0.0.1, 192.0.2.1\n", config);
    char *at = strstr(text, "listen_addr = 127.0.0.1\n");
    memset(at, ' ', strlen("listen_addr = 127.0.0.1"));
    file_write(path, text);
    expect_no_takeover(path, "192.0.2.1");
    expect_it_serves(proxy);
    expect_pid_file(proxy, proxy->pid);
    struct proxy *younger = proxy_take_over(proxy);
    expect_ended(proxy);
    expect_it_serves(younger);
    free(text);
    free(path);
    free(config);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

/* What it has made by then is undone, and what it was handed over goes on. */
Test(restart, a_younger_that_fails_at_the_last_step_harms_nobody)
{
    struct proxy *proxy = start("");
    char *config = file_read(proxy->config_path), *path = run_directory_file("broken.ini"), *directory = run_directory_file("taken");
    char *pid_file = pid_file_of(proxy);
    cr_assert_eq(mkdir(directory, 0777), 0);
    /* The pidfile comes last. */
    char *text = text_format("%srestart_socket = %s.restart\npidfile = %s\n", config, pid_file, directory);
    char *at = strstr(text, "pidfile = ");
    memset(at, ' ', strcspn(at, "\n"));
    file_write(path, text);
    process_hand_over(path);
    expect_no_takeover(path, "cannot write pidfile");
    expect_it_serves(proxy);
    struct wire *wire = wire_connect_unix(proxy->directory, proxy->port);
    wire_login(wire, "app", "app", NULL);
    wire_close(&wire);
    struct proxy *younger = proxy_take_over(proxy);
    expect_ended(proxy);
    expect_it_serves(younger);
    free(text);
    free(pid_file);
    free(directory);
    free(path);
    free(config);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

Test(restart, a_restart_socket_that_is_something_else)
{
    char *path = run_directory_file("file"), *output;
    file_write(path, "kept");
    char *config = text_format("[databases]\n* = host=localhost\n[pgturnstile]\nauth_type = trust\nlisten_port = %d\nuser = nobody\n"
                               "restart_socket = %s\n",
                               process_free_port(), path);
    cr_expect_neq(proxy_run_refused(config, &output), 0);
    cr_expect_not_null(strstr(output, "is no socket; check restart_socket"), "%s", output);
    cr_expect_eq(file_count(path, "kept"), 1);
    free(config);
    free(output);
    free(path);
}

Test(restart, nobody_to_take_over_from)
{
    struct proxy *proxy = start("");
    char *config = text_format("%s", proxy->config_path);
    cr_assert_eq(proxy_stop(proxy, SIGINT, LONG_MS), 0);
    expect_no_takeover(config, "cannot reach the running pgturnstile");
    free(config);
    proxy_finish(&proxy);
}

Test(restart, one_at_a_time)
{
    struct proxy *proxy = start("");
    struct wire *old = wire_session(proxy->port);
    struct proxy *younger = proxy_take_over(proxy);
    expect_no_takeover(younger->config_path, "its own restart is not over");
    expect_it_serves(younger);
    wire_close(&old);
    expect_ended(proxy);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

/* Two at once: one does it. Here the one has asked, and takes its time. */
Test(restart, not_two_at_the_same_moment)
{
    struct proxy *proxy = start("");
    char *pid_file = pid_file_of(proxy);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    cr_assert_lt(snprintf(address.sun_path, sizeof address.sun_path, "%s.restart", pid_file), (int)sizeof address.sun_path);
    int first = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(first, (struct sockaddr *)&address, sizeof address), 0, "%s", address.sun_path);
    expect_no_takeover(proxy->config_path, "another process is taking over from it at this moment");
    close(first);
    struct proxy *younger = proxy_take_over(proxy);
    expect_ended(proxy);
    free(pid_file);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}

/* What it held is counted for a while; then all of the budget is the younger's, and it can be restarted itself. */
Test(restart, the_younger_outlives_an_older_that_is_killed)
{
    struct proxy *proxy = start("server_close_timeout = 0.3\n");
    struct wire *old = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(old, "begin; select 1"), "1");
    struct proxy *younger = proxy_take_over(proxy);
    proxy_stop(proxy, SIGKILL, LONG_MS);
    expect_it_serves(younger);
    WAIT_FOR(proxy_log_count(younger, " restart_finished ") == 1, LONG_MS);
    wire_close(&old);
    struct proxy *third = proxy_take_over(younger);
    expect_ended(younger);
    expect_it_serves(third);
    proxy_finish(&third);
    proxy_finish(&younger);
    proxy_finish(&proxy);
}
