/*
 * The log: levels and targets. Not for the answers of the console and not for what goes to clients; it never reads what it wrote, rotates or compresses
 * nothing. How a line looks is in log_line.c.
 *
 * Invariants: a line is put together on the caller's stack and written under the mutex with one write(2). No target can block the caller
 * for longer than PATIENCE_MS: a pipe, a socket or a terminal is asked with poll(2) first, and one that did not take a line in time gets no
 * second wait until it takes one again. POLLOUT on a pipe means room for PIPE_BUF bytes, which is more than a line.
 */
#include "proxy/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "proxy/log_syslog.h"

enum { PATIENCE_MS = 20, FILE_MODE = 0640 };

static struct {
    pthread_mutex_t mutex;
    int fd;          /* -1: none */
    char *path;      /* NULL: stderr */
    bool may_block;  /* no regular file */
    bool is_journal; /* wants the priority in front */
    bool is_stuck;   /* did not take the last line */
    bool is_torn;    /* took a part of the last line: the next one starts with a newline */
    uint64_t lost;   /* lines since it last took one */
    bool uses_syslog;
    struct log_syslog syslog;
    uint64_t syslog_lost;
} target = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .may_block = true, .syslog = {.fd = -1}};

static atomic_int lowest_level = LOG_LEVEL_INFO;
static atomic_int line_format = LOG_FORMAT_TEXT;

static const int severities[] = {
    [LOG_LEVEL_DEBUG] = LOG_DEBUG, [LOG_LEVEL_INFO] = LOG_INFO, [LOG_LEVEL_WARNING] = LOG_WARNING, [LOG_LEVEL_ERROR] = LOG_ERR};

/* ---- the target ---- */

/* JOURNAL_STREAM is "device:inode" of the journal's socket (systemd.exec(5)). */
bool log_stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
           status.st_ino == inode;
}

/* Close the old target and write to `fd` from now on. Takes `path`, which may be the old one. */
static void use_target(int fd, char *path)
{
    struct stat status;
    if (target.fd > STDERR_FILENO) close(target.fd);
    if (target.path != path) free(target.path);
    target.fd = fd;
    target.path = path;
    target.may_block = fstat(fd, &status) != 0 || !S_ISREG(status.st_mode);
    target.is_journal = fd == STDERR_FILENO && log_stderr_is_journal();
    target.is_stuck = false;
    target.is_torn = false;
}

static void use_syslog(const struct log_options *options)
{
    log_syslog_close(&target.syslog);
    target.uses_syslog = options->uses_syslog;
    target.syslog_lost = 0;
    if (!options->uses_syslog) return;
    log_syslog_open(&target.syslog, options->syslog_path ? options->syslog_path : "", options->syslog_ident, options->syslog_facility);
}

static int open_file(const char *path)
{
    /* O_NONBLOCK: a FIFO without a reader is an error, not a wait. */
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);
}

/* A file opened next would be given the number of a closed stderr, and then the log's lines. */
static int keep_stderr_taken(void)
{
    if (fcntl(STDERR_FILENO, F_GETFD) >= 0 || errno != EBADF) return 0;
    int fd = open("/dev/null", O_WRONLY);
    if (fd < 0 || fd == STDERR_FILENO) return fd < 0 ? -1 : 0;
    int result = dup2(fd, STDERR_FILENO);
    close(fd);
    return result < 0 ? -1 : 0;
}

int log_open(const struct log_options *options)
{
    bool is_stderr = options->path == NULL || *options->path == '\0';
    signal(SIGPIPE, SIG_IGN);
    if (keep_stderr_taken() != 0) return -1;

    int fd = options->is_quiet ? -1 : STDERR_FILENO;
    char *copy = NULL;
    if (!is_stderr) {
        fd = open_file(options->path);
        if (fd < 0) return -1;
        copy = strdup(options->path);
        if (copy == NULL) {
            close(fd);
            errno = ENOMEM;
            return -1;
        }
    }
    pthread_mutex_lock(&target.mutex);
    use_target(fd, copy);
    use_syslog(options);
    pthread_mutex_unlock(&target.mutex);
    atomic_store_explicit(&line_format, (int)options->format, memory_order_relaxed);
    log_set_level(options->lowest);
    return 0;
}

