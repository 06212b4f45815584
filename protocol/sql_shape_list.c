/*
 * Lists that may become one token. They are put token by token like everything else, behind a mark. When such a list closes and nothing but literals was in
 * it (VALUES: no SELECT), the stream goes back to the mark and gets the list as one token. So nothing is read twice, and a list may be of any length.
 */
#include "protocol/sql_shape_list.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The literals since have no numbers of their own. */
static void forget_slots(struct sql_shape *shape, uint32_t first)
{
    uint32_t count = shape->out->literal_count;
    if (count > SQL_LITERALS_MAX) count = SQL_LITERALS_MAX;
    for (uint32_t i = first; i < count; i++) shape->out->literals[i].slot = 0;
}

/* ---- long lists ---- */

static struct sql_shape_before what_is_before(const struct sql_shape *shape)
{
    return (struct sql_shape_before){.literal_count = shape->out->literal_count,
                                     .parameter_count = shape->parameter_count,
                                     .literal_rest = shape->out->literal_rest,
                                     .start = shape->token.end};
}

/* Parameters have values that are not in the text. */
static bool is_long(const struct sql_shape *shape, const struct sql_shape_before *before)
{
    return shape->out->literal_count - before->literal_count > SQL_LITERALS_MAX && shape->parameter_count == before->parameter_count &&
           shape->out->form != SQL_FORM_EXECUTE;
}

/* All literals since become `literal`. */
static void put_long(struct sql_shape *shape, const struct sql_shape_before *before, struct sql_literal literal)
{
    struct sql_fingerprint *out = shape->out;
    const char *text = shape->lex.text + literal.start;
    out->literal_count = before->literal_count + 1;
    out->literal_rest = before->literal_rest;
    if (before->literal_count < SQL_LITERALS_MAX) {
        out->literals[before->literal_count] = literal;
    } else {
        out->literal_rest = sql_mix_run(out->literal_rest, text, literal.size);
    }
}

/* What a list of this length is in the fingerprint, between `before` and `end`. */
static void settle_literals(struct sql_shape *shape, const struct sql_shape_before *before, uint32_t length, size_t end,
                            struct sql_literal literal)
{
    if (is_long(shape, before)) {
        literal.kind = SQL_LITERAL_LIST;
        literal.token = SQL_OTHER;
        literal.start = (uint32_t)before->start;
        literal.size = (uint32_t)(end - before->start);
        literal.is_plain = before->is_plain;
        put_long(shape, before, literal);
    } else {
        forget_slots(shape, before->literal_count);
        shape->out->short_length = larger(shape->out->short_length, length);
    }
}

/* ---- lists and rows ---- */

void sql_shape_close_list(struct sql_shape *shape)
{
    struct sql_shape_list *list = &shape->list;
    shape->canonical = list->mark;
    sql_canonical_put_list(&shape->canonical, list->is_array ? CANONICAL_ARRAY : CANONICAL_ROWS);
    settle_literals(shape, &list->before, list->count, shape->token.start, (struct sql_literal){.is_array = list->is_array});
    shape->out->list_length = larger(shape->out->list_length, list->count);
    list->is_open = false;
}

void sql_shape_close_rows(struct sql_shape *shape)
{
    struct sql_shape_rows *rows = &shape->rows;
    shape->canonical = rows->mark;
    sql_canonical_put_list(&shape->canonical, CANONICAL_ROWS);
    settle_literals(shape, &rows->before, rows->count, rows->end, (struct sql_literal){.is_rows = true});
    shape->out->row_count = larger(shape->out->row_count, rows->count);
    shape->list.is_open = false;
    rows->state = ROWS_NONE;
}

bool sql_shape_step_list(struct sql_shape_list *list, enum item item)
{
    switch ((int)item) {
    case ITEM_LITERAL:
    case ITEM_ELLIPSIS:
        if (!list->expects_element) break;
        list->expects_element = false;
        if (list->nesting == 0) list->count++;
        return false;
    case ITEM_COMMA:
        if (list->expects_element) break;
        list->expects_element = true;
        return false;
    case KW_ROW:
        if (!list->expects_element) break;
        return false;
    case ITEM_OPEN:
    case ITEM_BRACKET:
        if (!list->expects_element || list->is_array != (item == ITEM_BRACKET)) break;
        list->nesting++;
        return false;
    case ITEM_CLOSE:
    case ITEM_BRACKET_CLOSE: {
        bool is_empty_array = list->is_array && list->nesting == 0 && list->count == 0;
        if (list->is_array != (item == ITEM_BRACKET_CLOSE) || (list->expects_element && !is_empty_array)) break;
        if (list->nesting == 0) return true;
        list->expects_element = false;
        if (--list->nesting == 0) list->count++;
        return false;
    }
    default: break;
    }
    list->is_open = false;
    return false;
}

void sql_shape_open_list(struct sql_shape *shape, bool is_array)
{
    shape->list.is_open = true;
    shape->list.is_array = is_array;
    shape->list.expects_element = true;
    shape->list.nesting = 0;
    shape->list.count = 0;
    shape->list.before = what_is_before(shape);
    shape->list.mark = shape->canonical;
}

void sql_shape_open_rows(struct sql_shape *shape)
{
    shape->rows.state = ROWS_INSIDE;
    shape->rows.depth = shape->depth;
    shape->rows.count = 1;
    shape->rows.before = what_is_before(shape);
    shape->rows.mark = shape->canonical;
}

void sql_shape_next_row(struct sql_shape *shape)
{
    struct sql_shape_rows *rows = &shape->rows;
    rows->count++;
    if (!rows->before.is_plain) return;
    rows->before.is_plain = false; /* what had no places then belongs to the rest, in case that not all becomes one literal */
    shape->out->literal_rest = sql_mix_run(shape->out->literal_rest, shape->lex.text + rows->before.start, rows->end - rows->before.start);
}
