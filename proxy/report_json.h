#ifndef PROXY_REPORT_JSON_H
#define PROXY_REPORT_JSON_H

#include <stdint.h>

#include "proxy/text_table.h"

/* The report as JSON: one object, whose schema REPORT_JSON_VERSION names (pgturnstile(1), "JSON"). `table` is of report.h. The caller frees the text. */
enum { REPORT_JSON_VERSION = 1 };
char *report_json(const struct text_table *table, int64_t since_us, int64_t now_us);

#endif
