/*
 * Taking snapshots: reads everything, changes nothing. Not for: how it is shown.
 */
#include "proxy/snapshot.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"
#include "proxy/pins.h"

const char *seat_state_text(enum seat_state state)
{
    static const char *const texts[] = {
#define X(name, text) text,
#include "proxy/seat_states.def"
#undef X
    };
    return texts[state];
}

/* ---- classes ---- */

static void copy_class(struct snapshot *snapshot, const struct turnstile_class *class, struct snapshot_class *copy)
{
    *copy = (struct snapshot_class){.name = text_store_add(&snapshot->texts, class->name),
                                    .reserve = class->is_retired ? 0 : class->rules.reserve,
                                    .limit = class->rules.limit,
                                    .weight = class->rules.weight > 0 ? class->rules.weight : 1,
                                    .leased = class->leased,
                                    .waiting = class->waiting,
                                    .longest_wait_us = turnstile_class_longest_wait_us(class, snapshot->now_us),
                                    .granted = class->granted,
                                    .waited = class->waited,
                                    .refused_queue_full = class->refused_queue_full,
                                    .timed_out = class->timed_out,
                                    .clients = class->clients,
                                    .slot_us = turnstile_class_slot_us(class, snapshot->now_us),
                                    .wait_us = class->wait_us,
                                    .lease_us = class->lease_us,
                                    .query_us = class->query_us};
}

static void add_scaling(const struct commons *commons, uint32_t index, struct snapshot_class *copy)
{
    struct scaling_view view;
    if (!scaling_of_class(commons->scaling, commons->turnstile, commons->config, index, &view)) return;
    copy->workers = view.workers;
    copy->workers_useful = view.workers_useful;
}

static void copy_classes(struct snapshot *snapshot, const struct commons *commons)
{
    const struct turnstile *turnstile = commons->turnstile;
    snapshot->class_count = turnstile_class_count(turnstile);
    snapshot->classes = memory_zalloc(snapshot->class_count * sizeof *snapshot->classes);
    for (uint32_t i = 0; i < snapshot->class_count; i++) {
        copy_class(snapshot, turnstile_class_at(turnstile, i), &snapshot->classes[i]);
        add_scaling(commons, i, &snapshot->classes[i]);
    }
}

static int class_of(const struct turnstile *turnstile, const struct turnstile_lease *lease)
{
    if (!lease->key) return -1;
    for (uint32_t i = 0; i < turnstile_class_count(turnstile); i++)
        if (turnstile_class_at(turnstile, i) == lease->key->class) return (int)i;
    return -1;
}

/* ---- seats ---- */

static enum seat_state leased_state(const struct server *server)
{
    if (!server->client) return SEAT_RUNNING;
    if (server->client->pins) return SEAT_PINNED;
    if (!exchange_is_settled(&server->exchange) || server->is_inside_message) return SEAT_RUNNING;
    return server->exchange.status == 'I' ? SEAT_IDLE_IN_SESSION : SEAT_IDLE_IN_TRANSACTION;
}

static enum seat_state state_of(const struct server *server)
{
    switch (server->state) {
    case SERVER_LOGGING_IN: return SEAT_CONNECTING;
    case SERVER_IDLE: return SEAT_OPEN;
    case SERVER_LEASED: return leased_state(server);
    case SERVER_CLEANING: return SEAT_RUNNING;
    case SERVER_CLOSING:
    case SERVER_CLOSED: return SEAT_CLOSING;
    }
    abort();
}

static void copy_seats(struct snapshot *snapshot, const struct pool *pool, const char *database, const char *user)
{
    for (const struct server *server = pool->servers; server && snapshot->seat_count < SNAPSHOT_SEATS_MAX; server = server->next)
        snapshot->seats[snapshot->seat_count++] = (struct snapshot_seat){.state = state_of(server),
                                                                         .class = class_of(pool->pools->commons->turnstile, &server->lease),
                                                                         .since_us = server->lease.key ? server->lease.since_us : 0,
                                                                         .database = database,
                                                                         .user = user};
}

/* ---- pools ---- */

static bool is_failing(const struct pool *pool)
{
    return pool->failures > 0;
}

static void add_pool(struct snapshot_pool *sum, const struct pool *pool)
{
    sum->opening += pool->slots.opening;
    sum->idle += pool->slots.idle;
    sum->leased += pool->slots.leased;
    sum->closing += pool->slots.closing;
    sum->waiting += pool->slots.waiting;
    sum->pinned += pool->pinned;
    sum->failing += is_failing(pool);
    time_buckets_merge(&sum->times.wait, &pool->times.wait);
    time_buckets_merge(&sum->times.lease, &pool->times.lease);
    time_buckets_merge(&sum->times.query, &pool->times.query);
}

