/* What the process is before it serves anybody. Nothing here knows what it serves. */
#include "proxy/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proxy/log.h"

static int ready_pipe = -1; /* to the parent of process_go_to_background */

void process_clean_environment(void)
{
    static const char *const names[] = {"PGOPTIONS", "PGAPPNAME", "PGCLIENTENCODING", "PGTZ",   "PGDATESTYLE", "PGGEQO",
                                        "PGHOST",    "PGPORT",    "PGDATABASE",       "PGUSER", "PGPASSWORD"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

int process_leave_root(const char *user, struct error *error)
{
    if (geteuid() != 0) return 0;
    if (!*user) {
        error_set(error, "", "does not run as root; start it as another user, or name one with the setting \"user\" or -u");
        return -1;
    }
    const struct passwd *entry = getpwnam(user);
    if (!entry || entry->pw_uid == 0) {
        error_set(error, "", "user \"%s\" does not exist or is root; check the setting \"user\"", user);
        return -1;
    }
    if (initgroups(user, entry->pw_gid) || setgid(entry->pw_gid) || setuid(entry->pw_uid)) {
        error_set(error, "", "cannot become user \"%s\": %s", user, strerror(errno));
        return -1;
    }
    setenv("HOME", entry->pw_dir, 1); /* libpq looks there for .pgpass and certificates */
    return 0;
}

void process_raise_descriptor_limit(uint64_t needed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= needed) return;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "few_descriptors");
    log_number(&line, "limit", (int64_t)limit.rlim_cur);
    log_number(&line, "needed", (int64_t)needed);
    log_text(&line, "hint", "lower max_client_conn, or raise the limit of open files (ulimit -n, LimitNOFILE)");
    log_end(&line);
}

/* The parent's end: until the child says that it is ready, or is gone. */
__attribute__((noreturn)) static void wait_for_child(int fd)
{
    char word;
    ssize_t size;
    do {
        size = read(fd, &word, 1);
    } while (size < 0 && errno == EINTR);
    _exit(size == 1 ? 0 : 1);
}

int process_go_to_background(struct error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        error_set(error, "", "cannot go into the background: %s", strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        error_set(error, "", "cannot go into the background: %s", strerror(errno));
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    if (pid > 0) {
        close(ends[1]);
        wait_for_child(ends[0]);
    }
    close(ends[0]);
    setsid();
    ready_pipe = ends[1];
    return 0;
}

void process_is_ready(void)
{
    if (ready_pipe < 0) return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int last = log_stderr_is_journal() ? STDOUT_FILENO : STDERR_FILENO;
    for (int fd = STDIN_FILENO; null >= 0 && fd <= last; fd++) dup2(null, fd);
    if (null > STDERR_FILENO) close(null);
    while (write(ready_pipe, "", 1) < 0 && errno == EINTR) continue;
    close(ready_pipe);
    ready_pipe = -1;
}
