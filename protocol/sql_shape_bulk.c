/*
 * Lists and rows of plain literals: integers, decimals, '..', $1, NULL, TRUE, FALSE and DEFAULT, with blanks and casts. Anything else is left to
 * sql_shape, from the beginning of the list.
 *
 * Invariants: nothing at or behind the end of the text is read; a list is tried once, and sql_plain_list() is asked once, so no byte is looked at more than three times; the last literal is
 * followed by what closes, so that none is cut by the limit of the scan.
 */
#include "protocol/sql_shape_bulk.h"

#include "protocol/sql_plain_list.h"
#include "protocol/sql_plain_literal.h"
#include "protocol/sql_type_name.h"

#include <string.h>
#include <strings.h>

/* The text from `at` on, and what of it was found. */
struct run {
    const char *text;
    size_t start, at, size;
    enum sql_plain_list_kind kind;
    struct sql_fingerprint *out;
    uint32_t first_literal, parameter_count;
    uint32_t length; /* rows */
    size_t rest;     /* where the first literal without a place begins; 0: all have one */
    bool is_asked, is_plain;
    bool is_paging;
    enum sql_strings strings;
};

static inline bool is_at(const struct run *run, char c)
{
    return run->at < run->size && run->text[run->at] == c;
}

static inline void skip_blanks(struct run *run)
{
    while (run->at < run->size && sql_is_blank(run->text[run->at])) run->at++;
}

/* ---- one literal ---- */

static inline void record(struct run *run, enum sql_literal_kind kind, enum sql_token token, size_t start, bool is_negative)
{
    if (run->out->literal_count < SQL_LITERALS_MAX) {
        run->out->literals[run->out->literal_count] = (struct sql_literal){.start = (uint32_t)start,
                                                                           .size = (uint32_t)(run->at - start),
                                                                           .kind = (uint8_t)kind,
                                                                           .token = (uint8_t)token,
                                                                           .is_negative = is_negative,
                                                                           .is_paging = run->is_paging};
    }
    run->out->literal_count++;
}

static inline void skip_digits(struct run *run)
{
    run->at = sql_digits_end(run->text, run->size, run->at);
}

static bool take_number(struct run *run)
{
    bool is_negative = is_at(run, '-');
    run->at += is_negative;
    size_t start = run->at;
    skip_digits(run);
    if (run->at == start) return false;
    if (!is_at(run, '.')) {
        record(run, SQL_LITERAL_INTEGER, SQL_INTEGER, start, is_negative);
        return true;
    }
    size_t fraction = ++run->at;
    skip_digits(run);
    if (run->at == fraction) return false;
    record(run, SQL_LITERAL_DECIMAL, SQL_NUMBER, start, is_negative);
    return true;
}

static bool take_string(struct run *run)
{
    size_t start = run->at;
    run->at = sql_plain_string_end(run->text, run->size, start);
    if (run->at == start) return false;
    record(run, SQL_LITERAL_STRING, SQL_STRING, start, false);
    return run->strings == SQL_STRINGS_STANDARD; /* else a backslash may have been more than a byte */
}

static bool is_word(const struct run *run, size_t start, const char *word, size_t size)
{
    return run->at - start == size && strncasecmp(run->text + start, word, size) == 0;
}

static void skip_letters(struct run *run)
{
    while (run->at < run->size && (((run->text[run->at] | 0x20) >= 'a' && (run->text[run->at] | 0x20) <= 'z') || run->text[run->at] == '_'))
        run->at++;
}

/* $1 */
static bool take_parameter(struct run *run)
{
    uint32_t number = 0;
    size_t start = run->at++;
    for (; run->at < run->size && sql_is_digit(run->text[run->at]); run->at++) {
        if (number < UINT16_MAX) number = number * 10 + (uint32_t)(run->text[run->at] - '0');
    }
    if (run->at == start + 1) return false;
    record(run, SQL_LITERAL_PARAMETER, SQL_PARAMETER, start, false);
    run->parameter_count++;
    if (run->out->literal_count <= SQL_LITERALS_MAX)
        run->out->literals[run->out->literal_count - 1].number = (uint16_t)(number < UINT16_MAX ? number : UINT16_MAX);
    return true;
}

