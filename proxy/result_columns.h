#ifndef PROXY_RESULT_COLUMNS_H
#define PROXY_RESULT_COLUMNS_H

#include "protocol/sql_value_hash.h"
#include "proxy/bind_values.h"
#include "proxy/detector.h"

/*
 * Which columns of a result are worth comparing with later parameters, and the hashes of a row's values. From RowDescription, or without one by guessing from
 * the row's own sizes.
 */
enum { RESULT_LABEL_SIZE = 64 };
struct result_columns {
    uint16_t count;
    bool has_formats; /* of a portal; a statement's description has none */
    struct {
        uint16_t field; /* from 0 */
        bool is_binary;
        uint32_t type;
        uint32_t table_oid;
        int16_t attnum;
        char label[RESULT_LABEL_SIZE];
    } items[DETECTOR_COLUMNS_MAX];
};

/* The body of a RowDescription; at most DETECTOR_COLUMNS_MAX comparable columns, the first ones, and integers and uuids before texts. False: malformed. */
bool result_columns_read(struct result_columns *columns, const uint8_t *body, size_t size);
/* Of the first row of a result that nobody described: the body of its DataRow. */
void result_columns_guess(struct result_columns *columns, const uint8_t *body, size_t size);
/* For detector_columns; the labels stay here. */
void result_columns_list(const struct result_columns *columns, struct result_column list_out[DETECTOR_COLUMNS_MAX]);
/* The hashes of a DataRow's values, one for each column; 0 for NULL. False: malformed. */
bool result_columns_hash(const struct result_columns *columns, enum bind_format format, const uint8_t *body, size_t size,
                         const struct sql_value_key *key, uint64_t hashes_out[DETECTOR_COLUMNS_MAX]);

#endif
