/* Statements about to be deallocated. Not for: what follows from it (prepare.c), and what waits for it (hold.c). */
#include "proxy/deallocations.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

void deallocations_add(struct deallocations *deallocations, const char *name)
{
    assert(deallocations->state != DEALLOCATIONS_RUNNING);
    if (deallocations->count == deallocations->capacity) {
        deallocations->capacity = deallocations->capacity ? 2 * deallocations->capacity : 4;
        deallocations->names = memory_realloc(deallocations->names, deallocations->capacity * sizeof *deallocations->names);
    }
    deallocations->names[deallocations->count++] = name ? memory_strdup(name) : NULL;
}

bool deallocations_have(const struct deallocations *deallocations, const char *name)
{
    for (uint32_t i = 0; i < deallocations->count; i++) {
        const char *each = deallocations->names[i];
        if (!each || strcmp(each, name) == 0) return true;
    }
    return false;
}

void deallocations_bind(struct deallocations *deallocations, const char *portal)
{
    size_t size = strlen(portal) + 1;
    if (size > sizeof deallocations->portal) {
        deallocations_end(deallocations);
        return;
    }
    memcpy(deallocations->portal, portal, size);
    deallocations->state = DEALLOCATIONS_BOUND;
}

void deallocations_rebind(struct deallocations *deallocations, const char *portal)
{
    if (deallocations->state == DEALLOCATIONS_BOUND && strcmp(deallocations->portal, portal) == 0) deallocations_end(deallocations);
}

bool deallocations_run(struct deallocations *deallocations, const char *portal)
{
    if (deallocations->count == 0 || deallocations->state != (portal ? DEALLOCATIONS_BOUND : DEALLOCATIONS_NONE)) return false;
    if (portal && strcmp(deallocations->portal, portal) != 0) return false;
    deallocations->state = DEALLOCATIONS_RUNNING;
    return true;
}

bool deallocations_take(struct deallocations *deallocations, const char *tag, const char **name_out)
{
    bool is_all = strcmp(tag, "DEALLOCATE ALL") == 0 || strcmp(tag, "DISCARD ALL") == 0;
    if (!is_all && strcmp(tag, "DEALLOCATE") != 0) return false;
    if (deallocations->taken == deallocations->count) return false;
    *name_out = deallocations->names[deallocations->taken];
    if (is_all != (*name_out == NULL)) return false;
    deallocations->taken++;
    return true;
}

void deallocations_end(struct deallocations *deallocations)
{
    for (uint32_t i = 0; i < deallocations->count; i++) free(deallocations->names[i]);
    free(deallocations->names);
    *deallocations = (struct deallocations){0};
}
