#ifndef PROXY_LOG_LINE_H
#define PROXY_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/*
 * One line in the making, on the caller's stack: log_line_begin, pairs, log_line_finish. What does not fit is cut, and the line says so.
 *
 * As text: "time level event key=value ...", time in UTC with milliseconds. Values are quoted when they hold anything but printable ASCII without
 * space, '"', '=' or '\\'. Inside quotes '"' and '\\' have a backslash before them, and control bytes, characters that steer a terminal
 * and what is no UTF-8 come out as \xNN, so a stranger cannot forge a line. A cut is "...".
 *
 * As JSON: one object, {"time":..., "level":..., "event":..., "key":...}; numbers are numbers; escapes are json_text.h's. A cut value ends in "...",
 * and a last member "cut" is true.
 */
struct log_line {
    enum log_level level;
    enum log_format format;
    bool is_wanted;
    bool is_cut;
    size_t size;
    size_t after_time; /* where the event begins, in text: for who has a time and a level of his own */
    char text[2048];
};
void log_line_begin(struct log_line *line, enum log_format format, enum log_level level, const struct timespec *now, const char *event);
void log_line_text(struct log_line *line, const char *key, const char *value);
void log_line_number(struct log_line *line, const char *key, int64_t value);
/* With the newline at its end. */
void log_line_finish(struct log_line *line);

#endif
