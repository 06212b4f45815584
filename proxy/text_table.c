/* Tables for people and programs. A column is as wide as its widest cell; widths are counted in characters. */
#include "proxy/text_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/json_text.h"
#include "proxy/memory.h"
#include "proxy/utf8.h"

struct note {
    size_t row;
    char *text;
};

struct text_table {
    size_t columns, cells, capacity;
    char **names;
    bool *is_number;
    char **texts; /* NULL: no value */
    struct note *notes;
    size_t note_count;
};

struct text_table *text_table_new(size_t columns)
{
    struct text_table *table = memory_zalloc(sizeof *table);
    table->columns = columns;
    table->names = memory_zalloc((columns + 1) * sizeof *table->names);
    table->is_number = memory_zalloc((columns + 1) * sizeof *table->is_number);
    return table;
}

void text_table_free(struct text_table **table_pointer)
{
    struct text_table *table = *table_pointer;
    *table_pointer = NULL;
    if (!table) return;
    for (size_t i = 0; i < table->columns; i++) free(table->names[i]);
    for (size_t i = 0; i < table->cells; i++) free(table->texts[i]);
    for (size_t i = 0; i < table->note_count; i++) free(table->notes[i].text);
    free(table->notes);
    free(table->names);
    free(table->is_number);
    free(table->texts);
    free(table);
}

void text_table_name(struct text_table *table, size_t column, const char *name, bool is_number)
{
    assert(column < table->columns);
    free(table->names[column]);
    table->names[column] = memory_strdup(name);
    table->is_number[column] = is_number;
}

struct text_table *text_table_copy_head(const struct text_table *table)
{
    struct text_table *copy = text_table_new(table->columns);
    for (size_t i = 0; i < table->columns; i++) text_table_name(copy, i, table->names[i] ? table->names[i] : "", table->is_number[i]);
    return copy;
}

void text_table_add(struct text_table *table, const char *cell)
{
    if (table->cells == table->capacity) {
        table->capacity = table->capacity > 0 ? 2 * table->capacity : 64;
        table->texts = memory_realloc(table->texts, table->capacity * sizeof *table->texts);
    }
    table->texts[table->cells++] = cell ? memory_strdup(cell) : NULL;
}

void text_table_note(struct text_table *table, const char *text)
{
    size_t rows = text_table_rows(table);
    assert(rows > 0);
    table->notes = memory_realloc(table->notes, (table->note_count + 1) * sizeof *table->notes);
    table->notes[table->note_count++] = (struct note){.row = rows - 1, .text = memory_strdup(text)};
}

size_t text_table_rows(const struct text_table *table)
{
    return table->columns > 0 ? table->cells / table->columns : 0;
}

size_t text_table_columns(const struct text_table *table)
{
    return table->columns;
}

static const char *name_of(const struct text_table *table, size_t column)
{
    return table->names[column] ? table->names[column] : "";
}

size_t text_table_find(const struct text_table *table, const char *name)
{
    for (size_t i = 0; i < table->columns; i++)
        if (strcmp(name_of(table, i), name) == 0) return i;
    return SIZE_MAX;
}

const char *text_table_cell(const struct text_table *table, size_t row, size_t column)
{
    if (column >= table->columns || row >= text_table_rows(table)) return "";
    const char *text = table->texts[row * table->columns + column];
    return text ? text : "";
}

double text_table_number(const struct text_table *table, size_t row, const char *name)
{
    return strtod(text_table_cell(table, row, text_table_find(table, name)), NULL);
}

double text_table_sum(const struct text_table *table, const char *name)
{
    double sum = 0;
    for (size_t row = 0; row < text_table_rows(table); row++) sum += text_table_number(table, row, name);
    return sum;
}

struct sorted_row {
    double number;
    char **cells;
};

static int compare_down(const void *a_, const void *b_)
{
    const struct sorted_row *a = a_, *b = b_;
    if (a->number != b->number) return a->number < b->number ? 1 : -1;
    return (a->cells > b->cells) - (a->cells < b->cells); /* as they stood */
}

