#ifndef PROXY_FINDINGS_H
#define PROXY_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "proxy/suggestions.h"
#include "proxy/value_samples.h"
#include "proxy/verdicts.h"

/*
 * What the report is made of: findings of single units, added up, one row for each (database, user, route, shape, verdict). Times are wall-clock microseconds
 * since 1970, given by the caller. Bounded; the one that was not seen for longest makes room. Belongs to one thread.
 *
 * Each row has a ring of time buckets, a tenth of `window_us` long (1 s at least), so that a report may be about the last so many minutes, and so that one window
 * can be compared with the one before it.
 */
enum {
    FINDINGS_MAX = 1000,
    FINDING_ROUTES_MAX = 2000,
    FINDING_BUCKETS = 128,
    FINDING_SAMPLES = 64,
    FINDING_ROUTE_MAX = 128,
    FINDING_NAME_MAX = 64,
    FINDING_ADDRESS_MAX = 64
};

struct finding_parent {
    char *shape; /* canonical text; NULL: there is no parent */
    uint32_t table_oid;
    int16_t attnum;
    char label[FINDING_NAME_MAX]; /* of the column in the result */
    char table[FINDING_NAME_MAX]; /* "" until findings_resolve */
    char column[FINDING_NAME_MAX];
    uint8_t slot; /* from 0; the canonical text has $(slot + 1) */
    uint32_t rows;
    float cover, inorder, used;
    enum link link;
};

/* One unit in which something was found. Texts are copied. */
struct observation {
    const char *database, *user, *route;
    const char *shape; /* canonical text */
    uint64_t fingerprint;
    enum verdict verdict;
    enum confidence confidence;
    enum severity severity;
    enum unit_kind unit_kind;
    enum framework framework;
    struct verdict_counts counts;
    int64_t lost_us;
    uint32_t unit_statements; /* all statements of the unit */
    bool is_lower_bound;      /* the unit goes on: to be logged, not to be counted */
    struct verdict_feed feed;
    int varying_slot;                   /* the only one that varies, from 0; -1: none, or several */
    const char *parent_shape;           /* canonical text; NULL with feed.link NONE */
    const char *address;                /* of the client */
    const char *unit_text;              /* trace or request id; "" */
    const struct value_samples *values; /* NULL: none */
};

struct finding_totals {
    uint64_t units;
    uint64_t n, distinct, duplicates, round_trips, rows;
    uint64_t statements; /* of the units */
    int64_t lost_us, db_us, wall_us;
    uint32_t n_max;
};

void finding_totals_add(struct finding_totals *to, const struct finding_totals *from);

struct finding_bucket {
    int64_t number; /* wall-clock time divided by the length of a bucket */
    struct finding_totals totals;
};
struct finding_sample {
    int64_t bucket;
    uint32_t n;
};

struct finding {
    char id[17];
    uint64_t key;
    char *database, *user, *route, *shape;
    uint64_t fingerprint;
    enum verdict verdict;
    enum confidence confidence; /* the best so far */
    enum severity severity;     /* the worst so far */
    enum unit_kind unit_kind;   /* of the sample */
    enum framework framework;
    int varying_slot;
    struct finding_parent parent;
    int64_t first_seen_us, last_seen_us;
    struct finding_totals totals;
    /* One unit, for whoever wants to look for it elsewhere. */
    int64_t sample_us;
    char sample_address[FINDING_ADDRESS_MAX];
    char sample_unit[FINDING_ADDRESS_MAX];
    struct finding_totals sample;
    struct value_samples *sample_values; /* of that unit; NULL: none are kept. Never written to a file */
    /* The rest is of findings.c. */
    uint64_t route_key;
    uint64_t route_units_when_seen;
    int64_t logged_us, logged_live_us;
    uint64_t suppressed;
    struct finding_bucket *buckets;
    struct finding_sample samples[FINDING_SAMPLES];
    uint32_t next_sample;
    UT_hash_handle hh;
};

/* How many units of work a route had: what the units of a finding are a part of. */
struct finding_route_bucket {
    int64_t number;
    uint32_t units;
};
struct finding_route {
    uint64_t key;
    char *database, *user, *route;
    uint64_t units;
    int64_t last_us;
    struct finding_route_bucket buckets[FINDING_BUCKETS];
    UT_hash_handle hh;
};

/* What is to be logged about an observation. */
struct finding_notice {
    const struct finding *finding;
    bool is_wanted;      /* false: the same was logged a moment ago */
    uint64_t suppressed; /* so many were not logged since */
};

struct findings;

struct findings *findings_new(int64_t window_us, int64_t cooldown_us);
/* Empty, for the same window. */
struct findings *findings_new_alike(const struct findings *findings);
void findings_free(struct findings **findings);
/* Also after a reload. When the window changes, the buckets begin anew. */
void findings_configure(struct findings *findings, int64_t window_us, int64_t cooldown_us);
/* A unit of work has ended, with or without findings; behind its observations. */
void findings_count_unit(struct findings *findings, const char *database, const char *user, const char *route, int64_t now_us);
struct finding_notice findings_observe(struct findings *findings, const struct observation *observation, int64_t now_us);
size_t findings_count(const struct findings *findings);
uint64_t findings_evicted(const struct findings *findings);
const struct finding *findings_find(const struct findings *findings, const char *id); /* NULL: none */
/* A parent's column whose names are not known yet; NULL: there is none. `rotation` is the caller's, 0 at first: it spreads the asking. */
const struct finding *findings_next_unresolved(const struct findings *findings, size_t *rotation);
/* The names of a column, for all findings of this database that have it as parent. */
void findings_resolve(struct findings *findings, const char *database, uint32_t table_oid, int16_t attnum, const char *table,
                      const char *column);
/* No parameter's value is kept any more. */
void findings_forget_values(struct findings *findings);
void findings_clear(struct findings *findings);

/*
 * For finding_views.c, findings_state.c and findings_merge.c: the next one, NULL at first and at the end; the route of one, which need not be of these findings, NULL: not
 * known.
 */
const struct finding *findings_next(const struct findings *findings, const struct finding *finding);
const struct finding_route *findings_next_route(const struct findings *findings, const struct finding_route *route);
int64_t findings_window_us(const struct findings *findings);
int64_t findings_bucket_us(const struct findings *findings);
const struct finding_route *findings_route_of(const struct findings *findings, const struct finding *finding);
void finding_forget_values(struct finding *finding);
/* One that was there before a restart, by its texts, to be filled by the caller. */
struct finding *findings_restore(struct findings *findings, const struct observation *observation);
struct finding_route *findings_restore_route(struct findings *findings, const char *database, const char *user, const char *route);

#endif
