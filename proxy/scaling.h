#ifndef PROXY_SCALING_H
#define PROXY_SCALING_H

#include "proxy/config.h"
#include "proxy/turnstile.h"

/*
 * What an autoscaler should know of a class: how much comes in, how much of it waits, and how many workers the budget can really use. More workers than
 * that only make the queue longer.
 *
 * Little's law: slots in use = arrivals a second * mean time of a lease. A worker holds a slot only while it is in a transaction; the part of its time in which it does
 * is known from those that are connected, so the slots that the class may use are enough for slots / part workers.
 */
enum { SCALING_WINDOW_S = 60, SCALING_CLASSES_MAX = 64 };

struct scaling { /* zero is empty */
    struct scaling_class {
        char name[64];
        uint64_t arrivals[SCALING_WINDOW_S + 1]; /* totals, one a second: a ring */
        uint32_t next, count;
    } classes[SCALING_CLASSES_MAX];
};

/* About once a second, with the turnstile as it is. A class that is new, or has another name than before at its place, begins anew. */
void scaling_read(struct scaling *scaling, const struct turnstile *turnstile);

struct scaling_rules { /* of the configuration; 0: not said */
    uint32_t workers_min, workers_max;
    uint32_t events_per_worker; /* leases that one worker makes in a second */
};
struct scaling_view {
    uint32_t clients; /* that are connected, and of the class; the caller's number */
    uint32_t backlog; /* clients that wait */
    double arrivals;  /* leases asked for, a second, over the last minute */
    int64_t mean_lease_us, p99_lease_us;
    double slots_needed;     /* by Little's law, without the backlog */
    uint32_t slots_usable;   /* what the class may hold now: its limit, and the budget without what is reserved for others */
    uint32_t workers_useful; /* more than these would only wait; 0: not known, nobody works */
    uint32_t workers;        /* the one number: what to scale to */
};
void scaling_view(const struct scaling *scaling, const struct turnstile *turnstile, uint32_t index, uint32_t budget, uint32_t clients,
                  const struct scaling_rules *rules, struct scaling_view *view_out);
/* The same by the configuration, for the clients that the turnstile knows. False: the class is configured no more, and is not scaled. */
bool scaling_of_class(const struct scaling *scaling, const struct turnstile *turnstile, const struct config *config, uint32_t index,
                      struct scaling_view *view_out);

#endif