/* False: neither a literal nor, in a row, DEFAULT. */
static bool take_word(struct run *run, bool is_in_row, bool *is_literal_out)
{
    size_t start = run->at;
    skip_letters(run);
    *is_literal_out = true;
    if (is_word(run, start, "null", 4)) {
        record(run, SQL_LITERAL_NULL, SQL_WORD, start, false);
    } else if (is_word(run, start, "true", 4) || is_word(run, start, "false", 5)) {
        record(run, SQL_LITERAL_BOOLEAN, SQL_WORD, start, false);
    } else {
        *is_literal_out = false;
        return is_in_row && is_word(run, start, "default", 7);
    }
    return true;
}

static void skip_casts(struct run *run)
{
    struct sql_lex lex;
    if (!is_at(run, ':')) return;
    sql_lex_init(&lex, run->text, run->size, run->strings);
    lex.position = run->at;
    sql_skip_casts(&lex);
    run->at = lex.position;
}

/* A literal with what belongs to it, up to a comma or what closes. */
static bool take_element(struct run *run, char closing, bool is_in_row)
{
    bool is_taken;
    bool is_literal = true;
    skip_blanks(run);
    if (run->at == run->size) return false;
    switch (run->text[run->at]) {
    case '\'': is_taken = take_string(run); break;
    case '$': is_taken = take_parameter(run); break;
    case '-': is_taken = take_number(run); break;
    default: is_taken = sql_is_digit(run->text[run->at]) ? take_number(run) : take_word(run, is_in_row, &is_literal); break;
    }
    if (!is_taken) return false;
    if (is_literal) skip_casts(run);
    skip_blanks(run);
    return is_at(run, ',') || is_at(run, closing);
}

/* ---- lists and rows ---- */

static struct run run_of(struct sql_shape *shape, enum sql_plain_list_kind kind)
{
    return (struct run){.text = shape->lex.text,
                        .start = shape->lex.position,
                        .at = shape->lex.position,
                        .size = shape->lex.size,
                        .kind = kind,
                        .out = shape->out,
                        .first_literal = shape->out->literal_count,
                        .is_paging = (*sql_shape_level(shape) & IN_PAGING) != 0,
                        .strings = shape->lex.strings};
}

/* What could make a literal mean something else here. */
static bool is_plain_level(struct sql_shape *shape)
{
    return (*sql_shape_level(shape) & ~(IN_PAGING | IN_BRACKET)) == 0 && shape->depth < DEPTH_MAX;
}

/* "1, 2,3": the short way for what most lists are, as long as there are places. True: up to what closes. */
static bool take_integers(struct run *run, char closing)
{
    const char *text = run->text;
    size_t size = run->size;
    size_t at = run->at;
    uint32_t count = run->out->literal_count;
    bool is_end = false;
    struct sql_literal literal = {.kind = SQL_LITERAL_INTEGER, .token = SQL_INTEGER, .is_paging = run->is_paging};
    while (count < SQL_LITERALS_MAX && !is_end) {
        size_t start = at;
        at = sql_digits_end(text, size, at);
        if (at == start || at == size || (text[at] != ',' && text[at] != closing)) break;
        literal.start = (uint32_t)start;
        literal.size = (uint32_t)(at - start);
        run->out->literals[count++] = literal;
        is_end = text[at] == closing;
        at += !is_end;
        run->at = at;
        if (at < size && text[at] == ' ') at++;
    }
    run->out->literal_count = count;
    return is_end;
}

/*
 * A long list of what sql_plain_list() knows need not be taken apart: its literals are one then. Asked once, when so many have been found that it must be
 * one of those. Only sql_shape_list.c knows which literals are put together; here they are counted.
 */
