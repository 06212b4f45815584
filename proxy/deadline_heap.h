#ifndef PROXY_DEADLINE_HEAP_H
#define PROXY_DEADLINE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Deadlines of any lengths in one heap, embedded in what they belong to: O(log n), where a list (deadlines.h) wants one length for all. Meant to be lazy: an entry
 * may be due too early, never too late; whoever takes it off looks whether it really is.
 */
struct deadline_heap_entry {
    int64_t due_us;
    uint32_t place; /* 1 and up; 0: not in the heap */
};

struct deadline_heap {
    struct deadline_heap_entry **entries; /* NULL until the first one */
    uint32_t count, capacity;
};

void deadline_heap_fini(struct deadline_heap *heap);
/* Due at `due_us` or earlier, as it was: put in when it is not, moved only when it would be too late. */
void deadline_heap_need(struct deadline_heap *heap, struct deadline_heap_entry *entry, int64_t due_us);
/* Harmless when it is not in. */
void deadline_heap_remove(struct deadline_heap *heap, struct deadline_heap_entry *entry);
/* INT64_MAX: none. */
static inline int64_t deadline_heap_first(const struct deadline_heap *heap)
{
    return heap->count > 0 ? heap->entries[0]->due_us : INT64_MAX;
}
/* Take the earliest one off if it is due at `now_us`, else NULL. */
struct deadline_heap_entry *deadline_heap_pop_due(struct deadline_heap *heap, int64_t now_us);

#endif
