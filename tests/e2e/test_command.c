/*
 * The command: its options, check, show and top, and the configurations that come from PgBouncer.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(command, .timeout = 300);

enum { ARGUMENTS_MAX = 16 };

/* Run the program with these arguments, up to NULL: its exit status; the caller frees what it has printed. */
static int run(char **output_out, ...)
{
    char *program = proxy_program(), *path = run_directory_file("output");
    const char *argv[ARGUMENTS_MAX] = {program};
    va_list arguments;
    va_start(arguments, output_out);
    for (size_t i = 1; i + 1 < ARGUMENTS_MAX && (argv[i] = va_arg(arguments, const char *)) != NULL; i++) continue;
    va_end(arguments);
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = path};
    int status = 0;
    pid_t pid = process_start(argv, &options);
    cr_assert(process_wait(pid, LONG_MS, &status), "%s still runs", argv[1]);
    cr_assert(WIFEXITED(status), "wait status 0x%x", status);
    *output_out = file_read(path);
    unlink(path);
    free(path);
    free(program);
    return WEXITSTATUS(status);
}

static void expect_in(const char *text, const char *part)
{
    cr_assert_not_null(strstr(text, part), "no \"%s\" in:\n%s", part, text);
}

static char *write_config(const char *text)
{
    char *path = run_directory_file("some.ini");
    file_write(path, text);
    process_hand_over(path);
    return path;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) count += *text == '\n';
    return count;
}

/* ---- help ---- */

Test(command, help_version_and_what_is_unknown)
{
    char *text;
    cr_assert_eq(run(&text, "--help", NULL), 0);
    static const char *const words[] = {"CONFIG", "check", "show", "top", "report", "--daemon", "--reboot"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) expect_in(text, words[i]);
    free(text);
    cr_assert_eq(run(&text, "-V", NULL), 0);
    cr_assert_eq(strncmp(text, "pgturnstile ", 12), 0, "%s", text);
    free(text);
    static const char *const wrong[][3] = {{NULL},   {"--frobnicate", "x"}, {"one", "two"}, {"check"}, {"check", "-x"},
                                           {"show"}, {"top", "pools"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(run(&text, wrong[i][0], wrong[i][1], wrong[i][2], NULL), 2, "%s", wrong[i][0]);
        expect_in(text, "Usage: pgturnstile");
        free(text);
    }
    static const char *const commands[] = {"check", "show", "top", "report"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char *expected = text_format("Usage: pgturnstile %s", commands[i]);
        cr_assert_eq(run(&text, commands[i], "--help", NULL), 0);
        expect_in(text, expected);
        free(expected);
        free(text);
    }
}

/* ---- check ---- */

Test(command, check_lists_ten_mistakes_in_ten_lines)
{
    char *text, *path = write_config("[pgturnstile]\n"
                                     "listen_port = 99999\n"
                                     "budget = many\n"
                                     "pool_mode = fast\n"
                                     "auth_type = trust\n"
                                     "log_format = xml\n"
                                     "syslog_facility = kitchen\n"
                                     "colour = blue\n"
                                     "restart_timeout = soon\n"
                                     "budgt = 7\n"
                                     "[databases]\n"
                                     "shop = host=db port=0\n"
                                     "[nonsense]\n");
    static const unsigned lines[] = {2, 3, 4, 6, 7, 8, 9, 10, 12, 13};
    cr_assert_eq(run(&text, "check", path, NULL), 1);
    cr_assert_eq(count_lines(text), 10, "%s", text);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *expected = text_format("%s:%u: ", path, lines[i]);
        expect_in(text, expected);
        free(expected);
    }
    free(text);
    free(path);
}

