#ifndef PROXY_EXECUTION_H
#define PROXY_EXECUTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One run of a statement, as the search for duplicate queries sees it: plain values that whoever reads the SQL fills in. No literal
 * value is in it, only keyed hashes: the same value has the same hash wherever it comes from (text, binary, an inlined literal, a column of a result).
 */
enum {
    EXECUTION_SLOTS_TESTED = 8, /* so many slots of a statement are looked at one by one; further ones count for equality only */
    EXECUTION_TABLES_MAX = 4
};

/* What a shape's statements are. Only reads and the two kinds of writes are counted in groups. */
enum shape_class {
    SHAPE_OTHER,
    SHAPE_READ,
    SHAPE_INSERT,
    SHAPE_WRITE, /* UPDATE, DELETE, MERGE */
    SHAPE_BEGIN  /* opens a transaction block */
};

/* What a placeholder of the canonical text stands for. */
enum slot_role {
    SLOT_VALUE,
    SLOT_EQUAL, /* col = $k */
    SLOT_RANGE, /* col < $k and the like: what keyset paging moves */
    SLOT_LIST,  /* in (...), = any ($k): the hash is of all its values; of the value itself when it is only one */
    SLOT_LIMIT,
    SLOT_OFFSET
};

struct execution_slot {
    uint64_t hash;   /* keyed; NULL has one too */
    uint16_t number; /* the k of its $k in the canonical text; 0: it has none, as lists have */
    uint8_t role;    /* enum slot_role */
};

/* What a comment in the statement says about the request. Hash 0 or NULL: not said. */
struct execution_tags {
    uint64_t unit;         /* hash of the trace, request or correlation id: the same in all statements of one request */
    const char *unit_text; /* that id, for the report's sample */
    size_t unit_text_size; /* 0: none */
    const char *route;     /* route, endpoint_id, controller#action or job, in this order */
    size_t route_size;     /* 0: none */
    const char *framework; /* framework=, NULL: none */
    size_t framework_size;
};

struct execution {
    uint64_t shape; /* the fingerprint; not 0 */
    const struct execution_slot *slots;
    uint16_t slot_count;
    uint32_t list_length;              /* values of an IN list, elements of an = ANY array, rows of VALUES; 0: has none, or unknown */
    bool has_unknown_parameters;       /* the scan was cut, say: nothing is said about equality */
    bool opens_cursor;                 /* its rows come with FETCH */
    const struct execution_tags *tags; /* NULL: none */
    const char *values;                /* the parameters as a line (value_text.h), where they are sampled; else NULL */
};

/* What is told once about a shape. */
struct shape_description {
    const char *text; /* canonical; copied */
    size_t text_size;
    enum shape_class class;
    /* Sent where a connection pool checks a connection: outside a transaction it separates two units of work. Empty query, SELECT 1, DISCARD ALL, RESET ALL, ROLLBACK ... */
    bool is_checkout_mark;
    /* DEALLOCATE: a driver's own, behind each statement of some. It does not count. */
    bool is_housekeeping;
    bool is_fetch, is_close; /* of a cursor */
    /* Hashes of the names of tables that are read (SHAPE_READ) or written. None: every write may have changed what this reads. */
    uint64_t tables[EXECUTION_TABLES_MAX];
    uint8_t table_count;
};

/* A column of a result that is being looked at. */
struct result_column {
    uint32_t table_oid; /* 0: no plain column */
    int16_t attnum;
    const char *label; /* as RowDescription has it; copied */
};

#endif
