/*
 * The key=value lists of [databases] and [users]. Syntax only.
 */
#include "proxy/config_pairs.h"

#include <stddef.h>
#include <string.h>

#define BLANKS " \t"

/* `text` points at the opening quote. Undo the quotes in place; returns what follows the closing one, or NULL when there is none. */
static char *unquote(char *text, char **value_out)
{
    char *to = text + 1;
    *value_out = to;
    for (char *from = to; *from != '\0'; from++) {
        if (*from == '\'' && from[1] != '\'') {
            *to = '\0';
            return from + 1;
        }
        if (*from == '\'') from++;
        *to++ = *from;
    }
    return NULL;
}

enum config_pair_result config_pairs_next(char **rest, char **key_out, char **value_out, const char **why_out)
{
    char *key = *rest + strspn(*rest, BLANKS);
    if (*key == '\0') return CONFIG_PAIRS_END;

    char *key_end = key + strcspn(key, BLANKS "=");
    char *equals = key_end + strspn(key_end, BLANKS);
    if (*equals != '=' || key_end == key) {
        *why_out = key_end == key ? "a key is missing before the =" : "a word without = (a value with blanks must stand in single quotes)";
        return CONFIG_PAIRS_BAD;
    }
    char *value = equals + 1 + strspn(equals + 1, BLANKS);
    char *end;
    if (*value == '\'') {
        end = unquote(value, &value);
        if (end == NULL || (*end != '\0' && strchr(BLANKS, *end) == NULL)) {
            *why_out = end == NULL ? "a single quote is not closed"
                                   : "a blank is missing after a closing quote (a quote inside quotes is doubled)";
            return CONFIG_PAIRS_BAD;
        }
    } else {
        end = value + strcspn(value, BLANKS);
    }
    if (*end != '\0') *end++ = '\0';
    *key_end = '\0';
    *key_out = key;
    *value_out = value;
    *rest = end;
    return CONFIG_PAIR;
}

char *config_pairs_unquote(char *text)
{
    size_t size = strlen(text);
    if (size < 2 || *text != '\'' || text[size - 1] != '\'') return text;
    /* Only when the last quote is the one that closes the first. */
    for (size_t i = 1; i < size - 1; i++) {
        if (text[i] != '\'') continue;
        if (text[i + 1] != '\'' || i + 1 == size - 1) return text;
        i++;
    }
    char *value;
    unquote(text, &value);
    return value;
}