Test(command, check_passes_what_is_right_and_what_is_only_warned_of)
{
    char *text, *path = write_config("[databases]\n* = host=127.0.0.1\n[pgturnstile]\nauth_type = trust\n");
    cr_assert_eq(run(&text, "check", path, NULL), 0);
    cr_assert_str_eq(text, "");
    free(text);
    free(path);
    path = write_config("[pgturnstile]\nauth_type = trust\n");
    cr_assert_eq(run(&text, "check", "--", path, NULL), 0);
    expect_in(text, "warning: there is no database");
    free(text);
    free(path);
    cr_assert_eq(run(&text, "check", "/nonexistent.ini", NULL), 1);
    expect_in(text, "/nonexistent.ini");
    free(text);
}

/* ---- running ---- */

/* A configuration with a pidfile and a logfile in a directory of its own, and more lines. */
static char *make_config(int port, const char *directory, const char *more)
{
    cr_assert(mkdir(directory, 0755) == 0);
    process_hand_over(directory);
    char *text = text_format("[databases]\n* = host=%s port=%d\n[pgturnstile]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"
                             "auth_type = trust\nbudget = 2\n%s",
                             postgres_shared()->directory, postgres_shared()->port, port, more);
    char *path = write_config(text);
    free(text);
    return path;
}

static pid_t pid_in(const char *path)
{
    char *text = file_read(path);
    pid_t pid = (pid_t)atol(text);
    free(text);
    return pid;
}

/* The parent comes back when the port is open, its child serves, and a second one is told of it. */
Test(command, background)
{
    int port = process_free_port();
    char *directory = run_directory_short(), *text;
    char *pid_file = text_format("%s/pid", directory), *log = text_format("%s/log", directory);
    char *more = text_format("pidfile = %s\nlogfile = %s\n", pid_file, log), *config = make_config(port, directory, more);
    cr_assert_eq(run(&text, "-d", config, NULL), 0, "%s", text);
    cr_assert_str_eq(text, "");
    free(text);
    pid_t pid = pid_in(pid_file);
    cr_assert_gt(pid, 1);
    cr_assert_eq(getsid(pid), pid);
    struct wire *wire = wire_session(port);
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    wire_close(&wire);
    cr_assert_eq(run(&text, "-d", config, NULL), 1);
    char *expected = text_format("belongs to process %d, which runs", (int)pid);
    expect_in(text, expected);
    free(expected);
    free(text);
    cr_assert_eq(kill(pid, SIGTERM), 0);
    WAIT_FOR(kill(pid, 0) != 0, LONG_MS);
    cr_assert_neq(access(pid_file, F_OK), 0);
    cr_assert_gt(file_count(log, " ended "), 0);
    free(config);
    free(more);
    free(log);
    free(pid_file);
    free(directory);
}

/* What systemd runs need not have a logfile: standard error is kept when it is the journal. */
Test(command, background_of_a_service)
{
    int port = process_free_port(), status;
    char *directory = run_directory_short(), *journal = run_directory_file("journal"), *program = proxy_program();
    char *more = text_format("pidfile = %s/pid\n", directory), *config = make_config(port, directory, more);
    char *pid_file = text_format("%s/pid", directory);
    struct stat of_journal;
    file_write(journal, "");
    process_hand_over(journal);
    cr_assert_eq(stat(journal, &of_journal), 0);
    char *stream = text_format("%llu:%llu", (unsigned long long)of_journal.st_dev, (unsigned long long)of_journal.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    const char *argv[] = {program, "-d", config, NULL};
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = journal};
    pid_t parent = process_start(argv, &options);
    cr_assert(process_wait(parent, LONG_MS, &status));
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", file_read(journal));
    pid_t pid = pid_in(pid_file);
    cr_assert_eq(kill(pid, SIGTERM), 0);
    WAIT_FOR(kill(pid, 0) != 0, LONG_MS);
    cr_expect_gt(file_count(journal, " started "), 0);
    cr_expect_gt(file_count(journal, " ended "), 0);
    free(stream);
    free(pid_file);
    free(config);
    free(more);
    free(program);
    free(journal);
    free(directory);
}

