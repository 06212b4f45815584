#ifndef PROXY_LOG_H
#define PROXY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/log_line.h"

/*
 * The log: one line an event, in the form that log_line.h describes. Safe to call from any thread, and before log_open (then it writes to
 * stderr).
 *
 * A line is one write(2), or one datagram to syslog. A target that takes nothing (a full disk, a closed pipe, a pipe nobody reads) loses lines but never
 * stops the program: it is waited for a moment once, then not at all until it takes lines again, and the first line after that is preceded by
 * the number of lost ones. Where stderr is the systemd journal, each line begins with its priority (sd-daemon(3)).
 */
struct log_options {
    const char *path; /* appended to, mode 0640; NULL or "": stderr */
    bool is_quiet;    /* no lines to stderr */
    enum log_level lowest;
    enum log_format format;
    bool uses_syslog; /* as well */
    const char *syslog_path, *syslog_ident;
    int syslog_facility;
};

/*
 * 0, or -1 with errno and the old targets kept. Also sets SIGPIPE to be ignored, for the whole process, and puts /dev/null in the place of
 * a closed stderr, so that no socket is ever given its number.
 */
int log_open(const struct log_options *options) __attribute__((warn_unused_result));
/* Open the same path again: after logrotate moved it away. The old file stays in use when that fails. */
void log_reopen(void);
/* The same when the path no longer leads to the file that is written to; a single stat(2) otherwise. To be called now and then. */
void log_follow(void);
void log_set_level(enum log_level lowest);
/* Whether somebody keeps what is written to stderr: it is the systemd journal. */
bool log_stderr_is_journal(void);

/* One line: log_begin, pairs, log_end. A line below the lowest level costs one comparison a call. */
void log_begin(struct log_line *line, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, const char *value); /* NULL value: nothing is written */
void log_number(struct log_line *line, const char *key, int64_t value);
void log_end(struct log_line *line);

#endif
