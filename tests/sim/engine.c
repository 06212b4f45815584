/*
 * The engine: events in order of time, and a rule that says who is next. The other rules are as simple as they can be: a slot of any kind serves any client
 * at once. Under the turnstile the servers belong to pools, and logins take time.
 */
#include "tests/sim/engine.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

const char *const sim_rule_names[] = {"first come, first served", "priority", "fixed pools", "least slot-time", "turnstile"};

enum { POOLS = 2, SERVERS_MAX = 256 };

struct client {
    struct turnstile_waiter waiter;
    struct turnstile_lease lease;
    struct turnstile_key *key;
    struct client *next; /* in the queue of its kind, under the other rules */
    uint32_t kind;
    int64_t asked_us;
    uint64_t random;
    bool is_leasing;
};

enum event_kind { CLIENT_DUE, SERVER_OPENED, SERVER_CLOSED };
struct event {
    int64_t time_us;
    uint64_t number; /* order among those of one time */
    enum event_kind kind;
    uint32_t index; /* of the client, or of the pool */
};

struct queue {
    struct client *first, **end;
};

struct sim {
    const struct sim_load *load;
    struct sim_result *result;
    struct client *clients;
    uint32_t client_count;
    struct event *events; /* a heap */
    uint32_t event_count, event_capacity;
    uint64_t last_number;
    int64_t now_us, counted_us;
    uint32_t leased[SIM_KINDS], waiting[SIM_KINDS];
    struct queue queues[SIM_KINDS];
    struct turnstile *turnstile;
    struct turnstile_pool pools[POOLS];
    int64_t idle_since_us[POOLS][SERVERS_MAX]; /* of the idle servers, the longest idle first */
};

/* ---- events ---- */

static bool is_earlier(const struct event *a, const struct event *b)
{
    return a->time_us != b->time_us ? a->time_us < b->time_us : a->number < b->number;
}

static void add_event(struct sim *sim, int64_t time_us, enum event_kind kind, uint32_t index)
{
    if (sim->event_count == sim->event_capacity) {
        sim->event_capacity = sim->event_capacity ? sim->event_capacity * 2 : 1024;
        sim->events = memory_realloc(sim->events, sim->event_capacity * sizeof *sim->events);
    }
    struct event event = {time_us, ++sim->last_number, kind, index};
    uint32_t at = sim->event_count++;
    for (; at > 0 && is_earlier(&event, &sim->events[(at - 1) / 2]); at = (at - 1) / 2) sim->events[at] = sim->events[(at - 1) / 2];
    sim->events[at] = event;
}

static struct event take_event(struct sim *sim)
{
    struct event first = sim->events[0], last = sim->events[--sim->event_count];
    uint32_t at = 0;
    for (uint32_t child; (child = 2 * at + 1) < sim->event_count; at = child) {
        if (child + 1 < sim->event_count && is_earlier(&sim->events[child + 1], &sim->events[child])) child++;
        if (!is_earlier(&sim->events[child], &last)) break;
        sim->events[at] = sim->events[child];
    }
    sim->events[at] = last;
    return first;
}

/* From half to one and a half of it; each client draws its own numbers, so that all rules meet the same load. */
static int64_t about(struct client *client, int64_t time_us)
{
    client->random = client->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return time_us / 2 + (int64_t)((double)time_us * (double)(client->random >> 40) / (double)(1 << 24));
}

/* ---- leases ---- */

static const struct sim_kind *kind_of(const struct sim *sim, const struct client *client)
{
    return &sim->load->kinds[client->kind];
}

static void begin_lease(struct sim *sim, struct client *client)
{
    uint32_t kind = client->kind;
    client->is_leasing = true;
    sim->leased[kind]++;
    sim->result->leases[kind]++;
    if (sim->leased[kind] > sim->result->most_leased[kind]) sim->result->most_leased[kind] = sim->leased[kind];
    histogram_add(&sim->result->wait_us[kind], (uint64_t)(sim->now_us - client->asked_us), sim->now_us);
    add_event(sim, sim->now_us + about(client, kind_of(sim, client)->lease_us), CLIENT_DUE, (uint32_t)(client - sim->clients));
}

/* ---- the other rules ---- */

static uint32_t leased_in_all(const struct sim *sim)
{
    uint32_t leased = 0;
    for (uint32_t i = 0; i < sim->load->kind_count; i++) leased += sim->leased[i];
    return leased;
}

