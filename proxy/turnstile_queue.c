/*
 * Queues. Not for: who may have a lease at all, servers.
 *
 * Invariants: a lane's `servable` is the least of its waiters and what share_limit leaves its key; a desk's, and a class's, are the sums. A lane's node may
 * hold an earlier turn than its key has by now, never a later one: it is put right when it comes first.
 */
#include "proxy/turnstile_queue.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <utlist.h>

#include "proxy/memory.h"

static struct turnstile_lane *lane_of(struct sorted_node *node)
{
    return node ? (struct turnstile_lane *)((char *)node - offsetof(struct turnstile_lane, node)) : NULL;
}

static struct turnstile_desk *desk_of(struct sorted_node *node)
{
    return node ? (struct turnstile_desk *)((char *)node - offsetof(struct turnstile_desk, node)) : NULL;
}

/* ---- desks ---- */

static struct turnstile_desk *find_desk(struct turnstile_desk **desks, struct turnstile_pool *pool, struct turnstile_class *class)
{
    struct turnstile_desk *desk;
    DL_FOREACH2(*desks, desk, next_of_pool) {
        if (desk->class == class) return desk;
    }
    desk = memory_zalloc(sizeof *desk);
    desk->desks = desks;
    desk->pool = pool;
    desk->class = class;
    desk->plain.desk = desk;
    desk->plain.key = class->plain;
    DL_APPEND2(*desks, desk, previous_of_pool, next_of_pool);
    DL_APPEND2(class->desks, desk, previous_of_class, next_of_class);
    return desk;
}

static void drop_desk(struct turnstile_desk *desk)
{
    assert(desk->waiting == 0 && !desk->is_in_line);
    DL_DELETE2(*desk->desks, desk, previous_of_pool, next_of_pool);
    DL_DELETE2(desk->class->desks, desk, previous_of_class, next_of_class);
    free(desk);
}

void turnstile_queue_drop_pool(struct turnstile_desk **desks)
{
    while (*desks) drop_desk(*desks);
}

void turnstile_queue_drop_class(struct turnstile_class *class)
{
    while (class->desks) drop_desk(class->desks);
}

static struct turnstile_lane *first_lane(struct turnstile_desk *desk)
{
    for (;;) {
        struct turnstile_lane *lane = lane_of(sorted_set_first(&desk->lanes));
        if (!lane || lane->node.major == lane->key->turn) return lane;
        sorted_set_remove(&desk->lanes, &lane->node);
        sorted_set_add(&desk->lanes, &lane->node, lane->key->turn, 0);
    }
}

struct turnstile_waiter *turnstile_queue_first(struct turnstile_desk *desk)
{
    struct turnstile_lane *lane = first_lane(desk);
    return lane ? lane->first : NULL;
}

static void find_older(const struct turnstile_key *key, const struct turnstile_waiter **oldest)
{
    for (const struct turnstile_lane *lane = key->lanes; lane; lane = lane->next)
        if (!*oldest || lane->first->ticket < (*oldest)->ticket) *oldest = lane->first;
}

const struct turnstile_waiter *turnstile_queue_oldest(const struct turnstile_class *class)
{
    const struct turnstile_waiter *oldest = NULL;
    if (class->waiting == 0) return NULL;
    find_older(class->plain, &oldest);
    for (const struct turnstile_key *key = class->keys; key; key = key->hh.next) find_older(key, &oldest);
    return oldest;
}

bool turnstile_queue_place(struct turnstile_desk *desk)
{
    struct turnstile_lane *lane = first_lane(desk);
    struct sorted_set *line = &desk->class->line;
    if (!lane && !desk->is_in_line) return true;
    if (lane && desk->is_in_line && desk->node.major == lane->key->turn && desk->node.minor == lane->first->ticket) return true;
    if (desk->is_in_line) sorted_set_remove(line, &desk->node);
    if (lane) sorted_set_add(line, &desk->node, lane->key->turn, lane->first->ticket);
    desk->is_in_line = lane != NULL;
    return false;
}

struct turnstile_desk *turnstile_queue_first_desk(const struct turnstile_class *class)
{
    return desk_of(sorted_set_first(&class->line));
}

struct turnstile_desk *turnstile_queue_next_desk(const struct turnstile_desk *desk)
{
    return desk_of(sorted_set_next(&desk->node));
}

