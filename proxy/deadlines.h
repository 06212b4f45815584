#ifndef PROXY_DEADLINES_H
#define PROXY_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A list of deadlines in order of time, embedded in what they belong to. Meant for one list per kind of timeout: with a constant timeout
 * every insertion is at the tail and costs O(1); the list stays right for any order. One timer of the worker serves all lists.
 */
struct deadline {
    struct deadline *next, *previous; /* NULL, NULL: not set */
    int64_t due_us;
};

struct deadline_list {
    struct deadline head; /* circular */
};

void deadline_list_init(struct deadline_list *list);
void deadline_init(struct deadline *deadline);
/* Set, or move when it is set already. */
void deadline_set(struct deadline_list *list, struct deadline *deadline, int64_t due_us);
/* Harmless when not set. */
void deadline_clear(struct deadline *deadline);
bool deadline_is_set(const struct deadline *deadline);
/* The earliest one, or NULL. */
static inline struct deadline *deadline_first(struct deadline_list *list)
{
    return list->head.next == &list->head ? NULL : list->head.next;
}
/* Take the earliest one off if it is due at `now_us`, else NULL. */
struct deadline *deadline_pop_due(struct deadline_list *list, int64_t now_us);
/* All of them are due so much later. */
void deadline_list_delay(struct deadline_list *list, int64_t by_us);

#endif
