/*
 * The directory of a test run, and the process that cleans up behind it. Not for the contents: those belong to postgres.c and
 * proxy.c.
 * Invariant: the reaper learns of the runner's end from a pipe whose only writer is the runner, so a kill -9 is noticed as well.
 */
#include "tests/e2e/support/run_directory.h"

#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/require.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char variable[] = "PGTURNSTILE_E2E_DIRECTORY";

enum { LOG_TAIL_SIZE = 6000 };

const char *run_directory(void)
{
    const char *path = getenv(variable);
    require(path != NULL, "no run directory: the test program was not started by its own main");
    return path;
}

static void kill_postmaster(const char *cluster)
{
    char *pid_file = text_format("%s/postmaster.pid", cluster);
    char *text = file_read(pid_file);
    pid_t pid = (pid_t)atoi(text);
    free(text);
    if (pid > 1 && kill(pid, SIGQUIT) == 0) {
        int64_t deadline_ms = now_ms() + 5000;
        while (access(pid_file, F_OK) == 0 && now_ms() < deadline_ms) nap();
        if (access(pid_file, F_OK) == 0) kill(pid, SIGKILL);
    }
    free(pid_file);
}

static void reap(const char *path, int runner)
{
    char byte;
    while (read(runner, &byte, 1) < 0 && errno == EINTR) {
    }
    DIR *directory = opendir(path);
    if (directory == NULL) return;
    for (const struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char *cluster = text_format("%s/%s", path, entry->d_name);
        kill_postmaster(cluster);
        free(cluster);
    }
    closedir(directory);
    directory_remove(path);
}

static void start_reaper(const char *path)
{
    int ends[2];
    require(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    require(pid >= 0);
    if (pid == 0) {
        setsid();
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        dup2(ends[0], 0);
        /* Neither the runner's pipes nor its terminal may be held open by this process. */
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        syscall(SYS_close_range, 3u, ~0u, 0u);
        reap(path, 0);
        _exit(0);
    }
    close(ends[0]);
}

void run_directory_init(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = text_format("%s/pgturnstile-e2e-XXXXXX", parent != NULL ? parent : "/tmp");
    require(mkdtemp(path) != NULL, "%s: %s", path, strerror(errno));
    require(chmod(path, 0755) == 0);
    process_hand_over(path);
    setenv(variable, path, 1);
    /* libpq looks for certificates and passwords in the home directory; the tests have none. */
    setenv("HOME", path, 1);
    start_reaper(path);
    free(path);
}

char *run_directory_file(const char *name)
{
    static int number;
    if (criterion_current_test == NULL) return text_format("%s/main-%d-%s", run_directory(), number++, name);
    return text_format("%s/%s.%s-%d-%s", run_directory(), criterion_current_test->category, criterion_current_test->name, number++, name);
}

char *run_directory_short(void)
{
    static int number;
    return text_format("%s/%d.%d", run_directory(), (int)getpid(), number++);
}

static void show_tail(const char *path, const char *name)
{
    char *text = file_read(path);
    size_t size = strlen(text);
    fprintf(stderr, "---- end of %s ----\n%s----\n", name, size > LOG_TAIL_SIZE ? text + size - LOG_TAIL_SIZE : text);
    free(text);
}

void run_directory_show_logs(const char *suite, const char *test)
{
    char *prefix = text_format("%s.%s-", suite, test);
    DIR *directory = opendir(run_directory());
    for (const struct dirent *entry = directory != NULL ? readdir(directory) : NULL; entry != NULL; entry = readdir(directory)) {
        const char *dot = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || dot == NULL || strcmp(dot, ".log") != 0) continue;
        char *path = text_format("%s/%s", run_directory(), entry->d_name);
        show_tail(path, entry->d_name);
        free(path);
    }
    if (directory != NULL) closedir(directory);
    free(prefix);
}
