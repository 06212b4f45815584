/*
 * How a line of the log is written. Not where to.
 * Invariant: an escape or a character is never cut in two, and what is begun (a quote, an object) is closed also after a cut.
 */
#include "proxy/log_line.h"

#include <stdio.h>
#include <string.h>

#include "proxy/json_text.h"
#include "proxy/utf8.h"

/* What a line may need after it was cut. */
enum { ENDING_SIZE = sizeof "...\"\",\"cut\":true}\n" };

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_WARNING] = "warning",
    [LOG_LEVEL_ERROR] = "error",
};

/* All of the bytes, or none and the line is cut. */
static void put_bytes(struct log_line *line, const char *bytes, size_t size)
{
    if (line->is_cut) return;
    size_t limit = sizeof line->text - ENDING_SIZE; /* a closing quote may have gone beyond it */
    if (line->size > limit || size > limit - line->size) {
        line->is_cut = true;
        return;
    }
    memcpy(line->text + line->size, bytes, size);
    line->size += size;
}

static void put_text(struct log_line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

/* Into the room that is kept for the end. */
static void put_ending(struct log_line *line, const char *text)
{
    size_t size = strlen(text);
    memcpy(line->text + line->size, text, size);
    line->size += size;
}

static void put_time(struct log_line *line, const struct timespec *now)
{
    struct tm utc;
    char text[sizeof "2000-01-01T00:00:00"];
    char milliseconds[sizeof ".000Z"];
    gmtime_r(&now->tv_sec, &utc);
    put_bytes(line, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc));
    snprintf(milliseconds, sizeof milliseconds, ".%03uZ", (unsigned)(now->tv_nsec / 1000000) % 1000u);
    put_text(line, milliseconds);
}

void log_line_begin(struct log_line *line, enum log_format format, enum log_level level, const struct timespec *now, const char *event)
{
    bool is_json = format == LOG_FORMAT_JSON;
    line->level = level;
    line->format = format;
    line->is_cut = false;
    line->size = 0;
    if (is_json) put_text(line, "{\"time\":\"");
    put_time(line, now);
    put_text(line, is_json ? "\",\"level\":\"" : " ");
    put_text(line, level_names[level]);
    put_text(line, is_json ? "\",\"event\":\"" : " ");
    line->after_time = is_json ? 0 : line->size;
    put_text(line, event);
    if (is_json) put_text(line, "\"");
}

/* ---- text ---- */

static bool is_bare(const char *value)
{
    if (*value == '\0') return false;
    for (; *value != '\0'; value++) {
        if (*value <= ' ' || *value > '~' || strchr("\"=\\", *value) != NULL) return false;
    }
    return true;
}

static void put_quoted(struct log_line *line, const char *value)
{
    while (*value != '\0' && !line->is_cut) {
        char shown[UTF8_SHOWN_SIZE];
        size_t size = utf8_shown(value, shown);
        if (*value == '"' || *value == '\\')
            put_bytes(line, (const char[]){'\\', *value}, 2);
        else
            put_text(line, shown);
        value += size;
    }
}

static void put_text_pair(struct log_line *line, const char *key, const char *value)
{
    bool is_quoted = !is_bare(value);
    put_text(line, " ");
    put_text(line, key);
    put_text(line, is_quoted ? "=\"" : "=");
    bool is_open = is_quoted && !line->is_cut;
    if (is_quoted)
        put_quoted(line, value);
    else
        for (; *value != '\0' && !line->is_cut; value++) put_bytes(line, value, 1);
    if (line->is_cut) put_ending(line, "...");
    /* Also after the cut: what reads the log must find the end of the value. */
    if (is_open) put_ending(line, "\"");
}

/* ---- JSON ---- */

/* `,"key":` and `first` as one piece. */
static void put_json_key(struct log_line *line, const char *key, const char *first)
{
    char text[128];
    int size = snprintf(text, sizeof text, ",\"%s\":%s", key, first);
    if (size > 0 && (size_t)size < sizeof text)
        put_bytes(line, text, (size_t)size);
    else
        line->is_cut = true;
}

static void put_json_pair(struct log_line *line, const char *key, const char *value)
{
    char character[JSON_TEXT_CHARACTER_MAX];
    put_json_key(line, key, "\"");
    if (line->is_cut) return;
    while (*value != '\0' && !line->is_cut) {
        value += json_text_character(value, character);
        put_text(line, character);
    }
    put_ending(line, line->is_cut ? "...\"" : "\"");
}

/* ---- both ---- */

void log_line_text(struct log_line *line, const char *key, const char *value)
{
    if (line->is_cut) return;
    if (line->format == LOG_FORMAT_JSON)
        put_json_pair(line, key, value);
    else
        put_text_pair(line, key, value);
}

void log_line_number(struct log_line *line, const char *key, int64_t value)
{
    char text[sizeof "-9223372036854775808"];
    if (line->is_cut) return;
    snprintf(text, sizeof text, "%lld", (long long)value);
    if (line->format == LOG_FORMAT_JSON)
        put_json_key(line, key, text);
    else
        put_text_pair(line, key, text);
}

void log_line_finish(struct log_line *line)
{
    if (line->format == LOG_FORMAT_JSON) put_ending(line, line->is_cut ? ",\"cut\":true}" : "}");
    put_ending(line, "\n");
}