void log_reopen(void)
{
    int failure = 0;
    pthread_mutex_lock(&target.mutex);
    if (target.path != NULL) {
        int fd = open_file(target.path);
        if (fd >= 0)
            use_target(fd, target.path);
        else
            failure = errno;
    }
    pthread_mutex_unlock(&target.mutex);
    if (failure == 0) return;

    struct log_line line;
    log_begin(&line, LOG_LEVEL_ERROR, "log_reopen_failed");
    log_text(&line, "error", strerror(failure));
    log_end(&line);
}

void log_follow(void)
{
    struct stat named, opened;
    pthread_mutex_lock(&target.mutex);
    bool is_moved = target.path != NULL && fstat(target.fd, &opened) == 0 && S_ISREG(opened.st_mode) &&
                    (stat(target.path, &named) != 0 ? errno == ENOENT : named.st_dev != opened.st_dev || named.st_ino != opened.st_ino);
    pthread_mutex_unlock(&target.mutex);
    if (is_moved) log_reopen();
}

void log_set_level(enum log_level lowest)
{
    atomic_store_explicit(&lowest_level, (int)lowest, memory_order_relaxed);
}

/* ---- one line ---- */

void log_begin(struct log_line *line, enum log_level level, const char *event)
{
    struct timespec now;
    line->is_wanted = (int)level >= atomic_load_explicit(&lowest_level, memory_order_relaxed);
    if (!line->is_wanted) return;
    clock_gettime(CLOCK_REALTIME, &now);
    log_line_begin(line, (enum log_format)atomic_load_explicit(&line_format, memory_order_relaxed), level, &now, event);
}

void log_text(struct log_line *line, const char *key, const char *value)
{
    if (line->is_wanted && value != NULL) log_line_text(line, key, value);
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
    if (line->is_wanted) log_line_number(line, key, value);
}

/* ---- writing ---- */

static bool is_ready(void)
{
    if (!target.may_block) return true;
    struct pollfd wanted = {.fd = target.fd, .events = POLLOUT};
    return poll(&wanted, 1, target.is_stuck ? 0 : PATIENCE_MS) == 1;
}

/* Whether the target took the line, or at least a part of it. */
static bool write_bytes(const char *text, size_t size)
{
    if (!is_ready()) return false;
    ssize_t written;
    do {
        written = write(target.fd, text, size);
    } while (written < 0 && errno == EINTR);
    if (written <= 0) return false;
    target.is_torn = (size_t)written < size;
    return true;
}

static bool write_line(const struct log_line *line)
{
    if (!target.is_journal) return write_bytes(line->text, line->size);
    char text[sizeof line->text + sizeof "<7>"];
    int size = snprintf(text, sizeof text, "<%d>%.*s", severities[line->level], (int)line->size, line->text);
    return write_bytes(text, (size_t)size);
}

/* A line that says how many were lost before it. */
static void make_lost_count(struct log_line *line, uint64_t lost)
{
    log_begin(line, LOG_LEVEL_ERROR, "log_lines_lost");
    log_number(line, "count", (int64_t)lost);
    log_line_finish(line);
}

static void write_to_file(const struct log_line *line)
{
    struct log_line count;
    if (target.is_torn && write_bytes("\n", 1)) target.is_torn = false;
    if (target.lost > 0) {
        make_lost_count(&count, target.lost);
        if (write_line(&count)) target.lost = 0;
    }
    target.is_stuck = target.lost > 0 || !write_line(line);
    if (target.is_stuck) target.lost++;
}

/* syslog has a time of its own, so that of a text is left out. */
static bool write_datagram(const struct log_line *line)
{
    return log_syslog_write(&target.syslog, severities[line->level], line->text + line->after_time, line->size - line->after_time - 1);
}

static void write_to_syslog(const struct log_line *line)
{
    struct log_line count;
    if (target.syslog_lost > 0) {
        make_lost_count(&count, target.syslog_lost);
        if (write_datagram(&count)) target.syslog_lost = 0;
    }
    if (target.syslog_lost > 0 || !write_datagram(line)) target.syslog_lost++;
}

void log_end(struct log_line *line)
{
    if (!line->is_wanted) return;
    line->is_wanted = false;
    log_line_finish(line);

    pthread_mutex_lock(&target.mutex);
    if (target.fd >= 0) write_to_file(line);
    if (target.uses_syslog) write_to_syslog(line);
    pthread_mutex_unlock(&target.mutex);
}
