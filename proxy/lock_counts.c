/*
 * Contention by who and where. An error of this kind has cost a lock's wait, so a table that is searched from end to end is fast enough. Invariants: no event stands
 * twice; an entry stays at its place until another one takes it.
 */
#include "proxy/lock_counts.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

void lock_counts_cut(const char *shape, char text_out[LOCK_SHAPE_SIZE])
{
    static const char cut_mark[] = " ...";
    size_t size = shape ? strlen(shape) : 0;
    bool is_cut = size >= LOCK_SHAPE_SIZE;
    if (is_cut) {
        size = LOCK_SHAPE_SIZE - sizeof cut_mark;
        while (size > 0 && ((uint8_t)shape[size] & 0xc0) == 0x80) size--; /* not inside of a character */
    }
    if (size > 0) memcpy(text_out, shape, size);
    memcpy(text_out + size, is_cut ? cut_mark : "", is_cut ? sizeof cut_mark : 1);
}

static bool is_same(const struct lock_count *a, const struct lock_count *b)
{
    return strcmp(a->sqlstate, b->sqlstate) == 0 && strcmp(a->class, b->class) == 0 && strcmp(a->user, b->user) == 0 &&
           strcmp(a->database, b->database) == 0 && strcmp(a->shape, b->shape) == 0;
}

static struct lock_count *find(struct lock_counts *counts, const struct lock_count *wanted)
{
    for (uint32_t i = 0; i < counts->size; i++)
        if (is_same(&counts->counts[i], wanted)) return &counts->counts[i];
    return NULL;
}

static struct lock_count *make_room(struct lock_counts *counts)
{
    if (counts->size < LOCK_COUNTS_MAX) {
        if (counts->size == counts->capacity) {
            counts->capacity = counts->capacity == 0 ? 8 : 2 * counts->capacity;
            counts->counts = memory_realloc(counts->counts, counts->capacity * sizeof counts->counts[0]);
        }
        return &counts->counts[counts->size++];
    }
    struct lock_count *oldest = counts->counts;
    for (uint32_t i = 1; i < counts->size; i++)
        if (counts->counts[i].last_us < oldest->last_us) oldest = &counts->counts[i];
    return oldest;
}

void lock_counts_add(struct lock_counts *counts, const struct lock_event *event, int64_t now_us)
{
    error_counts_add(&counts->totals, event->sqlstate, event->class, ERROR_OF_SERVER, now_us);
    struct lock_count wanted = {0};
    snprintf(wanted.sqlstate, sizeof wanted.sqlstate, "%s", event->sqlstate);
    snprintf(wanted.class, sizeof wanted.class, "%s", event->class);
    snprintf(wanted.user, sizeof wanted.user, "%s", event->user);
    snprintf(wanted.database, sizeof wanted.database, "%s", event->database);
    snprintf(wanted.shape, sizeof wanted.shape, "%s", event->shape);
    struct lock_count *count = find(counts, &wanted);
    if (!count) {
        count = make_room(counts);
        *count = wanted;
    }
    count->count++;
    count->last_us = now_us;
    if (event->run_us > count->run_max_us) count->run_max_us = event->run_us;
}

void lock_counts_fini(struct lock_counts *counts)
{
    free(counts->counts);
    error_counts_fini(&counts->totals);
    *counts = (struct lock_counts){0};
}
