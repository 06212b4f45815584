/*
 * The log. Not for the answers of the console and not for what goes to clients; it never reads what it wrote, rotates or compresses
 * nothing.
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
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 20, FILE_MODE = 0640 };

/* What a line may need after it was cut: the mark, the quote that closes the value, the newline. */
enum { ENDING_SIZE = sizeof "...\"\n" };

static struct {
    pthread_mutex_t mutex;
    int fd;
    char *path;     /* NULL: stderr */
    bool may_block; /* no regular file */
    bool is_stuck;  /* did not take the last line */
    bool is_torn;   /* took a part of the last line: the next one starts with a newline */
    uint64_t lost;  /* lines since it last took one */
} target = {.mutex = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .may_block = true};

static atomic_int lowest_level = LOG_LEVEL_INFO;

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_ERROR] = "error",
};

/* ---- the target ---- */

/* Close the old target and write to `fd` from now on. Takes `path`, which may be the old one. */
static void use_target(int fd, char *path)
{
    struct stat status;
    if (target.fd != STDERR_FILENO) close(target.fd);
    if (target.path != path) free(target.path);
    target.fd = fd;
    target.path = path;
    target.may_block = fstat(fd, &status) != 0 || !S_ISREG(status.st_mode);
    target.is_stuck = false;
    target.is_torn = false;
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

int log_open(const char *path, enum log_level lowest)
{
    bool is_stderr = path == NULL || *path == '\0';
    signal(SIGPIPE, SIG_IGN);
    if (keep_stderr_taken() != 0) return -1;

    int fd = STDERR_FILENO;
    char *copy = NULL;
    if (!is_stderr) {
        fd = open_file(path);
        if (fd < 0) return -1;
        copy = strdup(path);
        if (copy == NULL) {
            close(fd);
            errno = ENOMEM;
            return -1;
        }
    }
    pthread_mutex_lock(&target.mutex);
    use_target(fd, copy);
    pthread_mutex_unlock(&target.mutex);
    log_set_level(lowest);
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

void log_set_level(enum log_level lowest)
{
    atomic_store_explicit(&lowest_level, (int)lowest, memory_order_relaxed);
}

/* ---- one line ---- */

/* All of the bytes or none: an escape or a UTF-8 character is never cut in two. */
static void put_bytes(struct log_line *line, const char *bytes, size_t size)
{
    if (line->is_cut) return;
    if (size > sizeof line->text - ENDING_SIZE - line->size) {
        line->is_cut = true;
        bytes = "...";
        size = 3;
    }
    memcpy(line->text + line->size, bytes, size);
    line->size += size;
}

static void put_text(struct log_line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

static void put_time(struct log_line *line)
{
    struct timespec now;
    struct tm utc;
    char text[sizeof "2000-01-01T00:00:00"];
    char milliseconds[sizeof ".000Z"];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    put_bytes(line, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc));
    snprintf(milliseconds, sizeof milliseconds, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000u);
    put_text(line, milliseconds);
}

void log_begin(struct log_line *line, enum log_level level, const char *event)
{
    line->level = level;
    line->is_wanted = (int)level >= atomic_load_explicit(&lowest_level, memory_order_relaxed);
    line->is_cut = false;
    line->size = 0;
    if (!line->is_wanted) return;

    put_time(line);
    put_text(line, " ");
    put_text(line, level_names[level]);
    put_text(line, " ");
    put_text(line, event);
}

static bool is_bare(const char *value)
{
    if (*value == '\0') return false;
    for (; *value != '\0'; value++) {
        if (*value <= ' ' || *value > '~' || strchr("\"=\\", *value) != NULL) return false;
    }
    return true;
}

/*
 * The bytes of the UTF-8 character at `text` (RFC 3629), or 0 when there is none: a bad sequence, or a character that steers a terminal or
 * the direction of the text (C1 controls, U+200E and U+200F, U+2028 to U+202E, U+2066 to U+2069). Stops at NUL by itself, which is no
 * continuation byte.
 */
static size_t safe_character_size(const unsigned char *text)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = *text >= 0xf0 && *text <= 0xf4 ? 4 : *text >= 0xe0 && *text < 0xf0 ? 3 : *text >= 0xc2 && *text < 0xe0 ? 2 : 0;
    if (size == 0) return 0;

    uint32_t code = *text & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (text[i] & 0x3fu);
    }
    bool is_valid = code >= smallest[size] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    bool is_steering = (code >= 0x80 && code < 0xa0) || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
                       (code >= 0x2066 && code <= 0x2069);
    return is_valid && !is_steering ? size : 0;
}

static void put_quoted(struct log_line *line, const char *value)
{
    put_text(line, "\"");
    if (line->is_cut) return;
    while (*value != '\0' && !line->is_cut) {
        unsigned char byte = (unsigned char)*value;
        size_t size = 1;
        if (byte == '"' || byte == '\\') {
            put_bytes(line, (const char[]){'\\', (char)byte}, 2);
        } else if (byte >= ' ' && byte <= '~') {
            put_bytes(line, value, 1);
        } else if ((size = safe_character_size((const unsigned char *)value)) > 0) {
            put_bytes(line, value, size);
        } else {
            char escape[sizeof "\\xNN"];
            snprintf(escape, sizeof escape, "\\x%02x", byte);
            put_text(line, escape);
            size = 1;
        }
        value += size;
    }
    /* Also after the cut: what reads the log must find the end of the value. */
    line->text[line->size++] = '"';
}

void log_text(struct log_line *line, const char *key, const char *value)
{
    if (!line->is_wanted || line->is_cut || value == NULL) return;
    put_text(line, " ");
    put_text(line, key);
    put_text(line, "=");
    if (is_bare(value)) {
        for (; *value != '\0' && !line->is_cut; value++) put_bytes(line, value, 1);
    } else {
        put_quoted(line, value);
    }
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
    char text[sizeof "-9223372036854775808"];
    snprintf(text, sizeof text, "%lld", (long long)value);
    log_text(line, key, text);
}

/* ---- writing ---- */

static bool is_ready(void)
{
    if (!target.may_block) return true;
    struct pollfd wanted = {.fd = target.fd, .events = POLLOUT};
    return poll(&wanted, 1, target.is_stuck ? 0 : PATIENCE_MS) == 1;
}

/* Whether the target took the line, or at least a part of it. */
static bool write_line(const char *text, size_t size)
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

static void write_lost_count(void)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_ERROR, "log_lines_lost");
    log_number(&line, "count", (int64_t)target.lost);
    line.text[line.size++] = '\n';
    if (write_line(line.text, line.size)) target.lost = 0;
}

void log_end(struct log_line *line)
{
    if (!line->is_wanted) return;
    line->is_wanted = false;
    line->text[line->size++] = '\n';

    pthread_mutex_lock(&target.mutex);
    if (target.is_torn && write_line("\n", 1)) target.is_torn = false;
    if (target.lost > 0) write_lost_count();
    target.is_stuck = target.lost > 0 || !write_line(line->text, line->size);
    if (target.is_stuck) target.lost++;
    pthread_mutex_unlock(&target.mutex);
}
