#ifndef PROTOCOL_SQL_TEMPLATE_H
#define PROTOCOL_SQL_TEMPLATE_H

#include "protocol/sql_fingerprint_result.h"

/*
 * A statement's text with holes where its literals are. A text that fills the holes differently, and is the same in all other bytes, is the same
 * statement with other values: the same hash, class and attributes, the same literals but for their places. So it need not be read token by token.
 *
 * Integers and decimals of plain digits are holes, and '..' in one piece where a backslash is a byte like others. All other short literals (E'..', 0x1f, true)
 * are as fixed as what is between them. A long list (SQL_LITERAL_LIST) of what sql_plain_list() knows is one hole, for any other long one.
 */
enum sql_hole_kind { SQL_HOLE_INTEGER, SQL_HOLE_DECIMAL, SQL_HOLE_STRING, SQL_HOLE_LIST, SQL_HOLE_ARRAY, SQL_HOLE_ROWS };

struct sql_hole {
    uint32_t start, end; /* in the text of the template */
    uint16_t literal;    /* which one of the fingerprint's it is */
    uint8_t kind;        /* enum sql_hole_kind */
};

struct sql_template {
    const char *text; /* borrowed */
    size_t size;
    const struct sql_hole *holes; /* borrowed */
    uint32_t hole_count;
};

/* Where a text has what fills a hole. */
struct sql_filling {
    uint32_t start, size;
    uint32_t length; /* elements of a list, or rows; 0: it is none */
};

/*
 * The holes of a text, from its fingerprint: of the whole text, which is one statement, with at most SQL_LITERALS_MAX literals and none of the forms that
 * name another one. Returns how many.
 */
uint32_t sql_template_holes(const char *text, size_t size, enum sql_strings strings, const struct sql_fingerprint *fingerprint,
                            struct sql_hole holes_out[SQL_LITERALS_MAX]);

/* All that a template needs of its text: `out` gets it without what is in the holes, which then are where that was. Returns its size. */
size_t sql_template_pack(const char *text, size_t size, struct sql_hole *holes, uint32_t hole_count, char *out);

/* Whether the text is the template with other fillings; one for each hole is written, in part also when it is not. */
bool sql_template_match(const struct sql_template *template, const char *text, size_t size,
                        struct sql_filling fillings_out[SQL_LITERALS_MAX]);

/*
 * A hash of the bytes in front of all holes, of a bounded number of them: texts that match a template have its hash, but for those where a list within these bytes
 * begins with something else than a digit or a quote.
 */
uint64_t sql_template_hash(const char *text, size_t size);

#endif