/* In the order in which they were made. */
static void copy_pools(struct snapshot *snapshot, const struct pools *pools)
{
    uint32_t count = HASH_COUNT(pools->by_key), hopeless = 0;
    snapshot->pool_count = count < SNAPSHOT_POOLS_MAX ? count : SNAPSHOT_POOLS_MAX;
    snapshot->pools_left_out = count - snapshot->pool_count;
    snapshot->pools = memory_zalloc((snapshot->pool_count + 1) * sizeof *snapshot->pools);
    struct snapshot_pool total = {0};
    uint32_t i = 0;
    for (const struct pool *pool = pools->by_key; pool; pool = pool->hh.next, i++) {
        struct snapshot_pool *copy = &snapshot->pools[i < snapshot->pool_count ? i : snapshot->pool_count];
        const char *database = NULL, *user = NULL;
        if (i < snapshot->pool_count || (pool->servers && snapshot->seat_count < SNAPSHOT_SEATS_MAX)) {
            database = text_store_add(&snapshot->texts, pool->database);
            user = text_store_add(&snapshot->texts, pool->user);
        }
        if (i < snapshot->pool_count) {
            copy->database = database;
            copy->user = user;
        }
        add_pool(copy, pool);
        add_pool(&total, pool);
        hopeless += is_failing(pool) && pool->slots.idle + pool->slots.leased == 0;
        copy_seats(snapshot, pool, database, user);
    }
    snapshot->opening = total.opening;
    snapshot->idle = total.idle;
    snapshot->closing = total.closing;
    uint32_t servers = total.opening + total.idle + total.leased + total.closing;
    snapshot->seats_left_out = servers > snapshot->seat_count ? servers - snapshot->seat_count : 0;
    snapshot->has_hope = count == 0 || hopeless < count;
}

/* ---- databases ---- */

static void copy_databases(struct snapshot *snapshot, const struct databases *databases)
{
    uint32_t count = HASH_COUNT(databases->by_name), i = 0;
    snapshot->database_count = count < SNAPSHOT_DATABASES_MAX ? count : SNAPSHOT_DATABASES_MAX;
    snapshot->databases_left_out = count - snapshot->database_count;
    snapshot->databases = memory_zalloc((snapshot->database_count + 1) * sizeof *snapshot->databases);
    for (const struct database *database = databases->by_name; database; database = database->hh.next, i++) {
        bool has_name = i < snapshot->database_count;
        struct snapshot_database *copy = &snapshot->databases[has_name ? i : snapshot->database_count];
        if (has_name) copy->name = text_store_add(&snapshot->texts, database->name);
        traffic_add(&copy->traffic, &database->traffic);
    }
}

/* ---- findings ---- */

static void copy_finding(struct snapshot *snapshot, const struct finding *finding, struct snapshot_finding *copy)
{
    *copy = (struct snapshot_finding){
        .database = text_store_add(&snapshot->texts, finding->database),
        .user = text_store_add(&snapshot->texts, finding->user),
        .route = text_store_add(&snapshot->texts, finding->route),
        .shape = text_store_add_bytes(&snapshot->texts, finding->shape, strnlen(finding->shape, SNAPSHOT_SHAPE_MAX)),
        .verdict = finding->verdict,
        .confidence = finding->confidence,
        .units = finding->totals.units,
        .n = finding->totals.n,
        .lost_us = finding->totals.lost_us};
}

static void copy_findings(struct snapshot *snapshot, struct detector *detector)
{
    const struct finding *top[SNAPSHOT_FINDINGS_MAX];
    uint32_t count = 0;
    const struct findings *findings = detector_findings(detector);
    for (const struct finding *finding = NULL; (finding = findings_next(findings, finding));) {
        uint32_t place = count < SNAPSHOT_FINDINGS_MAX ? count++ : SNAPSHOT_FINDINGS_MAX;
        for (; place > 0 && top[place - 1]->totals.lost_us < finding->totals.lost_us; place--)
            if (place < SNAPSHOT_FINDINGS_MAX) top[place] = top[place - 1];
        if (place < SNAPSHOT_FINDINGS_MAX) top[place] = finding;
    }
    snapshot->is_analysing = true;
    detector_counters(detector, &snapshot->analysis);
    snapshot->finding_count = count;
    snapshot->findings = memory_zalloc(SNAPSHOT_FINDINGS_MAX * sizeof *snapshot->findings);
    for (uint32_t i = 0; i < count; i++) copy_finding(snapshot, top[i], &snapshot->findings[i]);
}

/* ---- states ---- */

static const char *why_not_ready(const struct snapshot *snapshot, const struct commons *commons)
{
    if (snapshot->is_draining) return "draining";
    if (commons->is_suspended) return "suspended";
    return snapshot->has_hope ? NULL : "no database can be logged in to";
}

static const char *state_word(const struct snapshot *snapshot, const struct pools *pools)
{
    if (snapshot->why_not_ready) return snapshot->why_not_ready;
    return pools->is_paused ? "paused" : "running";
}

