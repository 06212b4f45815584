/*
 * The statements of a text to their fingerprints. Where statements end is sql_effect's to say; a text without semicolons, as nearly all are, is one. What a
 * statement's tokens mean for its shape is known to sql_shape and sql_shape_head.
 */
#include "protocol/sql_fingerprint.h"

#include "protocol/sql_shape.h"
#include "protocol/sql_shape_head.h"

#include <string.h>

static bool is_parenthesis(const struct sql_shape *shape)
{
    return shape->token.kind == SQL_CHARACTER && *sql_shape_text(shape) == '(';
}

/* False: there are only comments. */
static bool fingerprint(const struct sql_shape_input *input, struct sql_fingerprint *out, char *display, size_t display_size,
                        size_t *display_size_out)
{
    struct sql_shape shape;
    memset(out, 0, offsetof(struct sql_fingerprint, literals));
    out->class = SQL_CLASS_OTHER;
    sql_shape_init(&shape, input, out, display, display_size);

    bool has_token = sql_shape_advance(&shape);
    if (!has_token && shape.token.kind == SQL_END && !input->is_cut) return false;
    out->start = shape.token.start;
    out->end = input->end;
    while (has_token) {
        if (shape.is_head && !is_parenthesis(&shape)) {
            sql_shape_head(&shape);
        } else {
            sql_shape_step(&shape);
        }
        has_token = !shape.is_done && sql_shape_advance(&shape);
    }
    sql_shape_finish(&shape);
    if (display != NULL) {
        display[shape.canonical.size] = '\0'; /* what a mark took back may stand behind it */
        *display_size_out = shape.canonical.size;
    }
    return true;
}

/* ---- the outside ---- */

/* Semicolons and white space at the end cut nothing. */
static size_t size_without_tail(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == ';' || text[size - 1] == ' ' || text[size - 1] == '\n')) size--;
    return size;
}

void sql_fingerprint_init(struct sql_fingerprint_scan *scan, const char *text, size_t size, enum sql_strings strings, size_t scan_max)
{
    bool is_cut = size > scan_max;
    size_t used = is_cut ? scan_max : size_without_tail(text, size);
    scan->text = text;
    scan->size = used;
    scan->strings = strings;
    scan->is_cut = is_cut;
    scan->is_done = false;
    scan->is_single = used == 0 || memchr(text, ';', used) == NULL;
    if (!scan->is_single) sql_effect_init(&scan->statements, text, used, strings);
}

bool sql_fingerprint_next(struct sql_fingerprint_scan *scan, struct sql_fingerprint *out)
{
    struct sql_shape_input input = {scan->text, 0, scan->size, scan->size, scan->strings, scan->is_cut};
    struct sql_statement statement;
    if (scan->is_done) return false;
    if (scan->is_single) {
        scan->is_done = true;
        return fingerprint(&input, out, NULL, 0, NULL);
    }
    if (sql_effect_next(&scan->statements, &statement)) {
        bool is_last = scan->statements.token.kind == SQL_END;
        input.start = statement.start;
        input.is_cut = scan->is_cut && is_last;
        if (!input.is_cut) input.end = statement.end;
        scan->is_done = is_last;
    } else {
        scan->is_done = true;
        if (!scan->is_cut) return false;
        input.start = scan->size;
    }
    return fingerprint(&input, out, NULL, 0, NULL);
}

size_t sql_fingerprint_display(const struct sql_fingerprint_scan *scan, const struct sql_fingerprint *fingerprinted, char *out,
                               size_t out_size)
{
    struct sql_shape_input input = {scan->text, fingerprinted->start, fingerprinted->end,
                                    scan->size, scan->strings,        fingerprinted->is_truncated};
    struct sql_fingerprint again;
    size_t size = 0;
    out[0] = '\0';
    fingerprint(&input, &again, out, out_size, &size);
    return size;
}
