#ifndef PROXY_TURNSTILE_H
#define PROXY_TURNSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/turnstile_classes.h"
#include "proxy/turnstile_need.h"
#include "proxy/turnstile_queue.h"
#include "proxy/turnstile_slots.h"

/*
 * The arbiter over the budget: which waiting client gets a server next, when a server is opened, and which idle one makes room.
 * Pure accounting: it never sees a socket. The caller reports events and then carries out the orders of turnstile_next() until there are none.
 *
 * A slot is the right of one server connection to exist. It is taken when a login begins (order OPEN) and given back when PostgreSQL has really
 * closed the connection (turnstile_closed). The budget bounds the slots over all pools.
 *
 *        OPEN order            opened               acquire / GRANT order
 *   (none) -------> opening -----------> idle <----------------------------> leased
 *      ^               | failed           |  release                           |
 *      |               v                  | EVICT order, close_idle            | close_leased
 *      +----------- closing <-------------+------------------------------------+
 *         closed
 *
 * How many leases a class may take, and which class comes first, says turnstile_classes.h; whose turn it is within a class, turnstile_queue.h. In short:
 * waiters of one class, key and pool are served first come, first served, and a newcomer never overtakes one; keys take turns; classes by leases
 * and slot-time per weight, those below their reserve first. Between pools of one class the oldest waiter (of the key whose turn it is) comes first.
 *
 * Nobody waits for a server of its pool that it may have while one is idle. Where a waiter's pool has none idle, and the budget has no free slot, one moves: an
 * idle server of another pool is closed (EVICT) and one opened in its stead (OPEN); turnstile_need.h says when that is fair.
 */
struct turnstile;
struct turnstile *turnstile_new(uint32_t budget, uint32_t logins_max); /* both at least 1; one class, "default", without limits */
void turnstile_free(struct turnstile **turnstile);                     /* nobody may hold a key, wait or lease any more */
/*
 * To be called after a change of a pool's or group's limits as well. When fewer servers are allowed than exist, idle ones are EVICTed, and leased
 * ones as soon as they are released. A budget of 0 lets nobody through until it is raised.
 */
void turnstile_set_budget(struct turnstile *turnstile, uint32_t budget, uint32_t logins_max);
/*
 * Replace the classes; index 0 to count - 1 from now on. `count` is at least 1, names differ. A class of the same name goes on with its leases, waiters,
 * keys and measurements under the new rules. One that is missing goes on for those that have its keys, without reserve, until the last
 * is put. Reserves may exceed the budget (a reload of both comes in two steps): then those who come first have theirs.
 */
void turnstile_set_classes(struct turnstile *turnstile, const struct turnstile_class_rules *rules, uint32_t count, int64_t now_us);
void turnstile_add_pool(struct turnstile *turnstile, struct turnstile_pool *pool);
void turnstile_remove_pool(struct turnstile *turnstile, struct turnstile_pool *pool); /* asserts that it holds no slot and no waiter */

/*
 * The class at this index, and the key within it: who a client is to the turnstile. `text` is the value of what the class is shared by, cut at TURNSTILE_KEY_MAX bytes; size 0 where it
 * is not shared. Each get needs a put; a key is worth keeping for as long as its client stays in the class. Costs a look into a hash, and an allocation
 * when nobody else has the key.
 */
struct turnstile_key *turnstile_key_get(struct turnstile *turnstile, uint32_t class_index, const char *text, size_t size);
void turnstile_key_put(struct turnstile *turnstile, struct turnstile_key **key); /* accepts NULL; clears the caller's pointer */

/*
 * The fast path: an idle server of this pool, and nobody whom it would overtake: it is leased now (idle -> leased), and `lease` (zero before) describes it
 * until turnstile_release or turnstile_close_leased. False: nothing changed; turnstile_wait.
 */
bool turnstile_try(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_key *key, int64_t now_us,
                   struct turnstile_lease *lease);
/* False: refused, the queue of its class is full (queue_limit); it does not wait. */
bool turnstile_wait(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_key *key, struct turnstile_waiter *waiter,
                    int64_t now_us);