/* ---- holders ---- */

static void copy_holder(struct snapshot *snapshot, const struct server *server, int class, struct snapshot_holder *copy)
{
    const struct client *client = server->client;
    const char *application = client && client->settings ? session_state_get(client->settings, "application_name") : NULL;
    if (!application) application = "";
    *copy = (struct snapshot_holder){
        .state = state_of(server),
        .class = class,
        .since_us = server->lease.since_us,
        .pid = server->pid,
        .client = client ? client->id : 0,
        .pin_text = client ? pin_text(client->pins) : "",
        .database = text_store_add(&snapshot->texts, server->pool->database),
        .user = text_store_add(&snapshot->texts, server->pool->user),
        .application = text_store_add_bytes(&snapshot->texts, application, strnlen(application, SNAPSHOT_APPLICATION_MAX))};
}

/* Each class has its leases in order, the oldest first: merged as far as is wanted. */
static void copy_holders(struct snapshot *snapshot, const struct turnstile *turnstile)
{
    const struct turnstile_lease **heads = memory_zalloc(snapshot->class_count * sizeof *heads);
    for (uint32_t i = 0; i < snapshot->class_count; i++) heads[i] = turnstile_class_at(turnstile, i)->leases;
    snapshot->holders = memory_zalloc(SNAPSHOT_HOLDERS_MAX * sizeof *snapshot->holders);
    while (snapshot->holder_count < SNAPSHOT_HOLDERS_MAX) {
        int oldest = -1;
        for (int i = 0; i < (int)snapshot->class_count; i++)
            if (heads[i] && (oldest < 0 || heads[i]->since_us < heads[oldest]->since_us)) oldest = i;
        if (oldest < 0) break;
        const struct server *server = (const struct server *)((const char *)heads[oldest] - offsetof(struct server, lease));
        copy_holder(snapshot, server, oldest, &snapshot->holders[snapshot->holder_count++]);
        heads[oldest] = heads[oldest]->next;
    }
    free(heads);
}

/* ---- all of it ---- */

struct snapshot *snapshot_take(const struct pools *pools, const struct history *history)
{
    const struct commons *commons = pools->commons;
    struct snapshot *snapshot = memory_zalloc(sizeof *snapshot);
    snapshot->now_us = commons->now_us;
    snapshot->is_draining = commons->is_shutting_down || commons->is_closed_to_new;
    snapshot->budget = (uint32_t)commons->config->settings.budget;
    snapshot->leased = turnstile_leased(commons->turnstile);
    snapshot->waiting = turnstile_waiting(commons->turnstile);
    snapshot->clients = commons->client_count;
    snapshot->older_clients = commons->older.clients;
    snapshot->older_slots = commons->older.held;
    snapshot->stats = commons->stats;
    error_counts_copy(&commons->errors, &snapshot->errors);
    error_counts_copy(&commons->locks.totals, &snapshot->lock_errors);
    snapshot->history = *history;
    snapshot->seats = memory_zalloc(SNAPSHOT_SEATS_MAX * sizeof *snapshot->seats);
    copy_classes(snapshot, commons);
    copy_pools(snapshot, pools);
    copy_databases(snapshot, &pools->databases);
    if (commons->is_observing) copy_findings(snapshot, taps_detector(commons->taps));
    copy_holders(snapshot, commons->turnstile);
    snapshot->why_not_ready = why_not_ready(snapshot, commons);
    snapshot->state = state_word(snapshot, pools);
    return snapshot;
}

void snapshot_free(struct snapshot **snapshot_pointer)
{
    struct snapshot *snapshot = *snapshot_pointer;
    *snapshot_pointer = NULL;
    if (!snapshot) return;
    error_counts_fini(&snapshot->errors);
    error_counts_fini(&snapshot->lock_errors);
    free(snapshot->classes);
    free(snapshot->pools);
    free(snapshot->databases);
    free(snapshot->findings);
    free(snapshot->seats);
    free(snapshot->holders);
    text_table_free(&snapshot->report);
    text_store_fini(&snapshot->texts);
    free(snapshot);
}

struct history_reading snapshot_reading(const struct commons *commons)
{
    int64_t longest_us = 0;
    for (uint32_t i = 0; i < turnstile_class_count(commons->turnstile); i++) {
        int64_t wait_us = turnstile_class_longest_wait_us(turnstile_class_at(commons->turnstile, i), commons->now_us);
        if (wait_us > longest_us) longest_us = wait_us;
    }
    return (struct history_reading){.leases = commons->stats.leases,
                                    .waiting = turnstile_waiting(commons->turnstile),
                                    .in_use = turnstile_leased(commons->turnstile),
                                    .longest_wait_ms = longest_us / 1000 < UINT32_MAX ? (uint32_t)(longest_us / 1000) : UINT32_MAX};
}
