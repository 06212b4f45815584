#ifndef PROXY_KEPT_ROWS_H
#define PROXY_KEPT_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/block_pool.h"
#include "proxy/execution.h"

/*
 * The results that a unit of work has read lately, as hashes of their columns in row order: what later parameters may have been taken from. No values. At
 * most KEPT_SETS of them, the one that was not used for longest makes room; of each at most KEPT_ROWS rows. A zeroed struct is empty.
 *
 * The results of one shape that is run several times follow one another in one set, so a row has a number that only grows: `first` <= number < `next`.
 */
enum { KEPT_SETS = 8, KEPT_ROWS = 256, KEPT_COLUMNS = 16, KEPT_LABEL_MAX = 64 };

struct kept_column {
    uint32_t table_oid;
    int16_t attnum;
    char label[KEPT_LABEL_MAX];
};

struct kept_rows {
    uint64_t shape;  /* 0: not in use */
    uint32_t serial; /* never the same for two sets of one unit */
    uint32_t touched;
    uint32_t first, next;
    uint32_t start;    /* where the latest result begins */
    uint32_t most;     /* rows of the largest result */
    uint32_t capacity; /* a power of two */
    uint8_t column_count;
    bool is_cut; /* the latest result has more rows than are kept */
    struct kept_column *columns;
    uint64_t *values; /* column by column; row r of a column is at r modulo capacity */
};

struct kept_sets {
    struct kept_rows sets[KEPT_SETS];
    uint32_t clock;   /* counts up; a unit does not live long enough to see it wrap */
    uint32_t results; /* so many were begun */
};

/* A result of `shape` begins. NULL: there is no memory for it. Valid until the set makes room for another: look for the serial again. */
struct kept_rows *kept_sets_begin(struct kept_sets *sets, uint64_t shape, const struct result_column *columns, size_t count,
                                  struct block_pool *pool);
struct kept_rows *kept_sets_find(struct kept_sets *sets, uint64_t serial); /* NULL: gone */
/* One row of the latest result; 0 is what cannot be compared. False: no further rows are kept. */
bool kept_rows_add(struct kept_rows *rows, const uint64_t *hashes, struct block_pool *pool);
/* The first row from number `from` on with this value. */
bool kept_rows_find(const struct kept_rows *rows, unsigned column, uint64_t hash, uint32_t from, uint32_t *row_out);
uint64_t kept_rows_value(const struct kept_rows *rows, unsigned column, uint32_t row); /* of a row that is kept */
/* Different values of a column in rows `from` up to, not including, `to`. */
uint32_t kept_rows_distinct(const struct kept_rows *rows, unsigned column, uint32_t from, uint32_t to);
void kept_sets_clear(struct kept_sets *sets, struct block_pool *pool);

#endif
