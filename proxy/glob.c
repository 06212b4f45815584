/*
 * Patterns with `*` and `?`. The time is bounded by the product of the two sizes: of several stars only the last one ever gives way, which
 * finds a match whenever there is one.
 */
#include "proxy/glob.h"

#include <string.h>

/* The size of the character at the start: its first byte and the UTF-8 continuation bytes behind it. */
static size_t character_size(const char *text, size_t size)
{
    size_t used = 1;
    while (used < size && ((unsigned char)text[used] & 0xc0) == 0x80) used++;
    return used;
}

static bool is_special(char c)
{
    return c == '*' || c == '?' || c == '\\' || c == '\0';
}

static bool is_escape(const char *pattern)
{
    return *pattern == '\\' && pattern[1] != '\0' && strchr("*?\\", pattern[1]) != NULL;
}

/* How much of the text the next element of the pattern, which is no star, takes; 0: it does not fit. */
static size_t step(const char **pattern, const char *text, size_t size)
{
    if (size == 0 || **pattern == '\0') return 0;
    if (**pattern == '?') {
        ++*pattern;
        return character_size(text, size);
    }
    const char *wanted = *pattern + is_escape(*pattern);
    if (*wanted != *text) return 0;
    *pattern = wanted + 1;
    return 1;
}

bool glob_matches(const char *pattern, const char *text, size_t size)
{
    const char *behind_star = NULL;
    size_t at = 0, star_at = 0;
    while (at < size || *pattern != '\0') {
        if (*pattern == '*') {
            behind_star = ++pattern;
            if (*pattern == '\0') return true;
            star_at = at;
            continue;
        }
        while (at < size && *pattern == text[at] && !is_special(*pattern)) { /* most of most patterns */
            pattern++;
            at++;
        }
        if (*pattern == '*' || (at == size && *pattern == '\0')) continue;
        size_t used = step(&pattern, text + at, size - at);
        at += used;
        if (used > 0) continue;
        if (behind_star == NULL || star_at >= size) return false;
        star_at += character_size(text + star_at, size - star_at);
        at = star_at;
        pattern = behind_star;
    }
    return true;
}

bool glob_is_literal(const char *pattern)
{
    return pattern[strcspn(pattern, "*?\\")] == '\0';
}

bool glob_is_anything(const char *pattern)
{
    return *pattern != '\0' && pattern[strspn(pattern, "*")] == '\0';
}
