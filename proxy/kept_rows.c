/*
 * Rings of hashes. Not for: whether anything was taken from them (row_proof.c).
 *
 * Invariants: next - first <= capacity; a set in use has columns and values. What runs out of memory keeps the rows it has.
 */
#include "proxy/kept_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 };

static size_t values_size(const struct kept_rows *rows)
{
    return (size_t)rows->column_count * rows->capacity * sizeof rows->values[0];
}

static void drop(struct kept_rows *rows, struct block_pool *pool)
{
    if (rows->shape == 0) return;
    block_pool_give(pool, rows->columns, rows->column_count * sizeof rows->columns[0]);
    block_pool_give(pool, rows->values, values_size(rows));
    *rows = (struct kept_rows){0};
}

static struct kept_rows *oldest(struct kept_sets *sets)
{
    struct kept_rows *found = &sets->sets[0];
    for (unsigned i = 0; i < KEPT_SETS; i++) {
        if (sets->sets[i].shape == 0) return &sets->sets[i];
        if (sets->sets[i].touched < found->touched) found = &sets->sets[i];
    }
    return found;
}

static bool has_columns(const struct kept_rows *rows, const struct result_column *columns, size_t count)
{
    if (rows->column_count != count) return false;
    for (size_t i = 0; i < count; i++) {
        if (rows->columns[i].table_oid != columns[i].table_oid || rows->columns[i].attnum != columns[i].attnum) return false;
    }
    return true;
}

static bool start_set(struct kept_rows *rows, uint64_t shape, const struct result_column *columns, size_t count, struct block_pool *pool)
{
    *rows = (struct kept_rows){.shape = shape, .capacity = FIRST_CAPACITY, .column_count = (uint8_t)count};
    rows->columns = block_pool_take(pool, count * sizeof rows->columns[0]);
    rows->values = block_pool_take(pool, values_size(rows));
    if (rows->columns == NULL || rows->values == NULL) {
        drop(rows, pool);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        rows->columns[i] = (struct kept_column){.table_oid = columns[i].table_oid, .attnum = columns[i].attnum};
        snprintf(rows->columns[i].label, KEPT_LABEL_MAX, "%s", columns[i].label ? columns[i].label : "");
    }
    return true;
}

struct kept_rows *kept_sets_begin(struct kept_sets *sets, uint64_t shape, const struct result_column *columns, size_t count,
                                  struct block_pool *pool)
{
    if (count > KEPT_COLUMNS) count = KEPT_COLUMNS;
    if (count == 0) return NULL;
    struct kept_rows *rows = NULL;
    for (unsigned i = 0; i < KEPT_SETS && rows == NULL; i++) {
        if (sets->sets[i].shape == shape) rows = &sets->sets[i];
    }
    if (rows == NULL || !has_columns(rows, columns, count)) {
        if (rows == NULL) rows = oldest(sets);
        drop(rows, pool);
        if (!start_set(rows, shape, columns, count, pool)) return NULL;
        rows->serial = ++sets->clock;
    }
    rows->start = rows->next;
    rows->is_cut = false;
    rows->touched = ++sets->clock;
    sets->results++;
    return rows;
}

struct kept_rows *kept_sets_find(struct kept_sets *sets, uint64_t serial)
{
    for (unsigned i = 0; i < KEPT_SETS; i++) {
        if (sets->sets[i].shape != 0 && sets->sets[i].serial == serial) return &sets->sets[i];
    }
    return NULL;
}

static bool grow(struct kept_rows *rows, struct block_pool *pool)
{
    struct kept_rows larger = *rows;
    larger.capacity = 4 * rows->capacity;
    larger.values = block_pool_take(pool, values_size(&larger));
    if (larger.values == NULL) return false;
    for (unsigned column = 0; column < rows->column_count; column++) {
        for (uint32_t row = rows->first; row != rows->next; row++) {
            larger.values[column * larger.capacity + (row & (larger.capacity - 1))] =
                rows->values[column * rows->capacity + (row & (rows->capacity - 1))];
        }
    }
    block_pool_give(pool, rows->values, values_size(rows));
    *rows = larger;
    return true;
}

bool kept_rows_add(struct kept_rows *rows, const uint64_t *hashes, struct block_pool *pool)
{
    if (rows->next - rows->start >= KEPT_ROWS) {
        rows->is_cut = true;
        return false;
    }
    if (rows->next - rows->first == rows->capacity && !(rows->capacity < KEPT_ROWS && grow(rows, pool))) {
        /* No larger ring. The oldest row goes, unless it is of this very result: its beginning is worth more than its end. */
        if (rows->first == rows->start) {
            rows->is_cut = true;
            return false;
        }
        rows->first++;
    }
    for (unsigned column = 0; column < rows->column_count; column++) {
        rows->values[column * rows->capacity + (rows->next & (rows->capacity - 1))] = hashes[column];
    }
    rows->next++;
    if (rows->next - rows->start > rows->most) rows->most = rows->next - rows->start;
    return true;
}

bool kept_rows_find(const struct kept_rows *rows, unsigned column, uint64_t hash, uint32_t from, uint32_t *row_out)
{
    assert(column < rows->column_count);
    const uint64_t *values = &rows->values[column * rows->capacity];
    if (from < rows->first) from = rows->first;
    for (uint32_t row = from; row < rows->next; row++) {
        if (values[row & (rows->capacity - 1)] == hash && hash != 0) {
            *row_out = row;
            return true;
        }
    }
    return false;
}

uint64_t kept_rows_value(const struct kept_rows *rows, unsigned column, uint32_t row)
{
    return rows->values[column * rows->capacity + (row & (rows->capacity - 1))];
}

uint32_t kept_rows_distinct(const struct kept_rows *rows, unsigned column, uint32_t from, uint32_t to)
{
    uint64_t seen[2 * KEPT_ROWS] = {0};
    uint32_t count = 0;
    const uint64_t *values = &rows->values[column * rows->capacity];
    if (from < rows->first) from = rows->first;
    for (uint32_t row = from; row < to && row < rows->next; row++) {
        uint64_t hash = values[row & (rows->capacity - 1)];
        if (hash == 0) continue;
        uint32_t at = (uint32_t)(hash ^ hash >> 32) & (2 * KEPT_ROWS - 1);
        while (seen[at] != 0 && seen[at] != hash) at = (at + 1) & (2 * KEPT_ROWS - 1);
        count += seen[at] == 0;
        seen[at] = hash;
    }
    return count;
}

void kept_sets_clear(struct kept_sets *sets, struct block_pool *pool)
{
    for (unsigned i = 0; i < KEPT_SETS; i++) drop(&sets->sets[i], pool);
    *sets = (struct kept_sets){0};
}