Test(command, background_wants_to_be_found_again_and_tells_of_failures)
{
    char *directory = run_directory_short(), *text, *config = make_config(process_free_port(), directory, "");
    cr_assert_eq(run(&text, "-d", config, NULL), 1);
    expect_in(text, "pidfile");
    free(text);
    free(config);
    free(directory);
    directory = run_directory_short();
    char *more = text_format("pidfile = %s/pid\nlogfile = %s/log\nunix_socket_dir = /nonexistent/directory\n", directory, directory);
    config = make_config(process_free_port(), directory, more);
    cr_assert_eq(run(&text, "-d", config, NULL), 1);
    expect_in(text, "/nonexistent/directory");
    free(text);
    free(config);
    free(more);
    free(directory);
}

/* Start in the foreground with an option; what it prints until SIGINT has ended it. */
static char *output_of(const char *option)
{
    int port = process_free_port(), status;
    char *directory = run_directory_short(), *config = make_config(port, directory, ""), *program = proxy_program();
    char *path = run_directory_file("output");
    const char *argv[] = {program, option, config, NULL};
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = path};
    pid_t pid = process_start(argv, &options);
    struct wire *wire = NULL;
    WAIT_FOR((wire = wire_try_connect(port)) != NULL, LONG_MS);
    wire_close(&wire);
    wire = wire_session(port);
    wire_query(wire, "listen bell"); /* pins, which is a detail of the log */
    cr_assert_str_eq(wire_query(wire, "select 1"), "1");
    wire_close(&wire);
    cr_assert_eq(kill(pid, SIGINT), 0);
    cr_assert(process_wait(pid, LONG_MS, &status));
    char *text = file_read(path);
    free(path);
    free(program);
    free(config);
    free(directory);
    return text;
}

Test(command, quiet_and_verbose)
{
    char *quiet = output_of("-q"), *verbose = output_of("-v");
    cr_assert_str_eq(quiet, "");
    expect_in(verbose, " started ");
    expect_in(verbose, " debug ");
    free(verbose);
    free(quiet);
}

/* ---- show and top: whoever speaks the protocol will do as a console ---- */

Test(command, show_asks_the_database_of_our_name)
{
    char *text, *port = text_format("%d", postgres_shared()->port);
    const char *directory = postgres_shared()->directory;
    sql_run(sql_direct(), "create database pgturnstile");
    cr_assert_eq(run(&text, "show", "work_mem", "--socket", directory, "--port", port, "-U", "app", NULL), 0, "%s", text);
    cr_assert_str_eq(text, "work_mem\n4MB\n");
    free(text);
    char *socket = text_format("%s/.s.PGSQL.%s", directory, port);
    cr_assert_eq(run(&text, "show", "work_mem", "--json", "-U", "app", "-s", socket, NULL), 0, "%s", text);
    cr_assert_str_eq(text, "[{\"work_mem\": \"4MB\"}]\n");
    free(text);
    free(socket);
    cr_assert_eq(run(&text, "show", "work_mem", "-s", "no/such/directory", NULL), 1);
    expect_in(text, "no/such/directory: No such file or directory");
    free(text);
    cr_assert_eq(run(&text, "show", "pools", "-H", "127.0.0.1", "-p", port, "-U", "app", NULL), 1);
    expect_in(text, "unrecognized configuration parameter");
    free(text);
    cr_assert_eq(run(&text, "show", "pools; drop table x", "-H", "127.0.0.1", "-p", port, "-U", "app", NULL), 1);
    expect_in(text, "nothing that SHOW could show");
    free(text);
    cr_assert_eq(run(&text, "top", "-s", directory, "-p", port, "-U", "app", NULL), 0, "%s", text);
    expect_in(text, "pgturnstile at ");
    expect_in(text, "this pgturnstile does not show POOLS");
    free(text);
    free(port);
    sql_run(sql_direct(), "drop database pgturnstile");
}

