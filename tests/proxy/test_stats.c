#include "proxy/stats.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/log.h"

static char path[64];

static void setup(void)
{
    strcpy(path, "/tmp/test_stats_XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
}

static void teardown(void)
{
    unlink(path);
}

TestSuite(stats, .init = setup, .fini = teardown);

/* The one line that was logged, from its level on. */
static const char *logged_line(void)
{
    static char text[4096];
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1, "one line, not: %s", text);
    const char *level = strstr(text, " info ");
    cr_assert_not_null(level);
    return level;
}

/* Each counter has a value of its own, so none can stand in another's place. */
Test(stats, one_line_holds_every_counter_in_order)
{
    struct stats stats;
    char expected[4096];
    size_t size = (size_t)snprintf(expected, sizeof expected, " info stats");
    uint64_t value = 0;
#define X(name, text)     \
    stats.name = ++value; \
    size += (size_t)snprintf(expected + size, sizeof expected - size, " %s=%llu", #name, (unsigned long long)value);
#include "proxy/stats.def"
#undef X
    snprintf(expected + size, sizeof expected - size, "\n");
    stats_log(&stats);
    cr_expect_str_eq(logged_line(), expected);
}

Test(stats, large_counters_fit)
{
    struct stats stats;
    uint64_t largest = INT64_MAX;
#define X(name, text) stats.name = largest;
#include "proxy/stats.def"
#undef X
    stats_log(&stats);
    const char *line = logged_line();
    cr_expect_null(strstr(line, "..."), "cut: %s", line);
#define X(name, text) cr_expect_not_null(strstr(line, " " #name "=9223372036854775807"), "%s", #name);
#include "proxy/stats.def"
#undef X
}
