#ifndef PROXY_TURNSTILE_NEED_H
#define PROXY_TURNSTILE_NEED_H

#include "proxy/turnstile_slots.h"

/*
 * What a pool's waiters could use, and which other pool gives an idle server up for them. Nothing is changed here. All of it is as of the last ranking of the
 * classes (turnstile_classes_rank).
 *
 * An idle server costs a login when it moves, so that is not done for each lease:
 *   - A server that its own pool's waiters leave over moves at once to a pool that has none, or that after the move would hold no more per weight than the
 *     other (the weight of the class that waits, and of the class that leased there last); or at once for a class below its reserve, if the class that
 *     leased there last is not below its own. To any other pool it moves when it has been idle for TURNSTILE_SETTLE_US, so that a busy
 *     pool does not take, and give back, the servers of one that is between two leases.
 *   - A server that its own pool's waiters want moves to a pool whose waiter comes before them, when that pool has no server at all; within a class, when
 *     that pool would not hold more than the other after the move; between classes, when the one is below its reserve, would not hold more leases per
 *     weight than the other, or is TURNSTILE_MOVE_LAG_US of slot-time behind it.
 * So pools that compete for the budget settle on their parts without closing a connection for every lease; until then, and only then, a waiter
 * that comes first is passed over.
 *
 * A pool that is not known to work (no server of it is up, or its last login failed) gets one login at a time: logins that hang must not
 * use up everybody's.
 */
enum { TURNSTILE_SETTLE_US = 100000, TURNSTILE_MOVE_LAG_US = 1000000 };

/*
 * How many of the pool's waiters their classes and keys could have served now; nothing above `enough` matters. Of those classes only that have a place up
 * to this one (UINT32_MAX: whatever their place).
 */
uint32_t turnstile_need_of(const struct turnstile_pool *pool, uint32_t place, uint32_t enough);
/* Since when somebody waits who could be served; now_us: nobody does. */
int64_t turnstile_need_since(const struct turnstile_pool *pool, int64_t now_us);
/* How many servers should be opening or promised for the waiters of this pool; it does not matter how many more than there are now. */
uint32_t turnstile_need_openings(const struct turnstile_slots *slots, const struct turnstile_pool *pool, uint32_t place, int64_t now_us);
/* How many of `missing` servers may be in the making at once, by the pool's own limits. */
uint32_t turnstile_need_allowed(const struct turnstile_slots *slots, const struct turnstile_pool *pool, uint32_t missing, int64_t now_us);

/*
 * Which pool gives an idle server up for the first waiter of this desk, in whose favour everybody in front has been served as far as possible? First one that
 * its own waiters leave over, the longest idle; else one of the pool that holds most. NULL: none. The slot counts in the group of this number, or in all that are full.
 */
struct turnstile_pool *turnstile_need_victim(const struct turnstile_slots *slots, const struct turnstile_desk *desk, int in_group,
                                             int64_t now_us);
/*
 * Both groups of the desk's pool are full, and nobody in both has a server to give up. If in each there is one, the first of the two goes; then it is the other's
 * turn.
 */
struct turnstile_pool *turnstile_need_first_of_two(const struct turnstile_slots *slots, const struct turnstile_desk *desk, int64_t now_us);

#endif