/* The console itself: every table that top draws is there. */
Test(command, show_and_top_of_a_running_one)
{
    struct proxy *proxy = proxy_start("stats_users = app\n");
    struct wire *wire = wire_session(proxy->port);
    char *text, *port = text_format("%d", proxy->port);
    cr_assert_str_eq(wire_query(wire, "begin; select 1"), "1");
    cr_assert_eq(run(&text, "show", "pools", "-j", "-H", "127.0.0.1", "-p", port, "-U", "app", NULL), 0, "%s", text);
    expect_in(text, "\"sv_active\": 1");
    free(text);
    cr_assert_eq(run(&text, "top", "-H", "127.0.0.1", "-p", port, "-U", "app", NULL), 0, "%s", text);
    expect_in(text, "1 of 5: 1 active");
    expect_in(text, "idle in transaction");
    cr_assert_null(strstr(text, "does not show POOLS"), "%s", text);
    cr_assert_null(strstr(text, "does not show LEASES"), "%s", text);
    cr_assert_null(strstr(text, "does not show WAITING"), "%s", text);
    cr_assert_null(strstr(text, "does not show STATS"), "%s", text);
    free(text);
    free(port);
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(command, nobody_to_ask)
{
    char *text, *port = text_format("%d", process_free_port());
    cr_assert_eq(run(&text, "show", "pools", "-H", "127.0.0.1", "-p", port, NULL), 1);
    expect_in(text, "pgturnstile show: ");
    free(text);
    cr_assert_eq(run(&text, "top", "-H", "127.0.0.1", "-p", port, NULL), 1);
    expect_in(text, "pgturnstile top: ");
    free(text);
    free(port);
}

/* ---- configurations that were made for PgBouncer ---- */

/* Start with it, ask something of `database`, end it. */
static void expect_it_serves(const char *config, int port, const char *user, const char *database)
{
    char *program = proxy_program(), *log = run_directory_file("proxy.log");
    const char *argv[] = {program, config, NULL};
    struct process_options options = {.identity = PROCESS_UNPRIVILEGED, .output_path = log};
    int status;
    pid_t pid = process_start(argv, &options);
    struct wire *wire = NULL;
    WAIT_FOR((wire = wire_try_connect(port)) != NULL || process_wait(pid, 0, &status), LONG_MS);
    cr_assert_not_null(wire, "%s", file_read(log));
    wire_close(&wire);
    PGconn *connection = sql_connect("host=127.0.0.1 port=%d user=%s dbname=%s password=secret sslmode=disable", port, user, database);
    cr_assert_str_eq(sql_value(connection, "select current_database()"), strcmp(database, "reports") == 0 ? "other" : "app");
    PQfinish(connection);
    cr_assert_eq(kill(pid, SIGINT), 0);
    cr_assert(process_wait(pid, LONG_MS, &status));
    free(log);
    free(program);
}

/* A text with what stands in angle brackets replaced. */
static char *fill_in(const char *text, const char *const *pairs)
{
    char *filled = text_format("%s", text);
    for (; *pairs != NULL; pairs += 2) {
        for (char *at; (at = strstr(filled, pairs[0])) != NULL;) {
            char *longer = text_format("%.*s%s%s", (int)(at - filled), filled, pairs[1], at + strlen(pairs[0]));
            free(filled);
            filled = longer;
        }
    }
    return filled;
}

Test(command, a_real_pgbouncer_ini_starts_unchanged)
{
    char *source = text_format("%s/tests/e2e/pgbouncer.ini", getenv("SOURCE_DIR") != NULL ? getenv("SOURCE_DIR") : ".");
    char *text = file_read(source), *directory = run_directory_short(), *users = text_format("%s/users.txt", directory);
    cr_assert_str_neq(text, "", "%s", source);
    cr_assert(mkdir(directory, 0755) == 0);
    file_write(users, "\"app\" \"secret\"\n\"app2\" \"md5e7f81d3a4a7a4e8e1e7cfc2a4ee6b3a5\"\n");
    process_hand_over(users);
    process_hand_over(directory);
    int port = process_free_port();
    char *port_text = text_format("%d", port), *server_port = text_format("%d", postgres_shared()->port);
    const char *const pairs[] = {"<directory>", directory, "<host>", postgres_shared()->directory, "<port>", server_port,
                                 "<listen>",    port_text, NULL};
    char *filled = fill_in(text, pairs), *config = write_config(filled), *output;
    cr_assert_eq(run(&output, "check", config, NULL), 0, "%s", output);
    expect_it_serves(config, port, "app", "shop");
    expect_it_serves(config, port, "app", "reports");
    expect_it_serves(config, port, "app", "app");
    free(output);
    free(config);
    free(filled);
    free(server_port);
    free(port_text);
    free(users);
    free(directory);
    free(text);
    free(source);
}

/* Debian's, where it is installed; only its places are moved, which another user cannot write. */
Test(command, the_pgbouncer_ini_of_debian_starts)
{
    static const char installed[] = "/etc/pgbouncer/pgbouncer.ini";
    char *text = file_read(installed), *output;
    if (*text == '\0') cr_skip_test("%s is not there", installed);
    cr_assert_eq(run(&output, "check", installed, NULL), 0, "%s", output);
    free(output);
    int port = process_free_port();
    char *directory = run_directory_short(), *port_text = text_format("listen_port = %d", port),
         *users = text_format("%s/users.txt", directory);
    char *databases = text_format("[databases]\n* = host=%s port=%d", postgres_shared()->directory, postgres_shared()->port);
    cr_assert(mkdir(directory, 0755) == 0);
    file_write(users, "\"app\" \"secret\"\n");
    process_hand_over(users);
    process_hand_over(directory);
    const char *const pairs[] = {"/var/log/postgresql",
                                 directory,
                                 "/var/run/postgresql",
                                 directory,
                                 "/etc/pgbouncer/userlist.txt",
                                 users,
                                 "listen_port = 6432",
                                 port_text,
                                 "listen_addr = localhost",
                                 "listen_addr = 127.0.0.1",
                                 NULL};
    char *filled = fill_in(text, pairs), *at = strstr(filled, "[databases]");
    cr_assert_not_null(at);
    char *whole = text_format("%.*s%s%s", (int)(at - filled), filled, databases, at + strlen("[databases]"));
    char *config = write_config(whole);
    expect_it_serves(config, port, "app", "app");
    free(config);
    free(whole);
    free(filled);
    free(databases);
    free(users);
    free(port_text);
    free(directory);
    free(text);
}

/* The samples of etc/: the minimal one and the one that says everything. */
Test(command, our_samples_are_right)
{
    static const char *const names[] = {"pgturnstile.ini", "pgturnstile.minimal.ini"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *source = text_format("%s/etc/%s", getenv("SOURCE_DIR") != NULL ? getenv("SOURCE_DIR") : ".", names[i]), *output;
        char *text = file_read(source), *users = run_directory_file("users.txt");
        file_write(users, "\"app\" \"secret\"\n");
        process_hand_over(users);
        int port = process_free_port();
        char *server = text_format("host=%s port=%d", postgres_shared()->directory, postgres_shared()->port);
        char *listen = text_format("\nlisten_port = %d", port);
        const char *const pairs[] = {"/etc/pgturnstile/userlist.txt",
                                     users,
                                     "host=127.0.0.1 port=5432",
                                     server,
                                     "\n;listen_port = 6432",
                                     listen,
                                     "\nlisten_port = 6432",
                                     listen,
                                     NULL};
        char *filled = fill_in(text, pairs), *config = write_config(filled);
        cr_assert_eq(run(&output, "check", config, NULL), 0, "%s", output);
        cr_assert_str_eq(output, "");
        expect_it_serves(config, port, "app", "app");
        free(output);
        free(config);
        free(filled);
        free(listen);
        free(server);
        free(users);
        free(text);
        free(source);
    }
}
