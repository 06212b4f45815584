#ifndef PROXY_TOP_VIEW_H
#define PROXY_TOP_VIEW_H

#include <stddef.h>
#include <stdio.h>

#include "proxy/text_table.h"

/*
 * One screen of `pgturnstile top`, from the console's answers. Whatever is missing there is said to be missing; whatever does not fit is left out.
 */
struct top_snapshot { /* NULL: this pgturnstile does not show it */
    struct text_table *config, *pools, *classes, *leases, *waiting, *stats;
};
void top_snapshot_free(struct top_snapshot *snapshot);

struct top_screen {
    const char *peer, *time;
    size_t columns, lines; /* lines 0: as many as there are */
    bool is_terminal;
};
/* Bring the longest waits and leases to the top. */
void top_snapshot_sort(struct top_snapshot *snapshot);
/* `before` (may be NULL) is the snapshot of `seconds` ago: for what happened since. */
void top_view_print(const struct top_screen *screen, const struct top_snapshot *now, const struct top_snapshot *before, double seconds,
                    FILE *out);

#endif
