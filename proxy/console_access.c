/* Names of the console and of those who may use it. Who somebody is, is client_auth.c's to find out. */
#include "proxy/console_access.h"

#include <string.h>

bool console_is_database(const char *name)
{
    return strcmp(name, CONSOLE_DATABASE) == 0 || strcmp(name, "pgbouncer") == 0;
}

bool console_is_owner_name(const char *user)
{
    return console_is_database(user);
}

static bool is_listed(const char *list, const char *name)
{
    size_t size = strlen(name);
    while (*list) {
        list += strspn(list, ", \t");
        size_t word = strcspn(list, ",");
        size_t next = word;
        while (word > 0 && strchr(" \t", list[word - 1])) word--;
        if (word == size && size > 0 && memcmp(list, name, size) == 0) return true;
        list += next;
    }
    return false;
}

enum console_role console_role_of(const struct settings *settings, const char *user)
{
    if (is_listed(settings->admin_users, user)) return CONSOLE_ADMIN;
    return is_listed(settings->stats_users, user) ? CONSOLE_STATS : CONSOLE_NOBODY;
}