void text_table_sort_down(struct text_table *table, const char *name)
{
    size_t rows = text_table_rows(table), row_size = table->columns * sizeof *table->texts;
    if (rows < 2 || text_table_find(table, name) == SIZE_MAX) return;
    struct sorted_row *order = memory_alloc(rows * sizeof *order);
    char **texts = memory_alloc(rows * row_size);
    for (size_t row = 0; row < rows; row++)
        order[row] = (struct sorted_row){.number = text_table_number(table, row, name), .cells = table->texts + row * table->columns};
    qsort(order, rows, sizeof *order, compare_down);
    for (size_t row = 0; row < rows; row++) memcpy(texts + row * table->columns, order[row].cells, row_size);
    memcpy(table->texts, texts, rows * row_size);
    free(texts);
    free(order);
}

/* ---- aligned ---- */

/* Steps over one character of a cell: what to show for it, how many columns of the terminal that takes. */
static size_t next_character(const char *text, char shown[static UTF8_SHOWN_SIZE], size_t *width_out)
{
    size_t size = utf8_shown(text, shown);
    *width_out = shown[0] == *text ? 1 : strlen(shown);
    return size;
}

static size_t width_of(const char *text)
{
    char shown[UTF8_SHOWN_SIZE];
    size_t sum = 0, width;
    while (*text) {
        text += next_character(text, shown, &width);
        sum += width;
    }
    return sum;
}

struct line {
    FILE *out;
    size_t used, width; /* 0: no limit */
};

static void put_padding(struct line *line, size_t count)
{
    for (; count > 0 && (line->width == 0 || line->used < line->width); count--, line->used++) fputc(' ', line->out);
}

static void put_cell(struct line *line, const char *text)
{
    char shown[UTF8_SHOWN_SIZE];
    size_t width;
    while (*text) {
        text += next_character(text, shown, &width);
        if (line->width > 0 && line->used + width > line->width) {
            line->used = line->width;
            return;
        }
        fputs(shown, line->out);
        line->used += width;
    }
}

/* Row SIZE_MAX is that of the names. */
static const char *text_of(const struct text_table *table, size_t row, size_t column)
{
    return row == SIZE_MAX ? name_of(table, column) : text_table_cell(table, row, column);
}

static void print_row(const struct text_table *table, size_t row, const size_t *columns, const size_t *widths, size_t count,
                      const struct text_table_view *view, FILE *out)
{
    bool is_emphasized = view->is_emphasized && row == SIZE_MAX;
    struct line line = {.out = out, .width = view->width};
    if (is_emphasized) fputs("\033[7m", out);
    for (size_t i = 0; i < count; i++) {
        const char *text = text_of(table, row, columns[i]);
        size_t padding = widths[i] - width_of(text);
        bool is_right = table->is_number[columns[i]];
        if (is_right) put_padding(&line, padding);
        put_cell(&line, text);
        if (!is_right && (i + 1 < count || is_emphasized)) put_padding(&line, padding);
        if (i + 1 < count) put_padding(&line, 2);
    }
    if (is_emphasized) fputs("\033[0m", out);
    fputc('\n', out);
}

/* So much of the text as has room on a line, best up to a blank. */
static size_t fitting(const char *text, size_t room)
{
    char shown[UTF8_SHOWN_SIZE];
    size_t at = 0, used = 0, blank = 0, width;
    while (text[at]) {
        size_t size = next_character(text + at, shown, &width);
        if (used + width > room) return blank > 0 ? blank : at;
        if (text[at] == ' ') blank = at;
        used += width;
        at += size;
    }
    return at;
}

static void print_part(const char *text, size_t size, size_t indent, FILE *out)
{
    char *part = memory_strdup(text);
    struct line line = {.out = out};
    part[size] = '\0';
    put_padding(&line, indent);
    put_cell(&line, part);
    free(part);
}

