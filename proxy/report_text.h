#ifndef PROXY_REPORT_TEXT_H
#define PROXY_REPORT_TEXT_H

#include <stdio.h>

#include "proxy/text_table.h"

/* The report for a terminal: a line a finding, and under it its parent and what could be done. `table` is of report.h; `width` 0: lines are not cut. */
void report_text_print(const struct text_table *table, size_t width, FILE *out);
/* As lines of an allow list: the id, and behind it what it is of. */
void report_text_print_ids(const struct text_table *table, FILE *out);

#endif
