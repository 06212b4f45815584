#ifndef PROXY_REPORT_BASELINE_H
#define PROXY_REPORT_BASELINE_H

#include <stdbool.h>

#include "proxy/error.h"
#include "proxy/text_table.h"

/*
 * What is known and accepted: the ids of a file that is checked in. The file is a report as JSON (what `pgturnstile report --json` printed), or an allow list: an id
 * a line, what follows it and what follows '#' is for people.
 */
struct report_baseline;
struct report_baseline *report_baseline_read(const char *path, struct error *error); /* NULL with `error` */
void report_baseline_free(struct report_baseline **baseline);
/*
 * The findings that the baseline does not cover, as a table like `table`; those that are gone, and those of severity info, need no cover. The caller frees it.
 */
struct text_table *report_baseline_uncovered(const struct report_baseline *baseline, const struct text_table *table);

#endif