/*
 * A held pool gets nothing and its waiters keep their places: until it is let go, none of them is granted a server and none is opened. What it has is the
 * caller's to close.
 */
void turnstile_hold(struct turnstile *turnstile, struct turnstile_pool *pool, bool is_held);
void turnstile_leave(struct turnstile *turnstile, struct turnstile_waiter *waiter); /* harmless when not waiting */
/*
 * 1 for the one of its class that has waited longest at its pool. O(n) in those before it; but what was counted is kept, so that the positions of all, in whatever order
 * they are asked for, take O(n) together while nobody leaves.
 */
uint32_t turnstile_position(struct turnstile_waiter *waiter);

void turnstile_release(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_lease *lease,
                       int64_t now_us);                                          /* leased -> idle */
void turnstile_opened(struct turnstile *turnstile, struct turnstile_pool *pool); /* opening -> idle */
/* opening -> closing: the login failed; retry_at_us is the caller's. */
void turnstile_open_failed(struct turnstile *turnstile, struct turnstile_pool *pool, int64_t retry_at_us);
void turnstile_close_idle(struct turnstile *turnstile, struct turnstile_pool *pool); /* idle -> closing, on the caller's decision */
void turnstile_close_leased(struct turnstile *turnstile, struct turnstile_pool *pool, struct turnstile_lease *lease,
                            int64_t now_us);                                     /* leased -> closing */
void turnstile_closed(struct turnstile *turnstile, struct turnstile_pool *pool); /* closing -> no slot */

enum turnstile_order_kind {
    TURNSTILE_GRANT, /* `waiter` was taken off the queue; an idle server of `pool` is its (idle -> leased already counted): turnstile_accept */
    TURNSTILE_OPEN, /* start a login for `pool` (counted as opening already) */
    TURNSTILE_EVICT /* close the longest idle server of `pool` (counted as closing already) */
};
struct turnstile_order {
    enum turnstile_order_kind kind;
    struct turnstile_pool *pool;
    struct turnstile_waiter *waiter; /* GRANT */
    struct turnstile_key *key;       /* GRANT: the waiter's */
};
/*
 * The next thing to do; false when there is nothing. O(1) when nobody waits and no pool is below its minimum or above its limit. Otherwise linear in the
 * classes that wait, and O(log n) in waiters and keys; pools cost time only when they have idle servers, or have waiters and could do with a login
 * that they cannot have (their limits, a failed login, no fair share of another's).
 * OPEN only while opening < logins_max, the budget has a slot, the pool and its groups are under their limits and past retry_at_us, and the pool
 * has more waiters that may be served than logins under way (or is below its minimum, and no waiter can use the slot).
 */
bool turnstile_next(struct turnstile *turnstile, int64_t now_us, struct turnstile_order *order_out);
/* After a GRANT, before anything else: `lease` (zero before) is that of the server that the waiter was given. */
void turnstile_accept(struct turnstile *turnstile, const struct turnstile_order *order, struct turnstile_lease *lease, int64_t now_us);
/*
 * When turnstile_next could have something to do by the passing of time alone (a retry_at_us, a server that has been idle for long enough, a waiter that has
 * waited for reserve_after_us): later than now_us. INT64_MAX: never. To be asked, and a timer set for it, whenever turnstile_next has answered false.
 */
int64_t turnstile_next_time(struct turnstile *turnstile, int64_t now_us);

/* ---- to look at ---- */

uint32_t turnstile_slots(const struct turnstile *turnstile);   /* in use, closing ones included */
uint32_t turnstile_waiting(const struct turnstile *turnstile); /* over all pools */
uint32_t turnstile_leased(const struct turnstile *turnstile);
/* The configured ones come first, in their order, then those that were removed and still have somebody. */
uint32_t turnstile_class_count(const struct turnstile *turnstile);
const struct turnstile_class *turnstile_class_at(const struct turnstile *turnstile, uint32_t index);
uint64_t turnstile_class_slot_us(const struct turnstile_class *class, int64_t now_us); /* slot-time received, leases that run included */
int64_t turnstile_class_longest_wait_us(const struct turnstile_class *class,
                                        int64_t now_us); /* of those who wait; 0: nobody. O(n) in keys that wait */

#endif
