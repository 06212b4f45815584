/*
 * The work of the demonstration, in SQL. Not for threads, connections or statistics: demo.c.
 * Invariant: no statement's answer is believed; each carries or is compared with values that only the caller knows.
 */
#include "tests/demo/shop.h"

#include "tests/demo/samples.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(char error_out[SHOP_ERROR_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(char error_out[SHOP_ERROR_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error_out, SHOP_ERROR_SIZE, format, arguments);
    va_end(arguments);
    error_out[strcspn(error_out, "\n")] = '\0';
    return false;
}

/* Run one statement. NULL, with the error told, unless it ends as expected. The caller clears the result. */
static PGresult *run(PGconn *connection, ExecStatusType expected, char error_out[SHOP_ERROR_SIZE], const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static PGresult *run(PGconn *connection, ExecStatusType expected, char error_out[SHOP_ERROR_SIZE], const char *format, ...)
{
    char sql[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    PGresult *result = PQexec(connection, sql);
    if (PQresultStatus(result) == expected) return result;
    fail(error_out, "%s", PQerrorMessage(connection));
    PQclear(result);
    return NULL;
}

static bool run_command(PGconn *connection, const char *sql, char error_out[SHOP_ERROR_SIZE])
{
    PGresult *result = run(connection, PGRES_COMMAND_OK, error_out, "%s", sql);
    PQclear(result);
    return result != NULL;
}

bool shop_create(PGconn *connection, const char *owner, char error_out[SHOP_ERROR_SIZE])
{
    PGresult *result = run(connection, PGRES_COMMAND_OK, error_out,
                           "CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL, stock bigint NOT NULL);"
                           "CREATE TABLE customer_order (id bigserial PRIMARY KEY, token text NOT NULL, shipped_by text);"
                           "CREATE TABLE item (order_id bigint REFERENCES customer_order, product_id int REFERENCES product,"
                           " quantity int NOT NULL);"
                           "CREATE INDEX ON item (order_id);"
                           "CREATE INDEX ON customer_order (id) WHERE shipped_by IS NULL;"
                           "INSERT INTO product SELECT n, 'product ' || n, %d FROM generate_series(1, %d) n;"
                           "GRANT ALL ON ALL TABLES IN SCHEMA public TO \"%s\";"
                           "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO \"%s\"",
                           SHOP_STOCK, SHOP_PRODUCTS, owner, owner);
    PQclear(result);
    return result != NULL;
}

static bool look_at_product(PGconn *connection, int product, char error_out[SHOP_ERROR_SIZE])
{
    char id[20];
    char name[40];
    snprintf(id, sizeof id, "%d", product);
    snprintf(name, sizeof name, "product %d", product);
    const char *values[] = {id};
    PGresult *result = PQexecParams(connection, "SELECT name, stock > 0 FROM product WHERE id = $1", 1, NULL, values, NULL, NULL, 0);
    bool is_right = false;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fail(error_out, "%s", PQerrorMessage(connection));
    } else if (PQntuples(result) != 1 || strcmp(PQgetvalue(result, 0, 0), name) != 0) {
        fail(error_out, "WRONG ANSWER: asked for \"%s\", got \"%s\"", name, PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "nothing");
    } else {
        is_right = true;
    }
    PQclear(result);
    return is_right;
}

/* The order, its items, and the stock. Products are taken in ascending order, so that no two orders wait in a circle. */
static bool insert_order(PGconn *connection, const char *token, int first_product, int item_count, char order_id_out[24],
                         char error_out[SHOP_ERROR_SIZE])
{
    PGresult *result = run(connection, PGRES_TUPLES_OK, error_out, "INSERT INTO customer_order (token) VALUES ('%s') RETURNING id", token);
    if (result == NULL) return false;
    snprintf(order_id_out, 24, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    for (int item = 0; item < item_count; item++) {
        result = run(connection, PGRES_COMMAND_OK, error_out,
                     "WITH taken AS (UPDATE product SET stock = stock - %d WHERE id = %d RETURNING id)"
                     " INSERT INTO item SELECT %s, id, %d FROM taken",
                     item + 1, first_product + item, order_id_out, item + 1);
        if (result == NULL) return false;
        PQclear(result);
    }
    return true;
}

static bool read_back(PGconn *connection, const char *order_id, const char *token, int item_count, char error_out[SHOP_ERROR_SIZE])
{
    PGresult *result =
        run(connection, PGRES_TUPLES_OK, error_out,
            "SELECT o.token, count(*) FROM customer_order o JOIN item i ON i.order_id = o.id WHERE o.id = %s GROUP BY 1", order_id);
    if (result == NULL) return false;
    bool is_right = PQntuples(result) == 1 && strcmp(PQgetvalue(result, 0, 0), token) == 0 && atoi(PQgetvalue(result, 0, 1)) == item_count;
    if (!is_right) fail(error_out, "WRONG ANSWER: order %s is not the one that was placed", order_id);
    PQclear(result);
    return is_right;
}

bool shop_place_order(PGconn *connection, unsigned *random, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE])
{
    int item_count = 1 + rand_r(random) % 3;
    int first_product = 1 + rand_r(random) % (SHOP_PRODUCTS - item_count);
    char token[40];
    char order_id[24];
    snprintf(token, sizeof token, "%08x%08x", (unsigned)rand_r(random), (unsigned)rand_r(random));

    int64_t started_us = now_us();
    if (!run_command(connection, "BEGIN", error_out) || !look_at_product(connection, first_product, error_out)) return false;
    visit_out->first_answer_us = now_us() - started_us;
    if (!insert_order(connection, token, first_product, item_count, order_id, error_out)) return false;
    if (!read_back(connection, order_id, token, item_count, error_out)) return false;
    if (!run_command(connection, "COMMIT", error_out)) return false;
    visit_out->total_us = now_us() - started_us;
    return true;
}

bool shop_look(PGconn *connection, unsigned *random, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE])
{
    int64_t started_us = now_us();
    if (!look_at_product(connection, 1 + rand_r(random) % SHOP_PRODUCTS, error_out)) return false;
    visit_out->first_answer_us = now_us() - started_us;
    visit_out->total_us = visit_out->first_answer_us;
    return true;
}

