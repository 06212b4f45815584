/*
 * Deadlines in order of time. Not a timer: the worker asks for the earliest one and arms its own.
 *
 * Invariants: the list is circular through `head` and sorted by due_us; the head's own due_us is the smallest possible time, so that the
 * walk from the tail ends there without a special case. A deadline is on a list exactly when its `next` is not NULL.
 */
#include "proxy/deadlines.h"

#include <assert.h>
#include <stddef.h>

void deadline_list_init(struct deadline_list *list)
{
    list->head = (struct deadline){.next = &list->head, .previous = &list->head, .due_us = INT64_MIN};
}

void deadline_init(struct deadline *deadline)
{
    *deadline = (struct deadline){.next = NULL};
}

void deadline_set(struct deadline_list *list, struct deadline *deadline, int64_t due_us)
{
    assert(deadline != &list->head);
    deadline_clear(deadline);

    struct deadline *before = list->head.previous;
    while (before->due_us > due_us) before = before->previous;

    deadline->due_us = due_us;
    deadline->previous = before;
    deadline->next = before->next;
    before->next->previous = deadline;
    before->next = deadline;
}

void deadline_clear(struct deadline *deadline)
{
    if (deadline->next == NULL) return;
    deadline->previous->next = deadline->next;
    deadline->next->previous = deadline->previous;
    deadline->next = NULL;
    deadline->previous = NULL;
}

bool deadline_is_set(const struct deadline *deadline)
{
    return deadline->next != NULL;
}

struct deadline *deadline_pop_due(struct deadline_list *list, int64_t now_us)
{
    struct deadline *first = deadline_first(list);
    if (first == NULL || first->due_us > now_us) return NULL;
    deadline_clear(first);
    return first;
}

void deadline_list_delay(struct deadline_list *list, int64_t by_us)
{
    for (struct deadline *deadline = list->head.next; deadline != &list->head; deadline = deadline->next) deadline->due_us += by_us;
}
