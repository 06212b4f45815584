#ifndef PROXY_REPORT_HTML_H
#define PROXY_REPORT_HTML_H

#include <stdint.h>

#include "proxy/text_table.h"

/* The report as one page that needs nothing else: no scripts, no fonts, no network. `table` is of report.h. The caller frees the text. */
char *report_html(const struct text_table *table, int64_t since_us, int64_t now_us);

#endif
