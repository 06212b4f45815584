/*
 * Lists and rows of plain literals: integers, decimals, '..', $1, NULL, TRUE, FALSE and DEFAULT, with blanks and casts. Anything else is left to
 * sql_shape, from the beginning of the list.
 *
 * Invariants: nothing at or behind the end of the text is read; a list is tried once, so that no byte is looked at more than twice; the last literal is
 * followed by what closes, so that none is cut by the limit of the scan.
 */
#include "protocol/sql_shape_bulk.h"

#include "protocol/sql_plain_literal.h"
#include "protocol/sql_type_name.h"

#include <string.h>
#include <strings.h>

/* The text from `at` on, and what of it was found. */
struct run {
    const char *text;
    size_t at, size;
    struct sql_fingerprint *out;
    bool is_paging;
    enum sql_strings strings;
};

static inline bool is_at(const struct run *run, char c)
{
    return run->at < run->size && run->text[run->at] == c;
}

static inline void skip_blanks(struct run *run)
{
    while (run->at < run->size && (run->text[run->at] == ' ' || run->text[run->at] == '\n')) run->at++;
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

/* ---- many integers ---- */

/* Comparisons are of bytes; what comes of them is put together in words, which spares gcc the thought that they are truth values. */
typedef int8_t lanes __attribute__((vector_size(16)));
typedef uint64_t words __attribute__((vector_size(16)));
enum { LANES = 16, GROUP = 16 }; /* so many blocks until it is asked whether all went well */

static inline lanes load_lanes(const char *at)
{
    lanes loaded;
    memcpy(&loaded, at, LANES);
    return loaded;
}

static inline words equals(lanes bytes, char c)
{
    return (words)(bytes == (int8_t)c);
}

/* Bytes above 0x7f are no digits: they are negative, and small. */
static inline words are_digits(lanes bytes)
{
    return (words)(bytes > '0' - 1) & ~(words)(bytes > '9');
}

/* Whether only digits, commas and blanks are among these bytes, each comma behind a digit and each blank behind a comma. */
static inline bool are_integers(const char *at, size_t blocks, uint32_t *commas)
{
    lanes counts = {0};
    words bad = {0};
    for (const char *end = at + blocks * LANES; at < end; at += LANES) {
        lanes bytes = load_lanes(at);
        lanes before = load_lanes(at - 1);
        words is_comma = equals(bytes, ',');
        words is_blank = equals(bytes, ' ');
        words is_behind_comma = equals(before, ',');
        bad |= ~(is_comma | is_blank | are_digits(bytes));
        bad |= (is_blank & ~is_behind_comma) | (is_comma & (is_behind_comma | equals(before, ' ')));
        counts -= (lanes)is_comma;
    }
    unsigned sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += (unsigned)counts[lane];
    *commas += sum;
    return (bad[0] | bad[1]) == 0;
}

/*
 * Behind a comma, as far as "1, 23,456" goes: many bytes at once, beside the bytes before them, and one by one where that fails. Returns how many commas
 * were passed.
 */
static uint32_t skip_integers(struct run *run)
{
    uint32_t commas = 0;
    size_t at = run->at;
    size_t group = GROUP;
    while (group > 0) {
        uint32_t more = 0;
        while (group > 0 && group * LANES > run->size - at) group /= 4;
        if (group > 0 && are_integers(run->text + at, group, &more)) {
            commas += more;
            at += group * LANES;
        } else {
            group /= 4;
        }
    }
    for (; at < run->size; at++) {
        char c = run->text[at];
        char before = run->text[at - 1];
        if (!sql_is_digit(c) && !(c == ',' && sql_is_digit(before)) && !(c == ' ' && before == ',')) break;
        commas += c == ',';
    }
    run->at = at;
    return commas;
}

/* ---- lists and rows ---- */

static struct run run_of(struct sql_shape *shape)
{
    return (struct run){.text = shape->lex.text,
                        .at = shape->lex.position,
                        .size = shape->lex.size,
                        .out = shape->out,
                        .is_paging = (*sql_shape_level(shape) & IN_PAGING) != 0,
                        .strings = shape->lex.strings};
}

/* What could make a literal mean something else here. */
static bool is_plain_level(struct sql_shape *shape)
{
    return (*sql_shape_level(shape) & ~(IN_PAGING | IN_BRACKET)) == 0 && shape->depth < DEPTH_MAX;
}

/* Literals without a place of their own add to the rest as the text that they are in. */
static void mix_rest(struct run *run, size_t start)
{
    run->out->literal_rest = sql_mix_run(run->out->literal_rest, run->text + start, run->at - start);
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

/* Elements up to what closes. `rest_out` is set once, to where the first literal without a place begins. */
static bool take_elements(struct run *run, char closing, bool is_in_row, size_t *rest_out)
{
    bool may_be_integers = !is_in_row;
    if (may_be_integers && take_integers(run, closing)) return true;
    for (;;) {
        bool has_place = run->out->literal_count < SQL_LITERALS_MAX;
        if (!has_place && *rest_out == 0) *rest_out = run->at;
        if (!has_place && may_be_integers) {
            struct run ahead = *run;
            uint32_t commas = skip_integers(&ahead);
            if (is_at(&ahead, closing) && sql_is_digit(run->text[ahead.at - 1])) {
                run->at = ahead.at;
                run->out->literal_count += commas + 1;
                return true;
            }
            may_be_integers = false; /* tried once */
        }
        if (!take_element(run, closing, is_in_row)) return false;
        if (!is_at(run, ',')) return true;
        run->at++;
    }
}

static void go_on_at(struct sql_shape *shape, const struct run *run)
{
    shape->lex.position = run->at;
    sql_shape_note(shape, ITEM_COMMA, true);
    sql_shape_note(shape, ITEM_LITERAL, false);
}

void sql_shape_take_list(struct sql_shape *shape)
{
    struct run run = run_of(shape);
    uint32_t count = run.out->literal_count;
    size_t rest = 0;
    bool is_list = is_plain_level(shape) && take_elements(&run, shape->list.is_array ? ']' : ')', false, &rest);
    if (!is_list) {
        run.out->literal_count = count;
        return;
    }
    if (rest > 0) mix_rest(&run, rest);
    shape->list.count = run.out->literal_count - count;
    shape->list.expects_element = false;
    go_on_at(shape, &run);
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

void sql_shape_take_rows(struct sql_shape *shape)
{
    struct run run = run_of(shape);
    uint32_t count = run.out->literal_count;
    uint32_t rows = 1;
    size_t rest = 0;
    bool is_last = false;
    bool are_rows = is_plain_level(shape);
    size_t closing = 0;
    while (are_rows && !is_last) {
        are_rows = take_elements(&run, ')', true, &rest);
        if (!are_rows) break;
        closing = run.at++;
        is_last = !enter_next_row(&run);
        if (!is_last) rows++;
    }
    if (!are_rows || !ends_rows(&run)) {
        run.out->literal_count = count;
        return;
    }
    run.at = closing;
    if (rest > 0) mix_rest(&run, rest);
    shape->rows.count = rows;
    go_on_at(shape, &run);
}
