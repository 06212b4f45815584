/*
 * Groups by name. Invariant: a group has at least one pool.
 */
#include "proxy/server_groups.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "proxy/memory.h"

struct server_group {
    UT_hash_handle hh;
    struct turnstile_group slots;
    uint32_t pools;
    char name[];
};

struct turnstile_group *server_groups_join(struct server_groups *groups, const char *name)
{
    struct server_group *group;
    HASH_FIND_STR(groups->by_name, name, group);
    if (!group) {
        group = memory_zalloc(sizeof *group + strlen(name) + 1);
        strcpy(group->name, name);
        HASH_ADD_STR(groups->by_name, name, group);
    }
    group->pools++;
    return &group->slots;
}

void server_groups_leave(struct server_groups *groups, struct turnstile_group **slots)
{
    struct server_group *group = (struct server_group *)(void *)((char *)*slots - offsetof(struct server_group, slots));
    *slots = NULL;
    if (--group->pools > 0) return;
    assert(group->slots.slots == 0 && group->slots.promised == 0);
    HASH_DEL(groups->by_name, group);
    free(group);
}