/* On further lines, as far as it goes. */
static void print_note(const char *text, const struct text_table_view *view, FILE *out)
{
    enum { INDENT = 4, INDENT_MORE = 6, LINES_MAX = 4, ROOM_MIN = 20 };
    size_t size = strlen(text), indent = INDENT;
    for (int lines = 1; view->width >= INDENT_MORE + ROOM_MIN && lines < LINES_MAX; lines++) {
        size = fitting(text, view->width - indent);
        if (!text[size]) break;
        print_part(text, size, indent, out);
        fputc('\n', out);
        text += size;
        while (*text == ' ') text++;
        indent = INDENT_MORE;
        size = strlen(text);
    }
    struct line line = {.out = out, .width = view->width};
    put_padding(&line, indent);
    put_cell(&line, text);
    fputc('\n', out);
}

static size_t choose_columns(const struct text_table *table, const struct text_table_view *view, size_t *columns_out)
{
    size_t count = 0;
    if (!view->names) {
        for (; count < table->columns; count++) columns_out[count] = count;
        return count;
    }
    for (const char *const *name = view->names; *name && count < table->columns; name++) {
        size_t column = text_table_find(table, *name);
        if (column != SIZE_MAX) columns_out[count++] = column;
    }
    return count;
}

void text_table_print(const struct text_table *table, const struct text_table_view *view, FILE *out)
{
    size_t rows = text_table_rows(table);
    if (rows > view->rows_max) rows = view->rows_max;
    size_t *columns = memory_alloc((table->columns + 1) * sizeof *columns), *widths = memory_alloc((table->columns + 1) * sizeof *widths);
    size_t count = choose_columns(table, view, columns);
    for (size_t i = 0; i < count; i++) {
        widths[i] = width_of(name_of(table, columns[i]));
        for (size_t row = 0; row < rows; row++) {
            size_t width = width_of(text_table_cell(table, row, columns[i]));
            if (width > widths[i]) widths[i] = width;
        }
    }
    print_row(table, SIZE_MAX, columns, widths, count, view, out);
    size_t note = 0;
    for (size_t row = 0; row < rows; row++) {
        print_row(table, row, columns, widths, count, view, out);
        for (; note < table->note_count && table->notes[note].row == row; note++) print_note(table->notes[note].text, view, out);
    }
    free(columns);
    free(widths);
}

/* ---- JSON ---- */

/* RFC 8259, section 6: an optional minus, digits without a leading zero, an optional fraction. */
static bool is_json_number(const char *text)
{
    if (*text == '-') text++;
    if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9')) return false;
    text += strspn(text, "0123456789");
    if (*text == '.' && text[1] >= '0' && text[1] <= '9') text += 1 + strspn(text + 1, "0123456789");
    return *text == '\0';
}

static void print_json_text(const char *text, FILE *out)
{
    char character[JSON_TEXT_CHARACTER_MAX];
    fputc('"', out);
    while (*text) {
        text += json_text_character(text, character);
        fputs(character, out);
    }
    fputc('"', out);
}

static void print_json_cell(const struct text_table *table, size_t row, size_t column, FILE *out)
{
    const char *text = table->texts[row * table->columns + column];
    if (!text)
        fputs("null", out);
    else if (table->is_number[column] && is_json_number(text))
        fputs(text, out);
    else
        print_json_text(text, out);
}

void text_table_print_json(const struct text_table *table, FILE *out)
{
    fputc('[', out);
    for (size_t row = 0; row < text_table_rows(table); row++) {
        fputs(row > 0 ? ",\n {" : "{", out);
        for (size_t column = 0; column < table->columns; column++) {
            if (column > 0) fputs(", ", out);
            print_json_text(name_of(table, column), out);
            fputs(": ", out);
            print_json_cell(table, row, column, out);
        }
        fputc('}', out);
    }
    fputs("]\n", out);
}
