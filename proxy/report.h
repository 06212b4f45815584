#ifndef PROXY_REPORT_H
#define PROXY_REPORT_H

#include "proxy/finding_views.h"
#include "proxy/text_table.h"

/*
 * The report on repeated statements as a table of texts, whose columns are those of report_columns.def: what SHOW DUPLICATES sends, and what every rendering of the
 * report begins with, here or at the other end of the console.
 */
enum report_kind { REPORT_TEXT, REPORT_NUMBER, REPORT_REAL, REPORT_TIME, REPORT_LIST };
/* A cell of a list has a line for each text. */
struct report_column {
    const char *name;
    enum report_kind kind;
    const char *text;
};
const struct report_column *report_columns(size_t *count_out);

/* What was seen since `since_us` (wall clock; 0: ever), and what is gone; the largest loss first. */
struct text_table *report_table(const struct findings *findings, int64_t since_us, int64_t now_us);
/* Whether a table has what the renderings need: one that came from elsewhere may be an older version's. */
bool report_is_complete(const struct text_table *table);

/*
 * How often the statement of a row was run in a unit, on average, as its other numbers are averages: so what stands side by side adds up, which a median does not.
 */
double report_times(const struct text_table *table, size_t row);
/* What people call the verdict of a row. Valid as long as the table. */
const char *report_title(const struct text_table *table, size_t row);

/* "10m", "90s", "2h", "1d", "45" (seconds). False: it is no such thing. */
bool report_read_span(const char *text, int64_t *us_out);
/* "2026-11-21T21:17:17Z" */
enum { REPORT_TIME_SIZE = 40 };
void report_format_time(int64_t us, char text_out[REPORT_TIME_SIZE]);

#endif
