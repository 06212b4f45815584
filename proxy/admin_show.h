#ifndef PROXY_ADMIN_SHOW_H
#define PROXY_ADMIN_SHOW_H

#include "proxy/admin_row.h"
#include "proxy/pool.h"

/*
 * The rows of each SHOW, a few at a time: a cursor stays right while clients, servers and pools come and go between two calls. Rows are read from the
 * state as it is when each is made; nothing is changed.
 */
struct admin_view {
    struct commons *commons;
    struct pools *pools;
};

struct show_cursor { /* private, and the row functions' */
    const struct admin_view *view;
    enum show_id id;
    admin_formats formats;
    int64_t wall_offset_us;
    struct config *config; /* the snapshot it began with */
    uint64_t step;         /* how many rows were made of what is no list */
    uint64_t found;        /* what a first pass has counted */
    struct client_cursor clients;
    bool is_past_clients;
    struct pool *pool;  /* the one it is at; none is freed meanwhile */
    uint64_t server_id; /* the last one of it that was met */
    struct database *database;
    const char *user;
    int64_t since_us; /* only what was seen in so much time; 0: ever */
    struct text_table *report;
    struct shape_rows *shapes;
};

void admin_show_begin(struct show_cursor *cursor, const struct admin_view *view, enum show_id id, admin_formats formats);
/* Of those that take SINCE. */
void admin_show_since(struct show_cursor *cursor, uint64_t seconds);
void admin_show_end(struct show_cursor *cursor); /* harmless when zeroed, or twice */

enum show_step { SHOW_ROW, SHOW_SKIPPED, SHOW_END };
/*
 * ROW: a DataRow was written; the writer must have had ADMIN_ROW_SIZE_MAX bytes left. SKIPPED: some work was done and no row made; call again.
 */
enum show_step admin_show_next(struct show_cursor *cursor, struct bytes_writer *writer);

/* ---- for the files that make rows ---- */
typedef enum show_step show_rows(struct show_cursor *cursor, struct bytes_writer *writer);
#define SHOW(id, name, rows, role, text) show_rows rows;
#define COLUMN(name, type, text)
#include "proxy/admin_shows.def"
#undef SHOW
#undef COLUMN

void show_begin_row(struct show_cursor *cursor, struct admin_row *row, struct bytes_writer *writer);
/* NULL: all were met. */
struct pool *show_next_pool(struct show_cursor *cursor);
struct server *show_next_server(struct show_cursor *cursor);
struct database *show_next_database(struct show_cursor *cursor);
void show_forget_reports(struct show_cursor *cursor);
/* Whole seconds, and the microseconds beyond. */
void show_seconds(struct admin_row *row, int64_t us);

#endif
