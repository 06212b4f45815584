#ifndef PROXY_SETTING_NAMES_H
#define PROXY_SETTING_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/sql_setting_names.h"

/*
 * Names of custom settings (sql_setting_names.h), without their values: those that PostgreSQL is to be asked for. A small set, whose size strangers cannot drive
 * up; two names that differ in case are one. A zeroed struct is an empty set. Belongs to one thread.
 */
enum { SETTING_NAMES_MAX = 200 };

struct setting_names {
    char (*names)[SQL_SETTING_NAME_MAX + 1];
    unsigned count, capacity;
    unsigned oldest; /* once it is full: the one that setting_names_add_over takes next */
};

/* The name has sql_is_setting_name(). False: it is not in the set, for the set is full. */
bool setting_names_add(struct setting_names *names, const char *name, size_t size);
/* The same where names may be forgotten: when the set is full, the one that came first makes room. */
void setting_names_add_over(struct setting_names *names, const char *name, size_t size);
bool setting_names_has(const struct setting_names *names, const char *name, size_t size);
void setting_names_clear(struct setting_names *names);

#endif
