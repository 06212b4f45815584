#ifndef PROXY_TEXT_TABLE_H
#define PROXY_TEXT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A table of texts, as people read it (aligned) or programs (JSON). Texts are copied. Whatever they hold, a terminal is not steered by it. */
struct text_table;
struct text_table *text_table_new(size_t columns);
/* An empty one with the same columns. */
struct text_table *text_table_copy_head(const struct text_table *table);
void text_table_free(struct text_table **table);
/* Numbers are aligned to the right, and bare in JSON where they are JSON's kind of numbers. */
void text_table_name(struct text_table *table, size_t column, const char *name, bool is_number);
/* Cells row by row, from the left; NULL is no value. */
void text_table_add(struct text_table *table, const char *cell);
/* A line of its own, or a few, under the row that was completed last, for people only; the text is copied. */
void text_table_note(struct text_table *table, const char *text);

size_t text_table_rows(const struct text_table *table);
size_t text_table_columns(const struct text_table *table);
/* SIZE_MAX: there is no such column. */
size_t text_table_find(const struct text_table *table, const char *name);
/* "" for no value, no such row and no such column. */
const char *text_table_cell(const struct text_table *table, size_t row, size_t column);
double text_table_number(const struct text_table *table, size_t row, const char *name); /* 0 where there is none */
double text_table_sum(const struct text_table *table, const char *name);

/* The rows with the largest numbers in this column first; nothing when there is no such column. */
void text_table_sort_down(struct text_table *table, const char *name);

struct text_table_view {
    const char *const *names; /* only these columns, those that there are; NULL: all. Ended by NULL */
    size_t rows_max;
    size_t width;       /* longer lines are cut, and notes go on in further ones; 0: never */
    bool is_emphasized; /* the names in reverse video */
};
void text_table_print(const struct text_table *table, const struct text_table_view *view, FILE *out);
void text_table_print_json(const struct text_table *table, FILE *out);

#endif
