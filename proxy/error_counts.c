/*
 * Errors by SQLSTATE and class. A table that is searched from end to end, which an error of PostgreSQL has cost many times over. Invariants: no pair stands twice; entries stay in the
 * order in which they came; memory is asked for only when a pair is new.
 */
#include "proxy/error_counts.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

static struct error_count *append(struct error_counts *counts, const struct error_count *wanted)
{
    if (counts->size == counts->capacity) {
        counts->capacity = counts->capacity == 0 ? 16 : 2 * counts->capacity;
        counts->counts = memory_realloc(counts->counts, counts->capacity * sizeof counts->counts[0]);
    }
    counts->counts[counts->size] = *wanted;
    return &counts->counts[counts->size++];
}

/* NULL: it is not there. `of_class_out`: how many of its class are. */
static struct error_count *find(const struct error_counts *counts, const struct error_count *wanted, uint32_t *of_class_out)
{
    uint32_t of_class = 0;
    for (uint32_t i = 0; i < counts->size; i++) {
        struct error_count *count = &counts->counts[i];
        if (strcmp(count->class, wanted->class) != 0) continue;
        if (strcmp(count->sqlstate, wanted->sqlstate) == 0) return count;
        of_class++;
    }
    *of_class_out = of_class;
    return NULL;
}

/* The entry for `wanted`, or the one that stands for it when there is no room. */
static struct error_count *find_or_make(struct error_counts *counts, struct error_count *wanted)
{
    uint32_t of_class;
    struct error_count *count = find(counts, wanted, &of_class);
    if (count) return count;
    if (of_class >= ERROR_COUNTS_OF_CLASS_MAX - 1) {
        memcpy(wanted->sqlstate, "other", sizeof wanted->sqlstate);
        count = find(counts, wanted, &of_class);
        if (count) return count;
    }
    if (counts->size >= ERROR_COUNTS_MAX - 1) {
        *wanted = (struct error_count){.sqlstate = "other"};
        count = find(counts, wanted, &of_class);
        if (count) return count;
    }
    return append(counts, wanted);
}

static void copy_text(char *to, const char *from, size_t size)
{
    size_t length = from ? strnlen(from, size - 1) : 0;
    if (length > 0) memcpy(to, from, length);
    to[length] = '\0';
}

void error_counts_add(struct error_counts *counts, const char *sqlstate, const char *class, enum error_source source, int64_t now_us)
{
    struct error_count wanted = {.last_us = now_us};
    copy_text(wanted.sqlstate, sqlstate, sizeof wanted.sqlstate);
    copy_text(wanted.class, class, sizeof wanted.class);
    struct error_count *count = find_or_make(counts, &wanted);
    if (source == ERROR_OF_OURS)
        count->of_ours++;
    else
        count->of_servers++;
    count->last_us = now_us;
}

void error_counts_copy(const struct error_counts *counts, struct error_counts *copy_out)
{
    *copy_out = (struct error_counts){.size = counts->size, .capacity = counts->size};
    if (counts->size == 0) return;
    copy_out->counts = memory_alloc(counts->size * sizeof counts->counts[0]);
    memcpy(copy_out->counts, counts->counts, counts->size * sizeof counts->counts[0]);
}

void error_counts_fini(struct error_counts *counts)
{
    free(counts->counts);
    *counts = (struct error_counts){0};
}
