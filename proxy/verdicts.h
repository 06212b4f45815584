#ifndef PROXY_VERDICTS_H
#define PROXY_VERDICTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/execution.h"

/*
 * What the repeats of one shape in one unit of work amount to. Pure: evidence in, verdicts out. What cannot be known is not said: a finding is `proven` when rows
 * or the unit's certain edges show it, `likely` when only the parameters speak for it, `candidate` when even the unit's edges are a guess.
 */
enum verdict {
#define X(name, word, title, text) name,
#include "proxy/verdicts.def"
#undef X
    VERDICT_COUNT
};
enum confidence { CONFIDENCE_CANDIDATE, CONFIDENCE_LIKELY, CONFIDENCE_PROVEN };
enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };
/* What joins a child's slot to its parent's column. SELF: its own former results. */
enum link { LINK_NONE, LINK_TO_ONE, LINK_TO_MANY, LINK_SELF };
/* How sure the edges of a unit are. */
enum unit_kind {
    UNIT_BURST,       /* one client between two pauses: may hold several requests, or a part of one */
    UNIT_SESSION,     /* one client from its login to its end, or between two checkout marks */
    UNIT_TRANSACTION, /* */
    UNIT_TAG          /* one trace or request id */
};

const char *verdict_word(enum verdict verdict);
const char *verdict_title(enum verdict verdict); /* "N+1": for people */
const char *verdict_text(enum verdict verdict);  /* a sentence for people */
int verdict_find(const char *word);              /* -1: none */
const char *confidence_word(enum confidence confidence);
int confidence_find(const char *word);
const char *severity_word(enum severity severity);
const char *link_word(enum link link); /* "" for none */
int link_find(const char *word);
const char *unit_kind_word(enum unit_kind kind);

/* The settings. */
struct verdict_thresholds {
    uint32_t n_plus_one_min;        /* distinct parameters */
    uint32_t n_plus_one_min_proven; /* the same, when rows prove it */
    uint32_t duplicates_min;        /* executions with the same parameters */
    uint32_t loop_min;              /* writes; polls */
    uint32_t critical_n;
    int64_t critical_lost_us;
};

struct verdict_counts {
    uint32_t n;            /* executions */
    uint32_t distinct;     /* parameters, an upper bound when there were very many */
    uint32_t duplicates;   /* executions whose parameters were seen before, nothing written since */
    uint32_t rereads;      /* the same, something written since */
    uint32_t most;         /* the largest number of executions with one and the same parameters and no write in between */
    uint32_t most_rereads; /* the same, each but the first after a write */
    uint32_t round_trips;  /* waits of the client in which this shape had a part */
    uint32_t longest_run;  /* executions with no other statement in between */
    uint32_t rows_max;     /* of one execution */
    uint64_t rows;
    uint64_t list_values;      /* sum of list lengths */
    int64_t db_us;             /* from sent to completed, summed */
    int64_t first_us, last_us; /* first one sent, last ReadyForQuery */
    int64_t max_gap_us;        /* between two executions */
    int64_t min_gap_us;
    int64_t min_cost_us; /* least of (pause before a request + its answer); INT64_MAX: none measured */
    uint32_t unknown;    /* executions whose parameters are not known */
};

/* Which column of which result feeds which slot. */
struct verdict_feed {
    enum link link;   /* NONE: no column does, or it is not shown well enough */
    bool is_last_row; /* SELF: always the last row of the result before */
    uint8_t slot;
    uint64_t shape;              /* key of the parent */
    struct result_column column; /* the label lives as long as the unit */
    uint32_t rows;
    float cover, inorder, used;
};

struct verdict_evidence {
    enum shape_class class;
    struct verdict_counts counts;
    uint8_t varying;       /* bit k: slot k had different values */
    bool varies_elsewhere; /* slots behind the tested ones */
    enum slot_role roles[EXECUTION_SLOTS_TESTED];
    uint8_t slot_count; /* at most EXECUTION_SLOTS_TESTED */
    struct verdict_feed feed;
};

struct verdict_unit {
    enum unit_kind kind;
    /* How many requests a unit with unsure edges seems to hold: how often its first statement's shape came again. 1 or more. */
    uint32_t repeats;
    bool is_alone; /* no other shape in the unit */
};

struct verdict_finding {
    enum verdict verdict;
    enum confidence confidence;
    enum severity severity;
    int64_t lost_us; /* a floor on the time that the repeats took */
};

enum { VERDICTS_MAX = 4 };

/* How many were written to `findings_out`. */
size_t verdicts_of(const struct verdict_evidence *evidence, const struct verdict_unit *unit, const struct verdict_thresholds *thresholds,
                   struct verdict_finding findings_out[VERDICTS_MAX]);

#endif
