/* Errors by SQLSTATE. Invariants: no SQLSTATE stands twice; the last entry of a full table is the one for all others. */
#include "proxy/error_counts.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct error_count *find(struct error_counts *counts, const char *sqlstate)
{
    for (uint32_t i = 0; i < counts->size; i++)
        if (strncmp(counts->counts[i].sqlstate, sqlstate, 5) == 0) return &counts->counts[i];
    bool is_last = counts->size >= ERROR_COUNTS_MAX - 1;
    if (counts->size == ERROR_COUNTS_MAX) return &counts->counts[ERROR_COUNTS_MAX - 1];
    struct error_count *fresh = &counts->counts[counts->size++];
    snprintf(fresh->sqlstate, sizeof fresh->sqlstate, "%.5s", is_last ? "other" : sqlstate);
    return fresh;
}

void error_counts_add(struct error_counts *counts, const char *sqlstate, enum error_source source, int64_t now_us)
{
    struct error_count *count = find(counts, sqlstate ? sqlstate : "");
    if (source == ERROR_OF_OURS)
        count->of_ours++;
    else
        count->of_servers++;
    count->last_us = now_us;
}
