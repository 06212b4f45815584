#ifndef TESTS_SIM_ENGINE_H
#define TESTS_SIM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/histogram.h"
#include "proxy/turnstile.h"

/*
 * A simulation of clients that share a budget of servers, on a clock of its own: what the turnstile makes of a load, and what other rules would. It is
 * deterministic: the same load under another rule has the same clients, who want the same.
 */
enum { SIM_KINDS = 4, SIM_SAMPLES = 1200, SIM_MILLISECOND = 1000, SIM_SECOND = 1000000 };

enum sim_rule {
    SIM_FIFO,      /* one queue, first come, first served: one pool of PgBouncer */
    SIM_PRIORITY,  /* the kind that is listed first comes first, whatever it has had */
    SIM_FIXED,     /* each kind has so many servers of its own: pools of fixed sizes */
    SIM_SLOT_TIME, /* the kind that has had least slot-time so far comes first */
    SIM_TURNSTILE  /* ours */
};
extern const char *const sim_rule_names[];

/* A kind of clients: they lease, think, and lease again. */
struct sim_kind {
    const char *name;
    uint32_t clients;
    int64_t lease_us, think_us; /* on average: each time from half to one and a half of it */
    int64_t from_us, until_us;  /* when they ask: spread evenly over ... */
    int64_t within_us;          /* ... so long at the start */
    bool asks_once;
    int64_t rests_from_us, rests_until_us; /* meanwhile none of them asks */
    uint32_t fixed;                        /* SIM_FIXED */
    struct turnstile_class_rules rules;    /* SIM_TURNSTILE; without a name it is of the class of the kind before */
    const char *key;                       /* its share within its class; NULL: "" */
    uint32_t pool;                         /* 0 or 1: which database or user they are */
};

struct sim_load {
    uint32_t budget;
    int64_t login_us, close_us; /* how long a server login, and a logout, takes: SIM_TURNSTILE with two pools */
    int64_t end_us;
    uint32_t kind_count;
    struct sim_kind kinds[SIM_KINDS];
};

struct sim_sample {
    uint32_t leased[SIM_KINDS], waiting[SIM_KINDS];
};

struct sim_result {
    enum sim_rule rule;
    struct histogram wait_us[SIM_KINDS]; /* of everything: from the request to the lease; those still waiting at the end included */
    uint64_t leases[SIM_KINDS];
    double slot_seconds[SIM_KINDS];
    uint32_t most_leased[SIM_KINDS];
    int64_t last_us[SIM_KINDS];             /* when its last lease ended */
    uint32_t moves;                         /* servers closed to make room for another pool's */
    struct sim_sample samples[SIM_SAMPLES]; /* evenly over the time */
};

/* `result_out` is the caller's, and large. */
void sim_run(const struct sim_load *load, enum sim_rule rule, struct sim_result *result_out);

#endif
