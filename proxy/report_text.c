/*
 * The report as people read it on a terminal.
 */
#include "proxy/report_text.h"

#include <string.h>

#include "proxy/report.h"

static const char *cell(const struct text_table *table, size_t row, const char *name)
{
    return text_table_cell(table, row, text_table_find(table, name));
}

static void add_times(struct text_table *out, const struct text_table *table, size_t row)
{
    char times[32];
    snprintf(times, sizeof times, "%.0f", report_times(table, row));
    text_table_add(out, times);
}

static void add_words(struct text_table *out, const struct text_table *table, size_t row)
{
    char verdict[96];
    const char *link = cell(table, row, "parent_link");
    snprintf(verdict, sizeof verdict, "%s%s%s", cell(table, row, "verdict"), *link ? " " : "", link);
    for (char *at = verdict; *at; at++)
        if (*at == '_') *at = ' ';
    text_table_add(out, verdict);
}

/* On one line, as many as there is room for. */
static void add_values(struct text_table *out, const char *values)
{
    char text[1024];
    size_t size = 0;
    if (!*values) return;
    for (size_t at = 0; values[at] && size < sizeof text - 4; at++) {
        if (values[at] == '\n') text[size++] = ';';
        text[size++] = values[at] == '\n' ? ' ' : values[at];
    }
    text[size] = '\0';
    char note[sizeof text + 16];
    snprintf(note, sizeof note, "parameters: %s", text);
    text_table_note(out, note);
}

static void add_notes(struct text_table *out, const struct text_table *table, size_t row)
{
    char text[2048];
    const char *parent = cell(table, row, "parent_shape"), *name = cell(table, row, "parent_table");
    if (*parent) {
        snprintf(text, sizeof text, "parent: %s%s%s (%s rows, in order %s) -> %s   %s", name, *name ? "." : "",
                 cell(table, row, "parent_column"), cell(table, row, "parent_rows"), cell(table, row, "parent_inorder"),
                 cell(table, row, "parent_slot"), parent);
        text_table_note(out, text);
    }
    add_values(out, cell(table, row, "sample_values"));
    const char *suggestion = cell(table, row, "suggestion");
    if (*suggestion) text_table_note(out, suggestion);
}

void report_text_print(const struct text_table *table, size_t width, FILE *out)
{
    static const struct {
        const char *head, *name; /* of the column, unless `add` makes the cell */
        bool is_number;
        void (*add)(struct text_table *out, const struct text_table *table, size_t row);
    } heads[] = {{"ROUTE", "route", false, NULL}, {"VERDICT", NULL, false, add_words},   {"CONFIDENCE", "confidence", false, NULL},
                 {"TREND", "trend", false, NULL}, {"TIMES/UNIT", NULL, true, add_times}, {"DISTINCT", "distinct", true, NULL},
                 {"DUP", "dup", true, NULL},      {"UNITS", "units", true, NULL},        {"LOST MS/UNIT", "lost_ms_per_unit", true, NULL},
                 {"QUERY", "shape", false, NULL}};
    enum { HEADS = sizeof heads / sizeof heads[0] };
    if (text_table_rows(table) == 0) {
        fputs("No repeated statements were seen.\n", out);
        return;
    }
    struct text_table *shown = text_table_new(HEADS);
    for (size_t i = 0; i < HEADS; i++) text_table_name(shown, i, heads[i].head, heads[i].is_number);
    for (size_t row = 0; row < text_table_rows(table); row++) {
        for (size_t i = 0; i < HEADS; i++)
            if (heads[i].add)
                heads[i].add(shown, table, row);
            else
                text_table_add(shown, cell(table, row, heads[i].name));
        add_notes(shown, table, row);
    }
    text_table_print(shown, &(struct text_table_view){.rows_max = SIZE_MAX, .width = width}, out);
    text_table_free(&shown);
}
