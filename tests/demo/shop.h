#ifndef TESTS_DEMO_SHOP_H
#define TESTS_DEMO_SHOP_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* A small shop: products with a stock, orders with items. Every transaction checks what it reads; shop_audit checks the whole. */

enum { SHOP_PRODUCTS = 500, SHOP_STOCK = 1000000, SHOP_LISTED = 15, SHOP_ERROR_SIZE = 300 };

/* Make the tables, owned by `owner`. */
bool shop_create(PGconn *connection, const char *owner, char error_out[SHOP_ERROR_SIZE]);

/* What one transaction did, for the caller's statistics. */
struct shop_visit {
    int64_t first_answer_us; /* from sending the first statement to its answer: what a queue adds to */
    int64_t total_us;
};

/*
 * A customer's page: looks at products, orders some, reads the order back and compares. `random` is the caller's state for rand_r.
 * False: an error, or an answer that is not ours; `error_out` says which.
 */
bool shop_place_order(PGconn *connection, unsigned *random, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE]);
/* A single SELECT outside a transaction block, with a value that only this caller knows. */
bool shop_look(PGconn *connection, unsigned *random, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE]);
/* The page of the latest orders, as it should not be written: a statement for the items of each, and one that is the same each time. */
bool shop_list_orders(PGconn *connection, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE]);
/* A job of a worker: takes a few orders that are not shipped, thinks for `work_ms` in the database, marks them as shipped. */
bool shop_ship_orders(PGconn *connection, int work_ms, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE]);

/* As many orders as were placed, and as many pieces gone from the stock as the orders hold. */
bool shop_audit(PGconn *connection, uint64_t orders_placed, char error_out[SHOP_ERROR_SIZE]);

#endif
