#ifndef PROXY_ADMIN_SHOWS_H
#define PROXY_ADMIN_SHOWS_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/console_access.h"

/* admin_shows.def as a table: each SHOW of the console with its columns, their types and their documentation. */
enum show_id {
#define SHOW(id, name, rows, role, text) id,
#define COLUMN(name, type, text)
#include "proxy/admin_shows.def"
#undef SHOW
#undef COLUMN
    SHOW_COUNT
};

enum column_type { COLUMN_TEXT, COLUMN_INT, COLUMN_BIG, COLUMN_NUMERIC, COLUMN_REAL, COLUMN_TIME, COLUMN_BYTES };

struct show_column {
    const char *name;
    enum column_type type;
    const char *text;
};
struct show {
    enum show_id id;
    const char *name;
    enum console_role role; /* the least that may see it */
    const char *text;
};
enum { SHOW_COLUMNS_MAX = 64 };

const struct show *admin_show_of(enum show_id id);
const struct show *admin_show_find(const char *name); /* in any case; NULL: there is none */
const struct show_column *admin_show_columns(enum show_id id, uint16_t *count_out);
/* PostgreSQL's type, and its size as RowDescription has it (-1: it varies). */
uint32_t column_type_oid(enum column_type type);
int16_t column_type_size(enum column_type type);

#endif
