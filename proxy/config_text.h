#ifndef PROXY_CONFIG_TEXT_H
#define PROXY_CONFIG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the values of a configuration are written. Each returns false when `text` is not such a value. */

/* Digits of `base` (8 or 10), nothing else; within [low, high]. */
bool config_text_number(const char *text, int base, int64_t low, int64_t high, int64_t *value_out);
/* Seconds, with or without a fraction: "15", "0.25". At most CONFIG_SECONDS_MAX. */
enum { CONFIG_SECONDS_MAX = 1000000000 };
bool config_text_seconds(const char *text, int64_t *us_out);
/* 0, 1, true, false, yes, no, on, off, in any case. */
bool config_text_flag(const char *text, bool *value_out);
/* Whether `text` is one of the words of `list`, in any case. The words are separated by `separator`, blanks around them do not count. */
bool config_text_is_in_list(const char *text, const char *list, char separator);

/*
 * The nearest of a series of words, for a hint about a mistyped one: start with a zeroed struct, offer each word. `word` stays NULL when
 * none is near enough to be what was meant.
 */
struct config_nearest {
    const char *word;
    size_t distance;
};
void config_nearest_offer(struct config_nearest *nearest, const char *typed, const char *word);

#endif
