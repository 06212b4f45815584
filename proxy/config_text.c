/*
 * Values of a configuration as text. Pure: no file, no message; the callers know what a value was for and say what is wrong with it.
 */
#include "proxy/config_text.h"

#include <string.h>
#include <strings.h>

enum { WORD_SIZE_MAX = 64 };

bool config_text_number(const char *text, int base, int64_t low, int64_t high, int64_t *value_out)
{
    int64_t value = 0;
    bool is_negative = *text == '-';
    if (is_negative) text++;
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        int digit = *text - '0';
        if (digit < 0 || digit >= base || value > INT64_MAX / 100) return false;
        value = value * base + digit;
    }
    if (is_negative) value = -value;
    if (value < low || value > high) return false;
    *value_out = value;
    return true;
}

bool config_text_seconds(const char *text, int64_t *us_out)
{
    const int64_t second_us = 1000000;
    int64_t us = 0;
    bool has_digit = false;
    for (; *text >= '0' && *text <= '9'; text++) {
        us = us * 10 + (*text - '0') * second_us;
        if (us > CONFIG_SECONDS_MAX * second_us) return false;
        has_digit = true;
    }
    if (*text == '.') {
        text++;
        for (int64_t weight_us = second_us / 10; *text >= '0' && *text <= '9'; text++, weight_us /= 10) {
            us += (*text - '0') * weight_us;
            has_digit = true;
        }
    }
    if (!has_digit || *text != '\0') return false;
    *us_out = us;
    return true;
}

bool config_text_flag(const char *text, bool *value_out)
{
    bool is_true = config_text_is_in_list(text, "1,true,yes,on", ',');
    if (!is_true && !config_text_is_in_list(text, "0,false,no,off", ',')) return false;
    *value_out = is_true;
    return true;
}

bool config_text_is_in_list(const char *text, const char *list, char separator)
{
    size_t size = strlen(text);
    for (;;) {
        const char *end = strchrnul(list, separator);
        const char *first = list + strspn(list, " \t");
        const char *last = end;
        if (first > last) first = last;
        while (last > first && (last[-1] == ' ' || last[-1] == '\t')) last--;
        if ((size_t)(last - first) == size && strncasecmp(first, text, size) == 0) return true;
        if (*end == '\0') return false;
        list = end + 1;
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Letters to insert, remove, replace, or swap with a neighbour (optimal string alignment). Words of at most WORD_SIZE_MAX bytes. A row is
 * what it takes to make the first i letters of `a` the first j letters of `b`; only the last three rows are kept.
 */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_SIZE_MAX + 1];
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    for (size_t j = 0; j <= b_size; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}

void config_nearest_offer(struct config_nearest *nearest, const char *typed, const char *word)
{
    size_t size = strlen(typed);
    if (size > WORD_SIZE_MAX || strlen(word) > WORD_SIZE_MAX) return;
    size_t distance = edit_distance(typed, word);
    size_t limit = size < 6 ? 1 : size < 12 ? 2 : 3;
    if (distance > limit || (nearest->word != NULL && distance >= nearest->distance)) return;
    nearest->word = word;
    nearest->distance = distance;
}
