/*
 * Findings to rows of text. Not for: how they look (report_json, report_text, report_html).
 */
#include "proxy/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct report_column columns[] = {
#define X(name, kind, text) {#name, REPORT_##kind, text},
#include "proxy/report_columns.def"
#undef X
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

const struct report_column *report_columns(size_t *count_out)
{
    *count_out = COLUMNS;
    return columns;
}

void report_format_time(int64_t us, char text_out[REPORT_TIME_SIZE])
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(text_out, REPORT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

/* ---- cells, in the order of the columns ---- */

static void add_text(struct text_table *table, const char *text)
{
    text_table_add(table, text && *text ? text : NULL);
}

static void add_number(struct text_table *table, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    text_table_add(table, text);
}

static void add_real(struct text_table *table, double number)
{
    char text[64];
    snprintf(text, sizeof text, "%.3f", number);
    text_table_add(table, text);
}

static void add_time(struct text_table *table, int64_t us)
{
    char text[REPORT_TIME_SIZE];
    report_format_time(us, text);
    text_table_add(table, us > 0 ? text : NULL);
}

static double milliseconds(int64_t us)
{
    return (double)us / 1000;
}

static uint64_t mean(uint64_t sum, uint64_t count)
{
    return count == 0 ? 0 : (sum + count / 2) / count;
}

/* What feeds itself is its own parent, which is to be seen: to the rest of the world it is to one row or to many like any other. */
static enum link link_of(const struct finding_parent *parent)
{
    if (parent->link != LINK_SELF) return parent->link;
    return parent->rows > 1 ? LINK_TO_MANY : LINK_TO_ONE;
}

static void add_parent(struct text_table *table, const struct finding_parent *parent)
{
    if (!parent->shape || parent->link == LINK_NONE) {
        for (int i = 0; i < 8; i++) text_table_add(table, NULL);
        return;
    }
    char slot[8];
    snprintf(slot, sizeof slot, "$%u", parent->slot + 1u);
    bool has_slot = parent->slot != UINT8_MAX; /* a list has none */
    add_text(table, parent->shape);
    add_text(table, parent->table);
    add_text(table, *parent->column ? parent->column : parent->label);
    add_text(table, has_slot ? slot : NULL);
    add_number(table, parent->rows);
    add_real(table, (double)parent->cover);
    add_real(table, (double)parent->inorder);
    add_text(table, link_word(link_of(parent)));
}

static void add_values(struct text_table *table, const struct value_samples *values)
{
    char text[VALUE_SAMPLES_MAX * VALUE_TEXT_SIZE] = "";
    size_t size = 0;
    for (size_t i = 0; values && i < values->count; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", i > 0 ? "\n" : "", values->lines[i]);
    add_text(table, text);
    explicit_bzero(text, size);
}

static void add_finding(struct text_table *table, const struct finding_view *view)
{
    const struct finding *finding = view->finding;
    const struct finding_totals *totals = &view->totals;
    char suggestion[SUGGESTION_MAX];
    finding_suggestion(finding, suggestion, sizeof suggestion);
    add_text(table, finding->id);
    add_text(table, finding->database);
    add_text(table, finding->user);
    add_text(table, finding->route);
    add_text(table, verdict_word(finding->verdict));
    add_text(table, confidence_word(finding->confidence));
    add_text(table, severity_word(finding->severity));
    add_text(table, finding->shape);
    add_text(table, unit_kind_word(finding->unit_kind));
    add_number(table, totals->units);
    add_number(table, view->units_of_route);
    add_number(table, view->n_p50);
    add_number(table, view->n_p95);
    add_number(table, view->n_max);
    add_number(table, view->distinct);
    add_number(table, view->duplicates);
    add_number(table, view->round_trips);
    add_number(table, mean(totals->rows, totals->n));
    add_number(table, mean(totals->statements, totals->units));
    add_real(table, milliseconds(totals->lost_us));
    add_real(table, milliseconds(view->lost_us_per_unit));
    add_real(table, milliseconds(totals->db_us));
    add_real(table, milliseconds(totals->wall_us));
    add_parent(table, &finding->parent);
    add_text(table, suggestion);
    add_time(table, finding->first_seen_us);
    add_time(table, finding->last_seen_us);
    add_text(table, trend_word(view->trend));
    add_time(table, finding->sample_us);
    add_text(table, finding->sample_address);
    add_text(table, finding->sample_unit);
    add_values(table, finding->sample_values);
}

struct text_table *report_table(const struct findings *findings, int64_t since_us, int64_t now_us)
{
    struct text_table *table = text_table_new(COLUMNS);
    for (size_t i = 0; i < COLUMNS; i++)
        text_table_name(table, i, columns[i].name, columns[i].kind == REPORT_NUMBER || columns[i].kind == REPORT_REAL);
    struct finding_view *views;
    size_t count = finding_views_rank(findings, since_us, now_us, &views);
    for (size_t i = 0; i < count; i++) add_finding(table, &views[i]);
    free(views);
    return table;
}

bool report_is_complete(const struct text_table *table)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (text_table_find(table, columns[i].name) == SIZE_MAX) return false;
    return true;
}

double report_times(const struct text_table *table, size_t row)
{
    double known = text_table_number(table, row, "distinct") + text_table_number(table, row, "dup");
    return known > 0 ? known : text_table_number(table, row, "n_p50"); /* parameters that are not known are in neither */
}

const char *report_title(const struct text_table *table, size_t row)
{
    const char *word = text_table_cell(table, row, text_table_find(table, "verdict"));
    int verdict = verdict_find(word);
    return verdict < 0 ? word : verdict_title((enum verdict)verdict);
}

bool report_read_span(const char *text, int64_t *us_out)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    if (*text < '0' || *text > '9') return false;
    long long number = strtoll(text, &end, 10);
    if (number < 0 || number > 1000000 || (*end != '\0' && end[1] != '\0')) return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (*end != units[i].letter) continue;
        *us_out = number * units[i].seconds * 1000000;
        return true;
    }
    return false;
}
