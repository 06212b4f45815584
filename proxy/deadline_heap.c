/* A binary heap of pointers. Invariant: entries[i]->place is i + 1, and no entry is due before the one above it. */
#include "proxy/deadline_heap.h"

#include <stddef.h>
#include <stdlib.h>

#include "proxy/memory.h"

enum { FIRST_CAPACITY = 64 };

void deadline_heap_fini(struct deadline_heap *heap)
{
    free(heap->entries);
    *heap = (struct deadline_heap){0};
}

static void put(struct deadline_heap *heap, uint32_t at, struct deadline_heap_entry *entry)
{
    heap->entries[at] = entry;
    entry->place = at + 1;
}

static void rise(struct deadline_heap *heap, uint32_t at, struct deadline_heap_entry *entry)
{
    while (at > 0) {
        uint32_t above = (at - 1) / 2;
        if (heap->entries[above]->due_us <= entry->due_us) break;
        put(heap, at, heap->entries[above]);
        at = above;
    }
    put(heap, at, entry);
}

static void sink(struct deadline_heap *heap, uint32_t at, struct deadline_heap_entry *entry)
{
    for (;;) {
        uint32_t below = 2 * at + 1;
        if (below >= heap->count) break;
        if (below + 1 < heap->count && heap->entries[below + 1]->due_us < heap->entries[below]->due_us) below++;
        if (heap->entries[below]->due_us >= entry->due_us) break;
        put(heap, at, heap->entries[below]);
        at = below;
    }
    put(heap, at, entry);
}

void deadline_heap_need(struct deadline_heap *heap, struct deadline_heap_entry *entry, int64_t due_us)
{
    if (entry->place == 0) {
        if (heap->count == heap->capacity) {
            heap->capacity = heap->capacity ? 2 * heap->capacity : FIRST_CAPACITY;
            heap->entries = memory_realloc(heap->entries, heap->capacity * sizeof(struct deadline_heap_entry *));
        }
        entry->place = ++heap->count;
    } else if (entry->due_us <= due_us) {
        return;
    }
    entry->due_us = due_us;
    rise(heap, entry->place - 1, entry);
}

void deadline_heap_remove(struct deadline_heap *heap, struct deadline_heap_entry *entry)
{
    if (entry->place == 0) return;
    uint32_t at = entry->place - 1;
    entry->place = 0;
    struct deadline_heap_entry *last = heap->entries[--heap->count];
    if (last == entry) return;
    if (at > 0 && heap->entries[(at - 1) / 2]->due_us > last->due_us)
        rise(heap, at, last);
    else
        sink(heap, at, last);
}

struct deadline_heap_entry *deadline_heap_pop_due(struct deadline_heap *heap, int64_t now_us)
{
    if (deadline_heap_first(heap) > now_us) return NULL;
    struct deadline_heap_entry *first = heap->entries[0];
    deadline_heap_remove(heap, first);
    return first;
}