static bool list_items(PGconn *connection, const char *order_id, char error_out[SHOP_ERROR_SIZE])
{
    PGresult *items = run(connection, PGRES_TUPLES_OK, error_out, "SELECT product_id, quantity FROM item WHERE order_id = %s", order_id);
    if (items == NULL) return false;
    int count = PQntuples(items);
    PQclear(items);
    if (count == 0) return fail(error_out, "WRONG ANSWER: order %s is empty", order_id);
    PGresult *sold_out = run(connection, PGRES_TUPLES_OK, error_out, "SELECT count(*) FROM product WHERE stock = 0");
    if (sold_out == NULL) return false;
    bool is_right = strcmp(PQgetvalue(sold_out, 0, 0), "0") == 0;
    PQclear(sold_out);
    return is_right || fail(error_out, "WRONG ANSWER: nothing can be sold out");
}

bool shop_list_orders(PGconn *connection, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE])
{
    int64_t started_us = now_us();
    PGresult *orders =
        run(connection, PGRES_TUPLES_OK, error_out, "SELECT id, token FROM customer_order ORDER BY id DESC LIMIT %d", SHOP_LISTED);
    if (orders == NULL) return false;
    visit_out->first_answer_us = now_us() - started_us;
    bool is_right = true;
    for (int row = 0; is_right && row < PQntuples(orders); row++) is_right = list_items(connection, PQgetvalue(orders, row, 0), error_out);
    PQclear(orders);
    visit_out->total_us = now_us() - started_us;
    return is_right;
}

bool shop_ship_orders(PGconn *connection, int work_ms, struct shop_visit *visit_out, char error_out[SHOP_ERROR_SIZE])
{
    char worker[40];
    snprintf(worker, sizeof worker, "%llx", (unsigned long long)(uintptr_t)connection);

    int64_t started_us = now_us();
    if (!run_command(connection, "BEGIN", error_out)) return false;
    PGresult *result = run(connection, PGRES_TUPLES_OK, error_out,
                           "UPDATE customer_order SET shipped_by = '%s' WHERE id IN (SELECT id FROM customer_order WHERE shipped_by IS NULL"
                           " ORDER BY id LIMIT 5 FOR UPDATE SKIP LOCKED) RETURNING shipped_by",
                           worker);
    if (result == NULL) return false;
    visit_out->first_answer_us = now_us() - started_us;
    bool is_right = true;
    for (int row = 0; row < PQntuples(result); row++) is_right = is_right && strcmp(PQgetvalue(result, row, 0), worker) == 0;
    PQclear(result);
    if (!is_right) return fail(error_out, "WRONG ANSWER: rows of another worker");

    result = run(connection, PGRES_TUPLES_OK, error_out, "SELECT '%s', pg_sleep(%d / 1000.0)", worker, work_ms);
    if (result == NULL) return false;
    is_right = strcmp(PQgetvalue(result, 0, 0), worker) == 0;
    PQclear(result);
    if (!is_right) return fail(error_out, "WRONG ANSWER: the answer of another worker");
    if (!run_command(connection, "COMMIT", error_out)) return false;
    visit_out->total_us = now_us() - started_us;
    return true;
}

bool shop_audit(PGconn *connection, uint64_t orders_placed, char error_out[SHOP_ERROR_SIZE])
{
    PGresult *result = run(connection, PGRES_TUPLES_OK, error_out,
                           "SELECT (SELECT count(*) FROM customer_order), (SELECT coalesce(sum(quantity), 0) FROM item),"
                           " (SELECT sum(%d - stock) FROM product)",
                           SHOP_STOCK);
    if (result == NULL) return false;
    unsigned long long orders = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    bool is_balanced = strcmp(PQgetvalue(result, 0, 1), PQgetvalue(result, 0, 2)) == 0;
    PQclear(result);
    if (orders != orders_placed) {
        return fail(error_out, "%llu orders in the database, %llu were placed", orders, (unsigned long long)orders_placed);
    }
    return is_balanced || fail(error_out, "the stock does not agree with the orders");
}
