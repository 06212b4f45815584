#ifndef PROXY_BIND_VALUES_H
#define PROXY_BIND_VALUES_H

#include "proxy/statement_slots.h"
#include "proxy/value_text.h"

/* The parameters of a Bind message, as hashes; and where they are. No value is kept. */
enum { BIND_VALUES_MAX = SQL_LITERALS_MAX };
enum bind_format { BIND_FORMAT_TEXT, BIND_FORMAT_BINARY, BIND_FORMAT_MIXED };

struct bind_values {
    struct statement_parameter items[BIND_VALUES_MAX];
    uint16_t count;
    bool is_whole; /* all of them are in `items` */
    enum bind_format results;
};

/* `data`: what follows the two names in the body. `types`: oids, as far as they are known; 0: not. False: it is malformed, or not all of it is here. */
bool bind_values_read(struct bind_values *values, const uint8_t *data, size_t size, const uint32_t *types, size_t type_count,
                      const struct sql_value_key *key);
/* Where they are in `data`, as far as it can be read and BIND_VALUES_MAX go: how many there are. */
uint16_t bind_values_list(const uint8_t *data, size_t size, const uint32_t *types, size_t type_count,
                          struct value_bytes values_out[BIND_VALUES_MAX]);

#endif
