#ifndef PROXY_TAP_STATE_H
#define PROXY_TAP_STATE_H

#include "proxy/named_shapes.h"
#include "proxy/owed.h"
#include "proxy/shown_values.h"
#include "proxy/statement_templates.h"
#include "proxy/tap_journal.h"

/*
 * What the files of the tap share: tap.c (life, the journal), tap_sent.c (messages of clients), tap_received.c (replies).
 *
 * Invariant: `owed` holds, in order, what the server has yet to answer of what was told to the detector; when that cannot be known any more, is_lost is set, and
 * nothing is told until nothing is owed.
 */
struct taps {
    struct detector *detector;
    struct tap_journal journal;
    struct tap_record alone; /* of a message that is more than the journal holds */
    bool looks_at_rows;      /* analysis = full */
    struct sql_value_key key;
    struct parsed_shapes *parsed;
    struct statement_templates *templates;
    /* Scratch; holds nothing between two messages. */
    struct sql_fingerprint fingerprint;
    struct statement_slots slots;
    struct statement_source sources[SQL_LITERALS_MAX];
    struct statement_tags_reader tags;
    struct bind_values values;
    struct result_columns columns;
    struct execution_slot execution_slots[STATEMENT_SLOTS_MAX];
    char canonical[SHAPE_TEXT_MAX];
    struct value_text shown; /* the parameters of the execution under way, where they are wanted */
    /* Those of the Bind that came last of all; the client that it is of may have to do without them when another's came in between. */
    struct value_text bound_shown;
    const struct tap *bound_shown_of;
    struct pending *free_pending; /* as many as clients were owed something at once */
};

/* The portal that was bound last. */
struct bound {
    uint64_t name; /* its hash */
    struct parsed_shape *shape;
    bool has_tags;
    struct statement_tags *tags; /* made when first needed */
    enum bind_format results;
    bool are_parameters_known;
    uint16_t parameter_count, capacity;
    struct statement_parameter *parameters;
};

enum rows { ROWS_NOT_ASKED, ROWS_UNWANTED, ROWS_WANTED };

/* What a client needs only until it is at rest, so that the many that rest do without. It keeps its memory from client to client. */
struct pending {
    struct pending *next_free;
    struct owed_list owed;
    struct bound bound;
    struct result_columns *columns; /* made when first needed */
};

struct tap {
    struct taps *taps;
    struct detector_client *client;
    struct pending *pending; /* NULL: at rest, as far as the journal was read. While a message is read there is one */
    struct named_shapes names;
    struct statement_tags_memory *tag_memory;
    uint64_t template_hint;
    uint32_t unread; /* bytes of its in the journal */
    bool is_lost;
    bool is_skipping; /* an error was seen, its Sync was not sent yet */
    uint8_t rows;     /* enum rows, of the oldest execution that is not completed */
};

/* `record` is of an event of that kind, `body` what belongs to it. */
void tap_sent_read(struct tap *tap, const struct tap_record *record, const uint8_t *body);
void tap_received_read(struct tap *tap, const struct tap_record *record, const uint8_t *body);
void tap_sent_unbind(struct tap *tap); /* what was bound last is forgotten */
void tap_received_rest(struct tap *tap);
const char *tap_received_running(struct tap *tap); /* as tap_running */

#endif
