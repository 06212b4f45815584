#ifndef PROXY_ROW_PROOF_H
#define PROXY_ROW_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/kept_rows.h"
#include "proxy/verdicts.h"

/*
 * Were the parameters of a repeated statement taken from a column of an earlier result? Each slot that varies is held against each column that is kept: cover is
 * the share of executions whose value is in the column, inorder the share found at a row not before the last one found so, used the share of the column's
 * different values that were asked for. Two columns may do it together (who made it, who changed it). A zeroed struct has seen nothing.
 */
enum { ROW_PROOF_FEEDS = 8 };

struct row_feed {
    uint64_t serial; /* of the set */
    uint64_t value;  /* the last one found */
    uint8_t slot, column;
    uint8_t other; /* a second column of the same rows, which feeds the slot in turn with the first; the same one: there is none */
    bool is_self;
    uint32_t tests, hits, in_order;
    uint32_t close;  /* of those in order: in one of the next rows, or the first one with this value */
    uint32_t untold; /* executions behind the last row that was kept of a longer result: nothing can be said of them */
    uint32_t latest; /* SELF: hits in the latest result; last: in its last row */
    uint32_t last;
    uint32_t used;
    uint32_t first_row, row; /* where the walk began and where it is */
};

struct row_proof {
    struct row_feed feeds[ROW_PROOF_FEEDS];
    uint8_t count;
    uint32_t results; /* of the sets, when feeds were last looked for */
};

/* One execution of the repeated statement. */
struct row_proof_test {
    uint64_t shape;
    const uint64_t *slots;       /* hashes of its first slots */
    const uint64_t *first_slots; /* those of the first execution; NULL: they were looked at already */
    uint8_t slot_count;
    uint8_t varying; /* bit k: slot k is to be tested */
    bool is_new;     /* its parameters were not seen before */
};

void row_proof_test(struct row_proof *proof, struct kept_sets *sets, const struct row_proof_test *test);
/* Whether a walk that was seen so far would ask for this next. */
bool row_proof_expects(const struct row_proof *proof, struct kept_sets *sets, const uint64_t *slots, uint8_t slot_count);
/* The same when no walk was seen yet: `first` are the slots of the first execution, which asked for the first row of a result; NULL: this is the first one. */
bool row_proof_begins(struct kept_sets *sets, const uint64_t *first, const uint64_t *slots, uint8_t slot_count);
/*
 * The column that feeds the statement best, if one does: cover and inorder at least 0.8, three values at least. `rows_max` of one execution tells to-one from
 * to-many. False: there is none, `feed_out` is LINK_NONE.
 */
bool row_proof_best(const struct row_proof *proof, struct kept_sets *sets, uint32_t executions, uint32_t rows_max,
                    struct verdict_feed *feed_out);
void row_proof_reset(struct row_proof *proof);

#endif