static bool take_long_list(struct run *run)
{
    struct sql_plain_list list;
    bool is_asked = run->is_asked || run->out->literal_count - run->first_literal < SQL_LITERALS_MAX;
    if (is_asked) return false;
    run->is_asked = true;
    if (run->strings != SQL_STRINGS_STANDARD || run->parameter_count > 0 || run->out->form == SQL_FORM_EXECUTE) return false;
    if (!sql_plain_list(run->text, run->size, run->start, run->kind, &list) || list.literal_count <= SQL_LITERALS_MAX) return false;
    run->out->literal_count = run->first_literal + list.literal_count;
    run->at = list.end;
    run->length = list.length;
    run->is_plain = true;
    return true;
}

/* Elements up to what closes, of a row or of all. */
static bool take_elements(struct run *run, char closing, bool is_in_row)
{
    if (!is_in_row && take_integers(run, closing)) return true;
    for (;;) {
        bool has_place = run->out->literal_count < SQL_LITERALS_MAX;
        if (!has_place && run->rest == 0) run->rest = run->at;
        if (take_long_list(run)) return true;
        if (!take_element(run, closing, is_in_row)) return false;
        if (!is_at(run, ',')) return true;
        run->at++;
    }
}

/* Nothing but literals was found: the reading goes on at what closes. Those without a place of their own add to the rest as the text that they are in. */
static void go_on(struct sql_shape *shape, struct run *run, struct sql_shape_before *before)
{
    if (run->rest > 0 && !run->is_plain)
        run->out->literal_rest = sql_mix_run(run->out->literal_rest, run->text + run->rest, run->at - run->rest);
    shape->parameter_count += run->parameter_count;
    before->is_plain = run->is_plain;
    shape->lex.position = run->at;
    sql_shape_note(shape, ITEM_COMMA, true);
    sql_shape_note(shape, ITEM_LITERAL, false);
}

void sql_shape_take_list(struct sql_shape *shape)
{
    struct run run = run_of(shape, shape->list.is_array ? SQL_PLAIN_ARRAY : SQL_PLAIN_LIST);
    bool is_list = is_plain_level(shape) && take_elements(&run, shape->list.is_array ? ']' : ')', false);
    if (!is_list) {
        run.out->literal_count = run.first_literal;
        return;
    }
    shape->list.count = run.out->literal_count - run.first_literal;
    shape->list.expects_element = false;
    go_on(shape, &run, &shape->list.before);
}

/* Behind the end of a row: into the next one, if there is one. */
static bool enter_next_row(struct run *run)
{
    struct run ahead = *run;
    skip_blanks(&ahead);
    if (!is_at(&ahead, ',')) return false;
    ahead.at++;
    skip_blanks(&ahead);
    if (!is_at(&ahead, '(')) return false;
    run->at = ahead.at + 1;
    return true;
}

/* What is behind the last row must not go on with it. */
static bool ends_rows(const struct run *run)
{
    struct run ahead = *run;
    skip_blanks(&ahead);
    return !is_at(&ahead, ',');
}

/* Up to what closes the last row. */
static bool take_rows(struct run *run)
{
    size_t closing = 0;
    for (run->length = 1;; run->length++) {
        if (!take_elements(run, ')', true)) return false;
        if (run->is_plain) return true;
        closing = run->at++;
        if (!enter_next_row(run)) break;
    }
    if (!ends_rows(run)) return false;
    run->at = closing;
    return true;
}

void sql_shape_take_rows(struct sql_shape *shape)
{
    struct run run = run_of(shape, SQL_PLAIN_ROWS);
    if (!is_plain_level(shape) || !take_rows(&run)) {
        run.out->literal_count = run.first_literal;
        return;
    }
    shape->rows.count = run.length;
    go_on(shape, &run, &shape->rows.before);
}
