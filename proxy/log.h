#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The log: one line an event, "time level event key=value ...", time in UTC with milliseconds. Values are quoted when they hold anything
 * but printable ASCII without space, '"', '=' or '\\'. Inside quotes '"' and '\\' have a backslash before them, and control bytes and what
 * is no UTF-8 come out as \xNN, so a stranger cannot forge a line. Safe to call from any thread, and before log_open (then it writes to
 * stderr).
 *
 * A line is one write(2). A target that takes nothing (a full disk, a closed pipe, a pipe nobody reads) loses lines but never stops the
 * program: it is waited for a moment once, then not at all until it takes lines again, and the first line after that is preceded by the
 * number of lost ones.
 */
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

/*
 * Write to `path` (appended, mode 0640), or to stderr when NULL or "". 0, or -1 with errno and the old target kept. Also sets SIGPIPE to be
 * ignored, for the whole process, and puts /dev/null in the place of a closed stderr, so that no socket is ever given its number.
 */
int log_open(const char *path, enum log_level lowest) __attribute__((warn_unused_result));
/* Open the same path again: after logrotate moved it away. The old file stays in use when that fails. */
void log_reopen(void);
void log_set_level(enum log_level lowest);

/*
 * One line in the making, on the caller's stack: log_begin, pairs, log_end. What does not fit is cut and marked with "...". A line below
 * the lowest level costs one comparison a call.
 */
struct log_line {
    enum log_level level;
    bool is_wanted;
    bool is_cut;
    size_t size;
    char text[2048];
};
void log_begin(struct log_line *line, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, const char *value); /* NULL value: nothing is written */
void log_number(struct log_line *line, const char *key, int64_t value);
void log_end(struct log_line *line);

#endif
