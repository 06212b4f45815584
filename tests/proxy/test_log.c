#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/log.h"

static char directory[64];
static char path[128];
static char content[1 << 20];

static void setup(void)
{
    strcpy(directory, "/tmp/test_log_XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/log", directory);
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(log, .init = setup, .fini = teardown);

static const char *read_file(const char *name)
{
    FILE *file = fopen(name, "r");
    cr_assert_not_null(file, "%s", name);
    content[fread(content, 1, sizeof content - 1, file)] = '\0';
    fclose(file);
    return content;
}

static void write_event(enum log_level level, const char *event)
{
    struct log_line line;
    log_begin(&line, level, event);
    log_end(&line);
}

/* What stands behind "key=" for one value. */
static const char *written_value(const char *value)
{
    struct log_line line;
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    log_begin(&line, LOG_LEVEL_INFO, "event");
    log_text(&line, "key", value);
    log_end(&line);
    const char *text = strstr(read_file(path), "key=");
    cr_assert_not_null(text);
    cr_assert_eq(content[strlen(content) - 1], '\n');
    content[strlen(content) - 1] = '\0';
    cr_assert_eq(unlink(path), 0);
    return text + 4;
}

Test(log, a_line_is_time_level_event_and_pairs)
{
    struct log_line line;
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    log_begin(&line, LOG_LEVEL_WARNING, "login_failed");
    log_text(&line, "user", "alice");
    log_text(&line, "nothing", NULL);
    log_number(&line, "client", INT64_MIN);
    log_end(&line);

    const char *text = read_file(path);
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; i < strlen(shape); i++) {
        bool is_right = shape[i] == 'd' ? isdigit((unsigned char)text[i]) != 0 : text[i] == shape[i];
        cr_assert(is_right, "%s", text);
    }
    cr_assert_str_eq(text + strlen(shape), " warning login_failed user=alice client=-9223372036854775808\n");
}

Test(log, values_are_quoted_when_they_must_be)
{
    static const struct {
        const char *value, *written;
    } cases[] = {
        {"plain-value_1.5/x@y,z", "plain-value_1.5/x@y,z"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nfeed\r\t\x1b[31m\x7f", "\"line\\x0afeed\\x0d\\x09\\x1b[31m\\x7f\""},
        {"m\xc3\xbcller", "\"m\xc3\xbcller\""},
        {"\xe2\x82\xac\xf0\x9f\x90\x98", "\"\xe2\x82\xac\xf0\x9f\x90\x98\""},
        {"\xff\xfe", "\"\\xff\\xfe\""},
        {"cut \xe2\x82", "\"cut \\xe2\\x82\""},
        {"overlong \xc0\xaf\xe0\x80\xaf", "\"overlong \\xc0\\xaf\\xe0\\x80\\xaf\""},
        {"surrogate \xed\xa0\x80", "\"surrogate \\xed\\xa0\\x80\""},
        {"too large \xf4\x90\x80\x80", "\"too large \\xf4\\x90\\x80\\x80\""},
        {"c1 \xc2\x9b", "\"c1 \\xc2\\x9b\""},
        {"right to left \xe2\x80\xae", "\"right to left \\xe2\\x80\\xae\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) cr_expect_str_eq(written_value(cases[i].value), cases[i].written);
}

Test(log, what_does_not_fit_is_cut_and_marked)
{
    static char value[5000];
    struct log_line line;
    for (size_t first = 1; first < sizeof value - 1; first += 37) {
        memset(value, 'x', first);
        value[first] = '\0';
        const char *bare = written_value(value);
        if (first < 1900) cr_assert_str_eq(bare, value);
        if (first > 2048) cr_assert_str_eq(bare + strlen(bare) - 4, "x...");

        value[0] = ' ';
        const char *quoted = written_value(value);
        cr_assert_eq(quoted[strlen(quoted) - 1], '"');
        if (first > 2048) cr_assert_str_eq(quoted + strlen(quoted) - 5, "x...\"");
    }

    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    log_begin(&line, LOG_LEVEL_INFO, "event");
    for (int i = 0; i < 1000; i++) log_text(&line, "key", i % 2 ? "\x01" : "v");
    log_end(&line);
    const char *text = read_file(path);
    cr_assert_leq(strlen(text), sizeof line.text);
    cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
    cr_assert_not_null(strstr(text, "..."));
}

Test(log, escapes_are_never_cut_in_two)
{
    static char value[2100];
    for (size_t padding = 1900; padding < 2060; padding++) {
        memset(value, ' ', padding);
        strcpy(value + padding, "\x01\x01\x01\xe2\x82\xac\xe2\x82\xac");
        const char *text = written_value(value);
        for (const char *at = text; (at = strchr(at, '\\')) != NULL; at++) cr_assert_eq(strncmp(at, "\\x01", 4), 0, "%s", text);
        for (const char *at = text; (at = strchr(at, '\xe2')) != NULL; at++) cr_assert_eq(strncmp(at, "\xe2\x82\xac", 3), 0, "%s", text);
    }
}

Test(log, lines_below_the_level_are_not_written)
{
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_WARNING}), 0);
    write_event(LOG_LEVEL_DEBUG, "one");
    write_event(LOG_LEVEL_INFO, "two");
    write_event(LOG_LEVEL_WARNING, "three");
    log_set_level(LOG_LEVEL_DEBUG);
    write_event(LOG_LEVEL_DEBUG, "four");
    const char *text = read_file(path);
    cr_assert_null(strstr(text, "one"));
    cr_assert_null(strstr(text, "two"));
    cr_assert_not_null(strstr(text, " warning three\n"));
    cr_assert_not_null(strstr(text, " debug four\n"));
}