static bool comes_before(const struct sim *sim, uint32_t a, uint32_t b)
{
    switch (sim->result->rule) {
    case SIM_FIFO: return sim->queues[a].first->asked_us < sim->queues[b].first->asked_us;
    case SIM_SLOT_TIME: return sim->result->slot_seconds[a] < sim->result->slot_seconds[b];
    case SIM_PRIORITY:
    case SIM_FIXED:
    case SIM_TURNSTILE: break;
    }
    return a < b;
}

static void serve(struct sim *sim)
{
    for (;;) {
        uint32_t found = SIM_KINDS;
        if (leased_in_all(sim) >= sim->load->budget) return;
        for (uint32_t i = 0; i < sim->load->kind_count; i++) {
            if (!sim->queues[i].first || (sim->result->rule == SIM_FIXED && sim->leased[i] >= sim->load->kinds[i].fixed)) continue;
            if (found == SIM_KINDS || comes_before(sim, i, found)) found = i;
        }
        if (found == SIM_KINDS) return;
        struct queue *queue = &sim->queues[found];
        struct client *client = queue->first;
        queue->first = client->next;
        if (!queue->first) queue->end = &queue->first;
        sim->waiting[found]--;
        begin_lease(sim, client);
    }
}

/* ---- ours ---- */

static void start_turnstile(struct sim *sim)
{
    const struct sim_load *load = sim->load;
    assert(load->budget <= SERVERS_MAX);
    struct turnstile_class_rules rules[SIM_KINDS];
    uint32_t count = 0, class_of[SIM_KINDS];
    sim->turnstile = turnstile_new(load->budget, 8);
    for (uint32_t i = 0; i < load->kind_count; i++) {
        if (load->kinds[i].rules.name) rules[count++] = load->kinds[i].rules;
        class_of[i] = count - 1;
    }
    turnstile_set_classes(sim->turnstile, rules, count, 0);
    for (uint32_t i = 0; i < POOLS; i++) turnstile_add_pool(sim->turnstile, &sim->pools[i]);
    for (uint32_t i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        const char *key = kind_of(sim, client)->key ? kind_of(sim, client)->key : "";
        client->key = turnstile_key_get(sim->turnstile, class_of[client->kind], key, strlen(key));
    }
}

static struct turnstile_pool *pool_of(struct sim *sim, const struct client *client)
{
    return &sim->pools[kind_of(sim, client)->pool];
}

/* The pool has one idle server more: before the turnstile hears of it. */
static void add_idle(struct sim *sim, struct turnstile_pool *pool)
{
    int64_t *since_us = sim->idle_since_us[pool - sim->pools];
    since_us[pool->idle] = sim->now_us;
    pool->idle_since_us = since_us[0];
}

/* The longest idle one is gone; else it is the last used that goes. */
static void evict_idle(struct sim *sim, struct turnstile_pool *pool)
{
    int64_t *since_us = sim->idle_since_us[pool - sim->pools];
    memmove(since_us, since_us + 1, pool->idle * sizeof *since_us);
    pool->idle_since_us = since_us[0];
}

static void carry_out_orders(struct sim *sim)
{
    for (struct turnstile_order order; turnstile_next(sim->turnstile, sim->now_us, &order);) {
        uint32_t pool = (uint32_t)(order.pool - sim->pools);
        switch (order.kind) {
        case TURNSTILE_GRANT: {
            struct client *client = (struct client *)(void *)((char *)order.waiter - offsetof(struct client, waiter));
            turnstile_accept(sim->turnstile, &order, &client->lease, sim->now_us);
            sim->waiting[client->kind]--;
            begin_lease(sim, client);
            break;
        }
        case TURNSTILE_OPEN: add_event(sim, sim->now_us + sim->load->login_us, SERVER_OPENED, pool); break;
        case TURNSTILE_EVICT:
            sim->result->moves++;
            evict_idle(sim, order.pool);
            add_event(sim, sim->now_us + sim->load->close_us, SERVER_CLOSED, pool);
            break;
        }
    }
}

static void stop_turnstile(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        turnstile_leave(sim->turnstile, &client->waiter);
        if (client->is_leasing) turnstile_release(sim->turnstile, pool_of(sim, client), &client->lease, sim->now_us);
        turnstile_key_put(sim->turnstile, &client->key);
    }
    turnstile_free(&sim->turnstile);
}

/* ---- clients ---- */

static void ask(struct sim *sim, struct client *client)
{
    client->asked_us = sim->now_us;
    if (sim->turnstile) {
        if (turnstile_try(sim->turnstile, pool_of(sim, client), client->key, sim->now_us, &client->lease)) {
            begin_lease(sim, client);
            return;
        }
        bool waits = turnstile_wait(sim->turnstile, pool_of(sim, client), client->key, &client->waiter, sim->now_us);
        assert(waits); /* no load has a queue limit */
    } else {
        struct queue *queue = &sim->queues[client->kind];
        client->next = NULL;
        *queue->end = client;
        queue->end = &client->next;
    }
    sim->waiting[client->kind]++;
}

