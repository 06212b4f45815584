/*
 * The report as people read it on a terminal.
 */
#include "proxy/report_text.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"
#include "proxy/report.h"
#include "proxy/utf8.h"

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
    char words[96];
    const char *link = cell(table, row, "parent_link");
    bool has_link = verdict_find(cell(table, row, "verdict")) == VERDICT_N_PLUS_ONE && *link;
    snprintf(words, sizeof words, "%s%s%s", report_title(table, row), has_link ? " " : "", has_link ? link : "");
    for (char *at = words; *at; at++)
        if (*at == '_') *at = ' ';
    text_table_add(out, words);
}

static void add_lost(struct text_table *out, const struct text_table *table, size_t row)
{
    char lost[64];
    snprintf(lost, sizeof lost, "%.1f ms", text_table_number(table, row, "lost_ms_per_unit"));
    text_table_add(out, lost);
}

/* Where the select list ends; NULL: it has none, or a short one. */
static const char *end_of_list(const char *text)
{
    enum { LIST_MAX = 60 };
    int depth = 0;
    bool is_quoted = false;
    if (strncmp(text, "select ", 7) != 0) return NULL;
    for (const char *at = text; *at; at++) {
        if (*at == '"') is_quoted = !is_quoted;
        if (is_quoted) continue;
        depth += (*at == '(') - (*at == ')');
        if (depth == 0 && strncmp(at, " from ", 6) == 0) return at - text > LIST_MAX ? at : NULL;
    }
    return NULL;
}

/* On a terminal an ORM's list of columns would be all that is seen of its query. The caller frees it. */
static char *shortened(const char *text, size_t width)
{
    static const char instead[] = "select ...";
    const char *end = width > 0 ? end_of_list(text) : NULL;
    if (!end) return memory_strdup(text);
    char *shorter = memory_alloc(sizeof instead + strlen(end));
    memcpy(shorter, instead, sizeof instead - 1);
    strcpy(shorter + sizeof instead - 1, end);
    return shorter;
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

static void add_note(struct text_table *out, const char *name, const char *value)
{
    char text[2048];
    snprintf(text, sizeof text, "%s: %s", name, value);
    text_table_note(out, text);
}

static void add_notes(struct text_table *out, const struct text_table *table, size_t row, size_t width)
{
    char text[2048];
    const char *parent = cell(table, row, "parent_shape"), *name = cell(table, row, "parent_table");
    if (*parent) {
        char *shape = shortened(parent, width);
        snprintf(text, sizeof text, "parent: %s%s%s (%s rows, in order %s) -> %s   %s", name, *name ? "." : "",
                 cell(table, row, "parent_column"), cell(table, row, "parent_rows"), cell(table, row, "parent_inorder"),
                 cell(table, row, "parent_slot"), shape);
        text_table_note(out, text);
        free(shape);
    }
    add_values(out, cell(table, row, "sample_values"));
    const char *suggestion = cell(table, row, "suggestion");
    if (*suggestion) text_table_note(out, suggestion);
}

/* What the columns but the route and the query take, and what is left for the query where all stand side by side. */
enum { FIGURES_WIDTH = 82, QUERY_WIDTH_MIN = 40 };

static bool is_narrow(const struct text_table *table, size_t width)
{
    size_t longest = 0;
    for (size_t row = 0; row < text_table_rows(table); row++) {
        size_t size = strlen(cell(table, row, "route"));
        if (size > longest) longest = size;
    }
    return width > 0 && width < longest + FIGURES_WIDTH + QUERY_WIDTH_MIN;
}

void report_text_print(const struct text_table *table, size_t width, FILE *out)
{
    enum { ROUTE, QUERY = 9, HEADS };
    static const struct {
        const char *head, *name; /* of the column, unless `add` makes the cell */
        bool is_number;
        void (*add)(struct text_table *out, const struct text_table *table, size_t row);
    } heads[HEADS] = {[ROUTE] = {"ROUTE", "route", false, NULL},
                      {"VERDICT", NULL, false, add_words},
                      {"CONFIDENCE", "confidence", false, NULL},
                      {"TREND", "trend", false, NULL},
                      {"N/UNIT", NULL, true, add_times},
                      {"DISTINCT", "distinct", true, NULL},
                      {"DUP", "dup", true, NULL},
                      {"UNITS", "units", true, NULL},
                      {"LOST/UNIT", NULL, true, add_lost},
                      [QUERY] = {"QUERY", "shape", false, NULL}};
    if (text_table_rows(table) == 0) {
        fputs("No repeated statements were seen.\n", out);
        return;
    }
    bool has_notes_only = is_narrow(table, width); /* of route and query */
    const char *names[HEADS + 1] = {NULL};
    struct text_table *shown = text_table_new(HEADS);
    for (size_t i = 0, count = 0; i < HEADS; i++) {
        text_table_name(shown, i, heads[i].head, heads[i].is_number);
        if (!has_notes_only || (i != ROUTE && i != QUERY)) names[count++] = heads[i].head;
    }
    for (size_t row = 0; row < text_table_rows(table); row++) {
        char *query = shortened(cell(table, row, "shape"), width);
        for (size_t i = 0; i < HEADS; i++)
            if (heads[i].add)
                heads[i].add(shown, table, row);
            else
                text_table_add(shown, i == QUERY ? query : cell(table, row, heads[i].name));
        if (has_notes_only) {
            add_note(shown, "route", cell(table, row, "route"));
            add_note(shown, "query", query);
        }
        add_notes(shown, table, row, width);
        free(query);
    }
    text_table_print(shown, &(struct text_table_view){.names = names, .rows_max = SIZE_MAX, .width = width}, out);
    text_table_free(&shown);
}

static void put(const char *text, size_t bytes_max, FILE *out)
{
    char shown[UTF8_SHOWN_SIZE];
    for (size_t at = 0; at < bytes_max && text[at];) {
        at += utf8_shown(text + at, shown);
        fputs(shown, out);
    }
}

void report_text_print_ids(const struct text_table *table, FILE *out)
{
    enum { ROUTE_BYTES = 128, QUERY_BYTES = 100 };
    for (size_t row = 0; row < text_table_rows(table); row++) {
        char *query = shortened(cell(table, row, "shape"), QUERY_BYTES);
        fprintf(out, "%s  # ", cell(table, row, "id"));
        put(cell(table, row, "route"), ROUTE_BYTES, out);
        fprintf(out, ": %s, ", report_title(table, row));
        put(query, QUERY_BYTES, out);
        fputc('\n', out);
        free(query);
    }
}
