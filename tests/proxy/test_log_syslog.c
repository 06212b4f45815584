#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "proxy/log.h"
#include "proxy/log_syslog.h"

static char directory[64], path[100];

static void setup(void)
{
    strcpy(directory, "/tmp/test_syslog_XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/log", directory);
}

static void teardown(void)
{
    unlink(path);
    rmdir(directory);
}

TestSuite(log_syslog, .init = setup, .fini = teardown, .timeout = 20);

/* Somebody who reads the socket. */
static int daemon_starts(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    unlink(path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The next datagram, "" when there is none. */
static const char *heard(int fd)
{
    static char text[4096];
    ssize_t size = recv(fd, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static void expect_message(int fd, int priority, const char *ending)
{
    char start[32], end[256];
    const char *text = heard(fd);
    snprintf(start, sizeof start, "<%d>", priority);
    snprintf(end, sizeof end, " gate[%ld]: %s", (long)getpid(), ending);
    cr_assert_eq(strncmp(text, start, strlen(start)), 0, "%s", text);
    cr_assert_geq(strlen(text), strlen(end));
    cr_assert_str_eq(text + strlen(text) - strlen(end), end);
}

static void open_log(enum log_format format)
{
    struct log_options options = {.is_quiet = true,
                                  .lowest = LOG_LEVEL_INFO,
                                  .format = format,
                                  .uses_syslog = true,
                                  .syslog_path = path,
                                  .syslog_ident = "gate",
                                  .syslog_facility = LOG_LOCAL3};
    cr_assert_eq(log_open(&options), 0);
}

static void write_event(enum log_level level, const char *event)
{
    struct log_line line;
    log_begin(&line, level, event);
    log_number(&line, "i", 1);
    log_end(&line);
}

Test(log_syslog, events_have_their_severity_and_no_second_time)
{
    int fd = daemon_starts();
    open_log(LOG_FORMAT_TEXT);
    write_event(LOG_LEVEL_INFO, "started");
    expect_message(fd, LOG_LOCAL3 | LOG_INFO, "started i=1");
    write_event(LOG_LEVEL_ERROR, "broken");
    expect_message(fd, LOG_LOCAL3 | LOG_ERR, "broken i=1");
    write_event(LOG_LEVEL_DEBUG, "below the level");
    cr_assert_str_eq(heard(fd), "");
    close(fd);
}

Test(log_syslog, json_goes_as_a_whole)
{
    int fd = daemon_starts();
    open_log(LOG_FORMAT_JSON);
    write_event(LOG_LEVEL_INFO, "started");
    const char *text = strchr(heard(fd), '{');
    cr_assert_not_null(text);
    cr_assert_not_null(strstr(text, "\"event\":\"started\",\"i\":1}"));
    close(fd);
}

Test(log_syslog, a_daemon_that_does_not_read_costs_lines_and_no_time)
{
    int fd = daemon_starts();
    open_log(LOG_FORMAT_TEXT);
    for (int i = 0; i < 20000; i++) write_event(LOG_LEVEL_INFO, "many");
    int count = 0;
    while (*heard(fd) != '\0') count++;
    cr_assert(count > 0 && count < 20000);
    write_event(LOG_LEVEL_INFO, "again");
    char ending[64];
    snprintf(ending, sizeof ending, "log_lines_lost count=%d", 20000 - count);
    expect_message(fd, LOG_LOCAL3 | LOG_ERR, ending);
    expect_message(fd, LOG_LOCAL3 | LOG_INFO, "again i=1");
    close(fd);
}

Test(log_syslog, a_daemon_that_comes_back_is_found)
{
    open_log(LOG_FORMAT_TEXT);
    write_event(LOG_LEVEL_INFO, "nobody hears");
    int fd = daemon_starts();
    write_event(LOG_LEVEL_INFO, "first");
    expect_message(fd, LOG_LOCAL3 | LOG_ERR, "log_lines_lost count=1");
    expect_message(fd, LOG_LOCAL3 | LOG_INFO, "first i=1");
    close(fd);
    fd = daemon_starts();
    write_event(LOG_LEVEL_INFO, "second");
    expect_message(fd, LOG_LOCAL3 | LOG_INFO, "second i=1");
    close(fd);
}
