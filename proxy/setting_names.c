/* Sets of names, searched one by one: a session sets a few. */
#include "proxy/setting_names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/memory.h"

enum { CAPACITY_AT_FIRST = 4 };

bool setting_names_has(const struct setting_names *names, const char *name, size_t size)
{
    for (unsigned i = 0; i < names->count; i++)
        if (strncasecmp(names->names[i], name, size) == 0 && names->names[i][size] == '\0') return true;
    return false;
}

static void put(struct setting_names *names, unsigned i, const char *name, size_t size)
{
    memcpy(names->names[i], name, size);
    names->names[i][size] = '\0';
}

bool setting_names_add(struct setting_names *names, const char *name, size_t size)
{
    assert(size <= SQL_SETTING_NAME_MAX);
    if (setting_names_has(names, name, size)) return true;
    if (names->count == SETTING_NAMES_MAX) return false;
    if (names->count == names->capacity) {
        unsigned twice = names->capacity ? 2 * names->capacity : CAPACITY_AT_FIRST;
        names->capacity = twice < SETTING_NAMES_MAX ? twice : SETTING_NAMES_MAX;
        names->names = memory_realloc(names->names, names->capacity * sizeof *names->names);
    }
    put(names, names->count++, name, size);
    return true;
}

void setting_names_add_over(struct setting_names *names, const char *name, size_t size)
{
    if (setting_names_add(names, name, size)) return;
    put(names, names->oldest, name, size);
    names->oldest = (names->oldest + 1) % SETTING_NAMES_MAX;
}

void setting_names_clear(struct setting_names *names)
{
    free(names->names);
    *names = (struct setting_names){0};
}
