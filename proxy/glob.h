#ifndef PROXY_GLOB_H
#define PROXY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Patterns as a shell has them, without its brackets: `*` is any run of characters (none as well), `?` one character, which in UTF-8 may be
 * several bytes; a backslash in front of `*`, `?` or a backslash takes the meaning away. Everything else is itself, upper and lower case
 * differ. The whole text has to fit.
 */
bool glob_matches(const char *pattern, const char *text, size_t size);
/* The pattern stands for one text only: no `*`, no `?`, no backslash, so it is that text. */
bool glob_is_literal(const char *pattern);
/* Every text fits. */
bool glob_is_anything(const char *pattern);

#endif