bool turnstile_queue_is_before(const struct turnstile_desk *a, const struct turnstile_desk *b)
{
    return a->node.major != b->node.major ? a->node.major < b->node.major : a->node.minor < b->node.minor;
}

/* ---- lanes ---- */

static struct turnstile_lane *open_lane(struct turnstile_queue *queue, struct turnstile_desk *desk, struct turnstile_key *key)
{
    struct turnstile_lane *lane = &desk->plain;
    if (key != desk->class->plain) {
        DL_FOREACH(key->lanes, lane) {
            if (lane->desk == desk) return lane;
        }
        lane = queue->spare_lanes;
        if (lane)
            queue->spare_lanes = lane->next;
        else
            lane = memory_alloc(sizeof *lane);
        *lane = (struct turnstile_lane){.desk = desk, .key = key};
    }
    if (lane->waiting == 0) DL_APPEND2(key->lanes, lane, previous, next);
    return lane;
}

/* The last waiter has left it. */
static void close_lane(struct turnstile_queue *queue, struct turnstile_lane *lane)
{
    DL_DELETE2(lane->key->lanes, lane, previous, next);
    if (lane == &lane->desk->plain) return;
    lane->next = queue->spare_lanes;
    queue->spare_lanes = lane;
}

/* Its waiters, or the leases of its key, have changed. */
static void update_lane(struct turnstile_lane *lane)
{
    const struct turnstile_key *key = lane->key;
    struct turnstile_desk *desk = lane->desk;
    uint32_t limit = desk->class->rules.share_limit, servable = lane->waiting;
    if (limit > 0) {
        uint32_t left = limit > key->leased ? limit - key->leased : 0;
        if (servable > left) servable = left;
    }
    if (servable == 0 && lane->servable > 0) sorted_set_remove(&desk->lanes, &lane->node);
    if (servable > 0 && lane->servable == 0) sorted_set_add(&desk->lanes, &lane->node, key->turn, 0);
    desk->servable = desk->servable - lane->servable + servable;
    desk->class->servable = desk->class->servable - lane->servable + servable;
    lane->servable = servable;
    turnstile_queue_place(desk);
}

void turnstile_queue_key_changed(struct turnstile_key *key)
{
    struct turnstile_lane *lane;
    DL_FOREACH(key->lanes, lane) update_lane(lane);
}

/* ---- waiters ---- */

void turnstile_queue_enter(struct turnstile_queue *queue, struct turnstile_desk **desks, struct turnstile_key *key,
                           struct turnstile_waiter *waiter)
{
    struct turnstile_class *class = key->class;
    struct turnstile_desk *desk = find_desk(desks, waiter->pool, class);
    struct turnstile_lane *lane = open_lane(queue, desk, key);
    waiter->lane = lane;
    waiter->ticket = ++queue->last_ticket;
    waiter->position = 0;
    DL_APPEND2(lane->first, waiter, previous, next);
    lane->waiting++;
    desk->waiting++;
    class->waiting++;
    key->references++;
    if (key->waiting++ == 0) {
        class->waiting_keys++;
        key->turn = ++class->turns;
    }
    update_lane(lane);
}

struct turnstile_key *turnstile_queue_leave(struct turnstile_queue *queue, struct turnstile_waiter *waiter)
{
    struct turnstile_lane *lane = waiter->lane;
    struct turnstile_key *key = lane->key;
    DL_DELETE2(lane->first, waiter, previous, next);
    lane->waiting--;
    lane->desk->waiting--;
    lane->desk->departures++;
    key->class->waiting--;
    if (--key->waiting == 0) key->class->waiting_keys--;
    update_lane(lane);
    if (lane->waiting == 0) close_lane(queue, lane);
    waiter->next = waiter->previous = NULL;
    waiter->lane = NULL;
    return key;
}

void turnstile_queue_take_turn(const struct turnstile_waiter *waiter)
{
    struct turnstile_key *key = waiter->lane->key;
    if (key->class->waiting_keys > 1) key->turn = ++key->class->turns;
}

void turnstile_queue_fini(struct turnstile_queue *queue)
{
    while (queue->spare_lanes) {
        struct turnstile_lane *lane = queue->spare_lanes;
        queue->spare_lanes = lane->next;
        free(lane);
    }
}
