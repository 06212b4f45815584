/* SHOW: what the search for duplicate queries knows. Its tables may change between two slices, so what is shown is put together at the first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/admin_show.h"
#include "proxy/memory.h"
#include "proxy/report.h"
#include "proxy/tap.h"

enum { SHAPES_SHOWN_MAX = 1000 };

struct shape_rows {
    size_t count, next;
    struct shape_row {
        struct shape shape; /* `text` is a copy */
        char *database, *user;
    } rows[];
};

static struct detector *detector_of(const struct show_cursor *cursor)
{
    return taps_detector(cursor->view->commons->taps);
}

/* ---- duplicates ---- */

static void begin_report(struct show_cursor *cursor)
{
    int64_t now_us = cursor->view->commons->now_us + cursor->wall_offset_us;
    int64_t since_us = cursor->since_us > 0 ? now_us - cursor->since_us : 0;
    cursor->report = report_table(detector_findings(detector_of(cursor)), since_us, now_us);
}

enum show_step rows_of_duplicates(struct show_cursor *cursor, struct bytes_writer *writer)
{
    if (!cursor->report) {
        begin_report(cursor);
        return SHOW_SKIPPED;
    }
    if (cursor->step >= text_table_rows(cursor->report)) return SHOW_END;
    struct admin_row row;
    size_t count;
    const struct report_column *columns = report_columns(&count);
    show_begin_row(cursor, &row, writer);
    for (size_t i = 0; i < count; i++) {
        const char *cell = text_table_cell(cursor->report, cursor->step, i);
        if (*cell == '\0')
            admin_row_null(&row);
        else if (columns[i].kind == REPORT_NUMBER)
            admin_row_number(&row, strtoll(cell, NULL, 10));
        else if (columns[i].kind == REPORT_REAL)
            admin_row_real(&row, strtod(cell, NULL));
        else
            admin_row_long_text(&row, cell);
    }
    admin_row_end(&row);
    cursor->step++;
    return SHOW_ROW;
}

/* ---- shapes ---- */

static int compare_shapes(const void *a, const void *b)
{
    const struct shape *const *x = a, *const *y = b;
    return (*x)->total_us < (*y)->total_us ? 1 : (*x)->total_us > (*y)->total_us ? -1 : 0;
}

static void begin_shapes(struct show_cursor *cursor)
{
    const struct shapes *shapes = detector_shapes(detector_of(cursor));
    size_t count = 0, position = 0;
    const struct shape **all = memory_alloc((shapes_count(shapes) + 1) * sizeof *all);
    for (const struct shape *shape; (shape = shapes_next(shapes, &position));) all[count++] = shape;
    qsort(all, count, sizeof *all, compare_shapes);
    if (count > SHAPES_SHOWN_MAX) count = SHAPES_SHOWN_MAX;
    cursor->shapes = memory_zalloc(sizeof *cursor->shapes + count * sizeof cursor->shapes->rows[0]);
    cursor->shapes->count = count;
    for (size_t i = 0; i < count; i++) {
        struct shape_row *row = &cursor->shapes->rows[i];
        row->shape = *all[i];
        row->shape.text = memory_strdup(all[i]->text);
        row->database = memory_strdup(all[i]->scope->database);
        row->user = memory_strdup(all[i]->scope->user);
    }
    free(all);
}

static double milliseconds(int64_t us)
{
    return (double)us / 1000;
}

enum show_step rows_of_shapes(struct show_cursor *cursor, struct bytes_writer *writer)
{
    if (!cursor->shapes) {
        begin_shapes(cursor);
        return SHOW_SKIPPED;
    }
    if (cursor->shapes->next == cursor->shapes->count) return SHOW_END;
    const struct shape_row *shown = &cursor->shapes->rows[cursor->shapes->next++];
    const struct shape *shape = &shown->shape;
    char fingerprint[17];
    snprintf(fingerprint, sizeof fingerprint, "%016llx", (unsigned long long)shape->fingerprint);
    struct admin_row row;
    show_begin_row(cursor, &row, writer);
    admin_row_text(&row, shown->database);
    admin_row_text(&row, shown->user);
    admin_row_number(&row, (int64_t)shape->calls);
    admin_row_real(&row, milliseconds(shape->total_us));
    admin_row_real(&row, shape->calls > 0 ? milliseconds(shape->total_us) / (double)shape->calls : 0);
    admin_row_real(&row, milliseconds(shape->max_us));
    admin_row_number(&row, (int64_t)shape->rows);
    admin_row_number(&row, (int64_t)shape->errors);
    admin_row_time(&row, shape->first_seen_us);
    admin_row_time(&row, shape->last_seen_us);
    admin_row_text(&row, fingerprint);
    admin_row_long_text(&row, shape->text);
    admin_row_end(&row);
    return SHOW_ROW;
}

void show_forget_reports(struct show_cursor *cursor)
{
    text_table_free(&cursor->report);
    if (!cursor->shapes) return;
    for (size_t i = 0; i < cursor->shapes->count; i++) {
        free(cursor->shapes->rows[i].shape.text);
        free(cursor->shapes->rows[i].database);
        free(cursor->shapes->rows[i].user);
    }
    free(cursor->shapes);
    cursor->shapes = NULL;
}
