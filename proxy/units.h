#ifndef PROXY_UNITS_H
#define PROXY_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/block_pool.h"
#include "proxy/kept_rows.h"
#include "proxy/parameter_set.h"
#include "proxy/row_proof.h"
#include "proxy/shapes.h"
#include "proxy/value_samples.h"
#include "proxy/verdicts.h"

/*
 * Units of work, and what ran in them: a group for each shape. Accounting only; when a unit begins and ends is detector.c's, what its counts mean verdicts.c's.
 *
 * A transaction of a client is a part of its unit: each group counts twice, for the unit and for the present transaction. What was reported of a transaction
 * is taken out of the unit (unit_take_out), so that no execution is reported twice, and what was not still counts in the unit.
 */
enum {
    UNIT_GROUPS_MAX = 64, /* further shapes are counted as overflow */
    UNIT_GROUPS_FEW = 32, /* more are not listed in the unit itself, but in a block of their own */
    UNIT_STATEMENTS_MAX = 10000,
    UNIT_ROUTE_MAX = 128,
    UNIT_TEXT_MAX = 64,
    UNIT_TABLES_MAX = 8
};
#define UNIT_AGE_MAX_US INT64_C(60000000)

struct unit_group {
    uint64_t shape; /* key */
    const struct scope *scope;
    uint64_t fingerprint;
    uint8_t class;
    uint8_t slot_count; /* tested ones */
    uint8_t varying;
    bool varies_elsewhere;
    bool is_told;   /* a line was logged while the unit went on */
    bool is_wished; /* those before it were asked for their rows */
    uint8_t roles[EXECUTION_SLOTS_TESTED];
    uint16_t numbers[EXECUTION_SLOTS_TESTED];
    uint64_t first_slots[EXECUTION_SLOTS_TESTED];
    uint64_t first_rest;
    struct parameter_set parameters;
    struct verdict_counts counts, in_transaction;
    uint32_t transaction; /* that in_transaction is of; 0: none */
    uint32_t last_ordinal;
    uint32_t run;
    uint64_t last_trip;
    int64_t last_sent_us;
    struct row_proof *proof;       /* NULL: nothing to compare with yet */
    struct value_samples *samples; /* NULL: none are kept */
};

struct unit {
    /* In the order of last activity. */
    struct unit *before, *after;
    struct unit *next_tagged; /* in its bucket, or in the list of free ones */
    uint64_t serial;          /* 0: not in use; never used again for another */
    uint64_t tag;             /* 0: of one client */
    void *owner;              /* the client of an untagged one */
    const struct scope *scope;
    uint64_t route_hash;
    char route[UNIT_ROUTE_MAX];
    char text[UNIT_TEXT_MAX];    /* of the tag */
    char address[UNIT_TEXT_MAX]; /* of its first client */
    uint8_t framework;           /* enum framework */
    bool has_sure_start, has_sure_end;
    bool has_latest_result;      /* rows of the last statement were kept */
    bool is_in_transaction;      /* its owner is: silence does not end it */
    bool is_ignored;             /* its route is: nothing is counted */
    int64_t started_us, last_us; /* last: sent, or answered */
    uint32_t statements;
    uint32_t transaction; /* the last one's number */
    uint32_t reported_transactions;
    uint32_t overflowed;      /* executions of shapes beyond UNIT_GROUPS_MAX */
    uint32_t writes;          /* counts up; the number of the latest write */
    uint32_t writes_anywhere; /* of the latest write to an unknown table */
    struct {
        uint64_t table;
        uint32_t writes;
    } tables[UNIT_TABLES_MAX];
    uint32_t table_count;
    struct kept_sets *kept;
    uint32_t group_count;
    uint8_t index[2 * UNIT_GROUPS_MAX]; /* of groups, + 1; 0 is free */
    struct unit_group **groups;         /* `few`, or room for UNIT_GROUPS_MAX */
    struct unit_group *few[UNIT_GROUPS_FEW];
};

struct units {
    struct block_pool *pool;
    struct unit *oldest, *newest;
    struct unit *free;
    uint64_t next_serial;
    uint32_t open;
    uint32_t sample_values; /* so many parameters of a group are kept as they are */
};

/* NULL: no memory left in the pool. */
struct unit *units_open(struct units *units, int64_t now_us);
/* Its memory goes back; flights that point to it see another serial. */
void units_close(struct units *units, struct unit *unit);
/* It is the newest in activity. */
void units_touch(struct units *units, struct unit *unit, int64_t now_us);

/* How an execution came about. */
struct unit_sending {
    uint64_t trip;        /* number of the wait of the client; the same for what goes out together */
    uint32_t transaction; /* 0: in none */
    int64_t now_us;
};

/* What became of it. */
struct unit_note {
    struct unit_group *group; /* NULL: not counted in one */
    uint8_t place;            /* of the group */
    bool starts_trip;         /* the first of its shape in this wait */
};

/* One execution of a shape. */
struct unit_note unit_note(struct units *units, struct unit *unit, const struct shape *shape, const struct execution *execution,
                           const struct unit_sending *sending);
/* One that is not material: it only separates runs. */
void unit_note_other(struct unit *unit);
/* One that is not to be looked at: what it writes has changed. */
void unit_note_ignored(struct unit *unit, const struct shape *shape);
void unit_group_done(struct unit_group *group, uint32_t transaction, uint64_t rows, int64_t db_us);
/* The answer to the wait is complete. `cost_us` is the pause before it and the answer; negative: not known. */
void unit_group_answered(struct unit_group *group, uint32_t transaction, int64_t cost_us, int64_t now_us);
/* For verdicts_of: of the unit, or of its transaction `transaction` (not 0). */
void unit_evidence(const struct unit *unit, const struct unit_group *group, uint32_t transaction, struct verdict_evidence *evidence_out);
void unit_take_out(struct unit_group *group);
/* How many requests this burst seems to be, for this group. */
uint32_t unit_repeats(const struct unit *unit, const struct unit_group *group);
/* The kept rows, made when they are first needed; NULL: no memory. */
struct kept_sets *unit_kept(struct units *units, struct unit *unit);
/* No value is kept any more, of any unit. */
void units_forget_values(struct units *units);
/* The hashes of an execution's tested slots. */
uint8_t unit_slots(const struct execution *execution, uint64_t slots_out[EXECUTION_SLOTS_TESTED]);

#endif