static void client_due(struct sim *sim, struct client *client)
{
    const struct sim_kind *kind = kind_of(sim, client);
    uint32_t index = (uint32_t)(client - sim->clients);
    if (!client->is_leasing) {
        if (sim->now_us >= kind->rests_from_us && sim->now_us < kind->rests_until_us)
            add_event(sim, kind->rests_until_us + about(client, kind->think_us), CLIENT_DUE, index);
        else if (kind->until_us == 0 || sim->now_us < kind->until_us)
            ask(sim, client);
        return;
    }
    client->is_leasing = false;
    sim->leased[client->kind]--;
    sim->result->last_us[client->kind] = sim->now_us;
    if (sim->turnstile) {
        struct turnstile_pool *pool = pool_of(sim, client);
        add_idle(sim, pool);
        turnstile_release(sim->turnstile, pool, &client->lease, sim->now_us);
    }
    if (!kind->asks_once) add_event(sim, sim->now_us + about(client, kind->think_us), CLIENT_DUE, index);
}

static void make_clients(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->load->kind_count; i++) sim->client_count += sim->load->kinds[i].clients;
    sim->clients = memory_zalloc(sim->client_count * sizeof *sim->clients);
    uint32_t at = 0;
    for (uint32_t i = 0; i < sim->load->kind_count; i++) {
        const struct sim_kind *kind = &sim->load->kinds[i];
        for (uint32_t j = 0; j < kind->clients; j++, at++) {
            sim->clients[at] = (struct client){.kind = i, .random = at + 1};
            add_event(sim, kind->from_us + kind->within_us * j / kind->clients, CLIENT_DUE, at);
        }
    }
}

/* Up to now: slot-time, and the samples that fall into it. */
static void count_time(struct sim *sim, int64_t until_us)
{
    const struct sim_load *load = sim->load;
    for (int64_t i = sim->counted_us * SIM_SAMPLES / load->end_us; i < until_us * SIM_SAMPLES / load->end_us; i++) {
        memcpy(sim->result->samples[i].leased, sim->leased, sizeof sim->leased);
        memcpy(sim->result->samples[i].waiting, sim->waiting, sizeof sim->waiting);
    }
    for (uint32_t i = 0; i < load->kind_count; i++)
        sim->result->slot_seconds[i] += (double)(until_us - sim->counted_us) * sim->leased[i] / SIM_SECOND;
    sim->counted_us = until_us;
}

static void count_those_who_wait(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->client_count; i++) {
        struct client *client = &sim->clients[i];
        bool waits = client->waiter.pool != NULL;
        if (!sim->turnstile)
            for (const struct client *other = sim->queues[client->kind].first; other && !waits; other = other->next)
                waits = other == client;
        if (waits) histogram_add(&sim->result->wait_us[client->kind], (uint64_t)(sim->now_us - client->asked_us), sim->now_us);
    }
}

void sim_run(const struct sim_load *load, enum sim_rule rule, struct sim_result *result_out)
{
    memset(result_out, 0, sizeof *result_out);
    result_out->rule = rule;
    struct sim *sim = memory_zalloc(sizeof *sim);
    sim->load = load;
    sim->result = result_out;
    for (uint32_t i = 0; i < SIM_KINDS; i++) sim->queues[i].end = &sim->queues[i].first;
    make_clients(sim);
    if (rule == SIM_TURNSTILE) start_turnstile(sim);
    while (sim->event_count > 0 && sim->events[0].time_us < load->end_us) {
        struct event event = take_event(sim);
        sim->now_us = event.time_us;
        count_time(sim, sim->now_us);
        switch (event.kind) {
        case CLIENT_DUE: client_due(sim, &sim->clients[event.index]); break;
        case SERVER_OPENED:
            add_idle(sim, &sim->pools[event.index]);
            turnstile_opened(sim->turnstile, &sim->pools[event.index]);
            break;
        case SERVER_CLOSED: turnstile_closed(sim->turnstile, &sim->pools[event.index]); break;
        }
        if (sim->turnstile)
            carry_out_orders(sim);
        else
            serve(sim);
    }
    sim->now_us = load->end_us;
    count_time(sim, load->end_us);
    count_those_who_wait(sim);
    if (sim->turnstile) stop_turnstile(sim);
    free(sim->events);
    free(sim->clients);
    free(sim);
}
