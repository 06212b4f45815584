#ifndef PROXY_CONFIG_FILE_H
#define PROXY_CONFIG_FILE_H

#include "proxy/config_problems.h"

/*
 * An INI file as PgBouncer reads it: [section], name = value, lines that start with ';' or '#' are comments. A value is the rest of its
 * line without blanks around it, so ';', '#', ':' and quotes have no meaning in it. A line that begins with blanks does not continue the
 * one above. A name, and what follows the first word of a section, may stand in double quotes, where '""' is a quote and everything else is
 * itself; the callbacks see it unquoted.
 */
struct config_file_callbacks {
    void *context;
    /* A section begins. `name` is the first word of "[name argument]", `argument` what follows it, or NULL. */
    void (*section)(void *context, const char *name, const char *argument, unsigned line);
    /* One name and its value, within the last section. */
    void (*entry)(void *context, const char *name, const char *value, unsigned line);
};
enum { CONFIG_LINE_SIZE_MAX = 65536 };

/*
 * Read the whole file and call back line by line; the texts are only lent to the callback. What is no INI, and a file that cannot be read,
 * goes to `problems`; the lines after it are read all the same. 0, or -1 when the file cannot be opened.
 */
int config_file_read(const char *path, const struct config_file_callbacks *callbacks, struct config_problems *problems)
    __attribute__((warn_unused_result));

#endif
