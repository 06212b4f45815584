#ifndef PROXY_DEALLOCATIONS_H
#define PROXY_DEALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The statements that one message of a client's (a Query, or the Execute of a portal) is going to take from it: by DEALLOCATE, DEALLOCATE ALL and DISCARD ALL. Whether it
 * does is known when the tags come, one for each, in order. A zeroed struct has none, and no memory.
 *
 *   NONE --bind--> BOUND --execute--> RUNNING --end--> NONE         a portal
 *   NONE --query--> RUNNING --end--> NONE                           a query string
 */
enum deallocations_state { DEALLOCATIONS_NONE, DEALLOCATIONS_BOUND, DEALLOCATIONS_RUNNING };

enum { DEALLOCATIONS_PORTAL_SIZE = 64 };

struct deallocations {
    enum deallocations_state state;
    char portal[DEALLOCATIONS_PORTAL_SIZE];
    char **names; /* in order; NULL is all of them */
    uint32_t count, taken, capacity;
};

/* One more; the name is copied. NULL: all. Asserts that nothing is RUNNING. */
void deallocations_add(struct deallocations *deallocations, const char *name);
/* Whether it is among them. */
bool deallocations_have(const struct deallocations *deallocations, const char *name);
/* Bound to this portal. One whose name is too long is not followed. */
void deallocations_bind(struct deallocations *deallocations, const char *portal);
/* What was bound to the portal is so no more. */
void deallocations_rebind(struct deallocations *deallocations, const char *portal);
/* The portal is executed, or (NULL) the Query sent. True: it has some, and they are RUNNING. */
bool deallocations_run(struct deallocations *deallocations, const char *portal);
static inline bool deallocations_are_running(const struct deallocations *deallocations)
{
    return deallocations->state == DEALLOCATIONS_RUNNING;
}
/*
 * A tag of the message's. True: it was one of these; `*name_out` is what was deallocated, until the next call of deallocations_end (NULL: all).
 */
bool deallocations_take(struct deallocations *deallocations, const char *tag, const char **name_out);
/* The message has ended; or nothing of it takes place. */
void deallocations_end(struct deallocations *deallocations);

#endif
