#ifndef PROXY_SERVER_GROUPS_H
#define PROXY_SERVER_GROUPS_H

#include "proxy/turnstile_slots.h"

/*
 * The groups of pools that have a name in common, a database or a user, for limits that hold over all of them. A group exists as long as a pool is in it. A
 * zeroed struct is empty.
 */
struct server_group;
struct server_groups {
    struct server_group *by_name;
};

/* One pool more of this name. The limit of the group is the caller's to set. */
struct turnstile_group *server_groups_join(struct server_groups *groups, const char *name);
/* One pool less, which holds no slot any more; clears the caller's pointer. */
void server_groups_leave(struct server_groups *groups, struct turnstile_group **group);

#endif
