#ifndef PROXY_ADMIN_ROW_H
#define PROXY_ADMIN_ROW_H

#include <stdbool.h>

#include "protocol/bytes.h"
#include "proxy/admin_shows.h"

/*
 * Results of the console as messages: RowDescription and DataRow (PostgreSQL manual, "Message Formats"), each column as text or in the binary form of its type,
 * as the client asked. One cell after the other, in the order of the columns; a cell of another type than its column's is our own bug.
 */
enum { ADMIN_ROW_SIZE_MAX = 32 * 1024, ADMIN_CELL_SIZE_MAX = 1024, ADMIN_LONG_CELL_SIZE_MAX = 8192 }; /* longer texts are cut */

/* Which columns are binary, one bit each, the first the lowest. */
typedef uint64_t admin_formats;

struct admin_row {
    struct bytes_writer *writer;
    const struct show_column *columns;
    uint16_t count, next;
    admin_formats formats;
    size_t mark;
    int64_t wall_offset_us; /* what makes a monotonic time one since 1970 */
};

void admin_write_row_description(struct bytes_writer *writer, enum show_id id, admin_formats formats);
/* The same for a single text column. */
void admin_write_text_description(struct bytes_writer *writer, const char *column, bool is_binary);

/* The writer must have ADMIN_ROW_SIZE_MAX bytes left. */
void admin_row_begin(struct admin_row *row, struct bytes_writer *writer, enum show_id id, admin_formats formats, int64_t wall_offset_us);
void admin_row_text(struct admin_row *row, const char *text);      /* NULL: SQL NULL */
void admin_row_long_text(struct admin_row *row, const char *text); /* the same, cut at ADMIN_LONG_CELL_SIZE_MAX; two of a row at most */
void admin_row_real(struct admin_row *row, double number);
void admin_row_number(struct admin_row *row, int64_t number);     /* INT (kept within its range), BIG or NUMERIC */
void admin_row_time(struct admin_row *row, int64_t monotonic_us); /* 0: SQL NULL */
void admin_row_null(struct admin_row *row);
/* All cells were given: asserted. */
void admin_row_end(struct admin_row *row);

#endif