Test(log, the_file_is_private_and_appended_to)
{
    struct stat status;
    umask(0);
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    write_event(LOG_LEVEL_INFO, "first");
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    write_event(LOG_LEVEL_INFO, "second");
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0640);
    cr_assert_not_null(strstr(read_file(path), "first"));
    cr_assert_not_null(strstr(content, "second"));
}

Test(log, a_target_that_cannot_be_opened_leaves_the_old_one)
{
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    cr_assert_eq(log_open(&(struct log_options){.path = "/nonexistent/directory/log", .lowest = LOG_LEVEL_INFO}), -1);
    cr_assert_eq(errno, ENOENT);
    write_event(LOG_LEVEL_INFO, "still");
    cr_assert_not_null(strstr(read_file(path), "still"));
}

Test(log, reopen_follows_the_path)
{
    char moved[160];
    snprintf(moved, sizeof moved, "%s.1", path);
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    write_event(LOG_LEVEL_INFO, "before");
    cr_assert_eq(rename(path, moved), 0);
    write_event(LOG_LEVEL_INFO, "moved");
    log_reopen();
    write_event(LOG_LEVEL_INFO, "after");
    cr_assert_not_null(strstr(read_file(moved), "moved"));
    cr_assert_null(strstr(content, "after"));
    cr_assert_not_null(strstr(read_file(path), "after"));
}

Test(log, reopen_that_fails_keeps_the_old_file)
{
    char moved[160];
    snprintf(moved, sizeof moved, "%s.1", path);
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    cr_assert_eq(rename(path, moved), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    log_reopen();
    write_event(LOG_LEVEL_INFO, "after");
    cr_assert_not_null(strstr(read_file(moved), "after"));
    cr_assert_not_null(strstr(content, "log_reopen_failed error="));
}

/* Put `fd` in the place of stderr, where the log writes without a path. */
static void become_stderr(int fd)
{
    cr_assert_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
    cr_assert_eq(log_open(&(struct log_options){.path = "", .lowest = LOG_LEVEL_INFO}), 0);
}

Test(log, a_full_disk_loses_lines_and_counts_them)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int saved = dup(STDERR_FILENO);
    cr_assert_geq(file, 0);
    become_stderr(open("/dev/full", O_WRONLY));
    for (int i = 0; i < 5; i++) write_event(LOG_LEVEL_INFO, "lost");
    /* The same log, and its target takes lines again. */
    cr_assert_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
    write_event(LOG_LEVEL_INFO, "written");
    dup2(saved, STDERR_FILENO);
    const char *text = strstr(read_file(path), "log_lines_lost count=5\n");
    cr_assert_not_null(text);
    cr_assert_not_null(strstr(text, "written"));
    cr_assert_null(strstr(content, "lost\n"));
}

Test(log, a_pipe_that_nobody_reads_does_not_block, .timeout = 10)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    become_stderr(ends[1]);
    for (int i = 0; i < 20000; i++) write_event(LOG_LEVEL_INFO, "many");

    ssize_t size;
    cr_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while ((size = read(ends[0], content, sizeof content)) > 0) continue;
    write_event(LOG_LEVEL_INFO, "again");
    size = read(ends[0], content, sizeof content - 1);
    dup2(saved, STDERR_FILENO);
    cr_assert_gt(size, 0);
    content[size] = '\0';
    cr_assert_not_null(strstr(content, "log_lines_lost count="));
    cr_assert_not_null(strstr(content, " again\n"));
}

Test(log, a_closed_pipe_does_not_kill)
{
    int ends[2];
    signal(SIGPIPE, SIG_DFL);
    cr_assert_eq(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    become_stderr(ends[1]);
    close(ends[0]);
    write_event(LOG_LEVEL_INFO, "nobody");
    write_event(LOG_LEVEL_INFO, "hears");
    dup2(saved, STDERR_FILENO);
}

Test(log, a_closed_stderr_gets_no_other_files_number)
{
    int saved = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    int result = log_open(&(struct log_options){.path = NULL, .lowest = LOG_LEVEL_INFO});
    int next = open("/dev/null", O_RDONLY);
    write_event(LOG_LEVEL_INFO, "nobody");
    dup2(saved, STDERR_FILENO);
    cr_assert_eq(result, 0);
    cr_assert_neq(next, STDERR_FILENO);
}

enum { THREADS = 4, LINES = 2000 };

static void *write_many(void *name)
{
    for (int i = 0; i < LINES; i++) {
        struct log_line line;
        log_begin(&line, LOG_LEVEL_INFO, "many");
        log_text(&line, "thread", name);
        log_number(&line, "i", i);
        log_end(&line);
    }
    return NULL;
}

Test(log, lines_of_several_threads_do_not_mix)
{
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    int seen[THREADS] = {0};
    cr_assert_eq(log_open(&(struct log_options){.path = path, .lowest = LOG_LEVEL_INFO}), 0);
    for (int i = 0; i < THREADS; i++) cr_assert_eq(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);

    FILE *file = fopen(path, "r");
    char text[256];
    cr_assert_not_null(file);
    while (fgets(text, sizeof text, file) != NULL) {
        char name, end;
        int i;
        cr_assert_eq(sscanf(text, "%*s info many thread=%c i=%d%c", &name, &i, &end), 3, "%s", text);
        cr_assert_eq(end, '\n');
        cr_assert_eq(i, seen[name - 'a']++);
    }
    fclose(file);
    for (int i = 0; i < THREADS; i++) cr_assert_eq(seen[i], LINES);
}
