/*
 * The events of clients, and where each goes. Which unit a statement is part of is decided in unit_edges.c; what is counted in a unit is units.c's, what it means
 * verdicts.c's.
 *
 * Invariants: a flight's unit is the one it was counted in while the serials are equal. Executions that found no room among the flights are only counted, as
 * lost; they are all younger than the flights: while there are lost ones nothing new becomes a flight, and completions that come when no flight is open are theirs.
 */
#include "proxy/detector.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/flights.h"
#include "proxy/ignore_list.h"
#include "proxy/memory.h"
#include "proxy/unit_edges.h"

enum { SHAPE_TEXT_BYTES_MAX = 16 * 1024 * 1024, WISH_AT = 3, WISHED_BEFORE = 8 };

struct detector {
    struct detector_settings settings;
    struct unit_reporter reporter;
    struct shapes *shapes;
    struct findings *findings;
    struct block_pool pool;
    struct flights_store flights;
    struct unit_edges edges;
    struct sampling sampling;
    struct detector_counters counters;
    uint32_t trips; /* numbers the waits of all clients */
    uint32_t clients;
    uint32_t epoch; /* counts how often analysis was switched on */
    struct ignore_list *ignored;
    uint32_t ignored_version; /* counts its changes; never 0 */
};

struct detector_client {
    struct detector *detector;
    struct unit_owner owner;
    struct flights *flights;
    uint32_t lost_flights;
    uint32_t epoch; /* in which it last was told something */
    char address[];
};

/* ---- life ---- */

void detector_settings_from(const struct settings *from, struct detector_settings *settings_out)
{
    *settings_out = (struct detector_settings){
        .analysis = from->analysis,
        .thresholds = {.n_plus_one_min = (uint32_t)from->n_plus_one_min,
                       .n_plus_one_min_proven = (uint32_t)from->n_plus_one_min_proven,
                       .duplicates_min = (uint32_t)from->duplicates_min,
                       .loop_min = (uint32_t)from->loop_min,
                       .critical_n = (uint32_t)from->critical_n,
                       .critical_lost_us = from->critical_lost_us},
        .unit_gap_us = from->unit_gap_us,
        .unit_silence_us = from->unit_silence_us,
        .statements_per_unit = (uint32_t)from->statements_per_unit_max,
        .sample_every = (uint32_t)from->row_sampling,
        .window_us = from->report_window_us,
        .cooldown_us = from->finding_log_interval_us,
        .sample_values = (uint32_t)from->sample_values,
        .ignore = from->analysis_ignore,
        .memory_max = (size_t)from->analysis_memory * 1024 * 1024,
    };
}

struct detector *detector_new(const struct detector_settings *settings, const struct detector_host *host, int64_t wall_offset_us)
{
    struct detector *detector = memory_zalloc(sizeof *detector);
    detector->shapes = shapes_new(SHAPES_CAPACITY, SHAPE_TEXT_BYTES_MAX);
    detector->findings = findings_new(settings->window_us, settings->cooldown_us);
    detector->edges.units.pool = &detector->pool;
    detector->flights.pool = &detector->pool;
    detector->edges.reporter = &detector->reporter;
    detector->edges.context = host->context;
    detector->edges.over_budget = host->over_budget;
    detector->reporter = (struct unit_reporter){.findings = detector->findings,
                                                .shapes = detector->shapes,
                                                .sampling = &detector->sampling,
                                                .wall_offset_us = wall_offset_us,
                                                .context = host->context,
                                                .found = host->found};
    detector_configure(detector, settings);
    return detector;
}

void detector_configure(struct detector *detector, const struct detector_settings *settings)
{
    detector->epoch += detector->settings.analysis == ANALYSIS_OFF && settings->analysis != ANALYSIS_OFF;
    if (!detector->ignored || !ignore_list_is_of(detector->ignored, settings->ignore)) {
        ignore_list_free(&detector->ignored);
        detector->ignored = ignore_list_new(settings->ignore);
        if (++detector->ignored_version == 0) detector->ignored_version = 1;
    }
    detector->settings = *settings;
    detector->settings.ignore = NULL; /* the caller's */
    detector->pool.bytes_max = settings->memory_max;
    detector->reporter.thresholds = settings->thresholds;
    detector->edges.ignored = detector->ignored;
    detector->edges.silence_us = settings->unit_silence_us;
    detector->edges.statements_per_unit = settings->statements_per_unit;
    findings_configure(detector->findings, settings->window_us, settings->cooldown_us);
    detector->edges.units.sample_values = settings->sample_values;
    if (settings->sample_values > 0) return;
    units_forget_values(&detector->edges.units);
    findings_forget_values(detector->findings);
}

void detector_free(struct detector **detector)
{
    struct detector *mine = *detector;
    *detector = NULL;
    if (mine == NULL) return;
    assert(mine->clients == 0);
    block_pool_fini(&mine->pool);
    findings_free(&mine->findings);
    shapes_free(&mine->shapes);
    ignore_list_free(&mine->ignored);
    free(mine);
}

struct findings *detector_findings(struct detector *detector)
{
    return detector->findings;
}

struct shapes *detector_shapes(struct detector *detector)
{
    return detector->shapes;
}

void detector_counters(const struct detector *detector, struct detector_counters *counters_out)
{
    *counters_out = detector->counters;
    memcpy(counters_out->found, detector->reporter.found_count, sizeof counters_out->found);
    counters_out->units = detector->edges.ended;
    counters_out->units_overflowed = detector->edges.overflowed;
    counters_out->groups_overflowed = detector->edges.groups_overflowed;
    counters_out->memory_refusals = detector->pool.refusals;
    counters_out->memory_bytes = detector->pool.bytes;
}

bool detector_wants_values(const struct detector *detector)
{
    return detector->settings.sample_values > 0;
}

bool detector_is_on(const struct detector *detector)
{
    return detector->settings.analysis != ANALYSIS_OFF;
}

/* ---- clients ---- */

struct detector_client *detector_client_new(struct detector *detector, const char *database, const char *user, const char *address,
                                            int64_t now_us)
{
    (void)now_us;
    size_t address_size = strnlen(address, UNIT_TEXT_MAX - 1);
    struct detector_client *client = memory_zalloc(sizeof *client + address_size + 1);
    memcpy(client->address, address, address_size);
    client->detector = detector;
    unit_owner_init(&client->owner, shapes_scope(detector->shapes, database, user), client->address);
    client->epoch = detector->epoch;
    detector->clients++;
    return client;
}

static void forget_flights(struct detector_client *client)
{
    flights_give(&client->flights, &client->detector->flights);
    client->lost_flights = 0;
}

void detector_client_free(struct detector_client **client, int64_t now_us)
{
    struct detector_client *mine = *client;
    *client = NULL;
    if (mine == NULL) return;
    unit_edges_leave(&mine->detector->edges, &mine->owner, now_us);
    unit_owner_fini(&mine->owner);
    forget_flights(mine);
    mine->detector->clients--;
    free(mine);
}

void detector_application_name(struct detector_client *client, const char *name, int64_t now_us)
{
    unit_edges_application_name(&client->detector->edges, &client->owner, name, now_us);
}

/* ---- statements ---- */

/* A likely child: from now on the rows of what ran before it are of interest, and its own, for it may feed itself. */
static void wish_for_rows(struct detector *detector, const struct unit *unit, struct unit_group *group, unsigned place)
{
    group->is_wished = true;
    for (unsigned i = place > WISHED_BEFORE ? place - WISHED_BEFORE : 0; i <= place; i++) {
        if (unit->groups[i]->class == SHAPE_READ)
            sampling_want(&detector->sampling, unit_report_sampling_key(unit, unit->groups[i]->shape));
    }
}

static bool is_at_threshold(const struct verdict_thresholds *thresholds, uint32_t n)
{
    return n == thresholds->duplicates_min || n == thresholds->n_plus_one_min || n == thresholds->loop_min ||
           n == 2 * thresholds->n_plus_one_min + 1;
}

static void look_at_group(struct detector *detector, struct unit *unit, const struct unit_note *note, uint32_t transaction, int64_t now_us)
{
    struct unit_group *group = note->group;
    const struct verdict_counts *counts = transaction != 0 ? &group->in_transaction : &group->counts;
    if (group->counts.distinct >= WISH_AT && !group->is_wished && detector->settings.analysis == ANALYSIS_FULL)
        wish_for_rows(detector, unit, group, note->place);
    if (!group->is_told && is_at_threshold(&detector->settings.thresholds, counts->n))
        unit_report_live(&detector->reporter, unit, group, transaction, now_us);
}

static bool is_material(const struct shape *shape)
{
    return shape->class == SHAPE_READ || shape->class == SHAPE_INSERT || shape->class == SHAPE_WRITE;
}

static bool wants_rows(struct detector *detector, const struct unit *unit, const struct shape *shape, int64_t now_us)
{
    uint32_t every = detector->settings.sample_every;
    if (shape->class != SHAPE_READ || detector->settings.analysis != ANALYSIS_FULL) return false;
    if (sampling_take(&detector->sampling, unit_report_sampling_key(unit, shape->key), every)) return true;
    return every > 0 && shape->calls <= SAMPLING_FIRSTS && sampling_take_first(&detector->sampling, now_us);
}

static void count_in_unit(struct detector_client *client, struct unit *unit, const struct shape *shape, const struct execution *execution,
                          struct flight *flight, int64_t now_us)
{
    struct detector *detector = client->detector;
    units_touch(&detector->edges.units, unit, now_us);
    if (unit->is_ignored) return;
    uint32_t transaction = unit->owner == &client->owner ? unit_owner_transaction(&client->owner) : 0;
    struct unit_sending sending = {.trip = client->owner.trips.number, .transaction = transaction, .now_us = now_us};
    struct unit_note note = unit_note(&detector->edges.units, unit, shape, execution, &sending);
    unit->has_latest_result = false;
    if (note.group == NULL) return;
    look_at_group(detector, unit, &note, transaction, now_us);
    if (flight == NULL) return;
    flight->unit = unit;
    flight->serial = unit->serial;
    flight->transaction = transaction;
    flight->place = note.place;
    flight->starts_trip = note.starts_trip;
    flight->wants_rows = wants_rows(detector, unit, shape, now_us);
    if (!execution->opens_cursor) return;
    client->flights->cursor.count++;
    client->flights->cursor.flight = *flight;
}

static bool has_cursor(const struct detector_client *client)
{
    return client->flights != NULL && client->flights->cursor.count > 0;
}

/* Its rows are those of the statement that the cursor was declared for, which waits for nothing else. */
static void fetch(struct detector_client *client, struct flight *flight)
{
    if (flight == NULL || client->flights->cursor.count != 1) return;
    const struct flight *opened = &client->flights->cursor.flight;
    if (!opened->wants_rows || opened->unit->serial != opened->serial) return;
    flight->unit = opened->unit;
    flight->serial = opened->serial;
    flight->transaction = opened->transaction;
    flight->place = opened->place;
    flight->wants_rows = true;
    flight->rows_of = opened->shape;
}

/* Asked once for each shape, and again after the list has changed. */
static bool is_ignored(const struct detector *detector, struct shape *shape)
{
    if (shape->ignored_version != detector->ignored_version) {
        shape->ignored_version = detector->ignored_version;
        shape->is_ignored = ignore_list_has_shape(detector->ignored, shape->text, shape->text_size);
    }
    return shape->is_ignored;
}

/* As if it had not been sent, but that its pauses are the client's, and that what it writes may be read again for a reason. */
static void pass_over(struct detector_client *client, const struct shape *shape, const struct execution *execution, int64_t now_us)
{
    struct unit *unit = unit_edges_pass(&client->detector->edges, &client->owner, shape, execution, now_us);
    if (unit != NULL) unit_note_ignored(unit, shape);
}

/*
 * Nobody knows what was sent while analysis was off, so the count of rounds begins anew. An answer that is still to come may then be taken for that of a later
 * statement, but never for more than one: at the next moment without anything outstanding all is right again.
 */
static void begin_anew(struct detector_client *client, int64_t now_us)
{
    unit_edges_forget(&client->detector->edges, &client->owner, now_us);
    client->epoch = client->detector->epoch;
    forget_flights(client);
}

/* NULL: there is no room. */
static struct flight *begin_flight(struct detector_client *client, struct shape *shape, int64_t now_us)
{
    struct detector *detector = client->detector;
    struct flight *flight = client->lost_flights == 0 ? flights_push(&client->flights, client->owner.trips.sent, &detector->flights) : NULL;
    if (flight == NULL) {
        client->lost_flights++;
        detector->counters.flights_overflowed++;
        return NULL;
    }
    flight->shape = shape->key;
    flight->entry = shape;
    flight->rows_of = shape->key;
    flight->sent_us = now_us;
    return flight;
}

bool detector_statement(struct detector_client *client, const struct execution *execution, int64_t now_us)
{
    struct detector *detector = client->detector;
    if (detector->settings.analysis == ANALYSIS_OFF) return true;
    if (client->epoch != detector->epoch) begin_anew(client, now_us);
    struct shape *shape = shapes_find(detector->shapes, shapes_key(client->owner.scope, execution->shape));
    if (shape == NULL) return false;
    detector->counters.statements++;
    shape->calls++;
    shape->last_seen_us = now_us;
    bool begins_wait = trips_send(&client->owner.trips, &detector->trips);
    if (begins_wait && trips_cost_us(&client->owner.trips, now_us) > detector->settings.unit_gap_us) unit_owner_pause(&client->owner);
    struct flight *flight = begin_flight(client, shape, now_us);
    if (is_material(shape) && is_ignored(detector, shape)) {
        pass_over(client, shape, execution, now_us);
        return true;
    }
    if (is_material(shape)) {
        struct unit *unit = unit_edges_choose(&detector->edges, &client->owner, shape, execution, now_us);
        if (unit != NULL) count_in_unit(client, unit, shape, execution, flight, now_us);
        return true;
    }
    if (shape->is_fetch) fetch(client, flight);
    if (shape->is_close && has_cursor(client)) client->flights->cursor.count--;
    struct unit *unit = client->owner.unit;
    if (shape->class == SHAPE_BEGIN) {
        unit_owner_begin_transaction(&client->owner);
    } else if (shape->is_checkout_mark && !client->owner.is_in_transaction) {
        unit_owner_mark(&client->owner);
    } else if (unit != NULL && !shape->is_housekeeping) {
        unit_note_other(unit);
    }
    return true;
}

void detector_learn(struct detector_client *client, uint64_t fingerprint, const struct shape_description *description, int64_t now_us)
{
    (void)shapes_learn(client->detector->shapes, client->owner.scope, fingerprint, description, now_us);
}

void detector_begun(struct detector_client *client)
{
    unit_owner_begin_transaction(&client->owner);
}

void detector_sync(struct detector_client *client)
{
    client->owner.trips.sent++;
}

/* ---- answers ---- */

const char *detector_running(struct detector_client *client)
{
    if (client->epoch != client->detector->epoch) return NULL;
    const struct flight *flight = flights_open(client->flights);
    return flight != NULL && flight->entry->key == flight->shape ? flight->entry->text : NULL;
}

/* NULL: the unit of this execution is over. */
static struct unit *unit_of_flight(const struct flight *flight)
{
    return flight->unit != NULL && flight->unit->serial == flight->serial ? flight->unit : NULL;
}

bool detector_wants_rows(const struct detector_client *client)
{
    const struct flight *flight = flights_open(client->flights);
    return flight != NULL && flight->wants_rows && unit_of_flight(flight) != NULL;
}

void detector_columns(struct detector_client *client, const struct result_column *columns, size_t count)
{
    struct detector *detector = client->detector;
    const struct flight *flight = flights_open(client->flights);
    if (flight == NULL) return;
    struct unit *unit = flight->wants_rows ? unit_of_flight(flight) : NULL;
    client->flights->rows_serial = 0;
    if (unit == NULL || unit_kept(&detector->edges.units, unit) == NULL) return;
    struct kept_rows *rows = kept_sets_begin(unit->kept, flight->rows_of, columns, count, &detector->pool);
    if (rows == NULL) return;
    client->flights->rows_serial = rows->serial;
    detector->counters.results_sampled++;
}

/* Those that the present result goes to; NULL: nowhere. */
static struct kept_rows *rows_of_result(struct detector_client *client)
{
    const struct flights *flights = client->flights;
    const struct flight *flight = flights_open(flights);
    const struct unit *unit = flight && flights->rows_serial != 0 ? unit_of_flight(flight) : NULL;
    return unit != NULL && unit->kept != NULL ? kept_sets_find(unit->kept, flights->rows_serial) : NULL;
}

bool detector_row(struct detector_client *client, const uint64_t *hashes)
{
    struct detector *detector = client->detector;
    struct kept_rows *rows = rows_of_result(client);
    if (rows == NULL || !kept_rows_add(rows, hashes, &detector->pool)) {
        if (client->flights != NULL) client->flights->rows_serial = 0;
        return false;
    }
    unit_of_flight(flights_open(client->flights))->has_latest_result = true;
    detector->counters.rows_sampled++;
    return true;
}

void detector_suspended(struct detector_client *client)
{
    struct kept_rows *rows = rows_of_result(client);
    if (rows != NULL) rows->is_cut = true;
}

static void count_answer(struct shape *shape, uint64_t rows, bool is_error, int64_t db_us)
{
    shape->rows += rows;
    shape->errors += is_error;
    shape->total_us += db_us;
    if (db_us > shape->max_us) shape->max_us = db_us;
}

void detector_done(struct detector_client *client, uint64_t rows, bool is_error, int64_t now_us)
{
    struct flights *flights = client->flights;
    const struct flight *flight = flights_open(flights);
    if (flight == NULL) {
        if (client->lost_flights > 0) client->lost_flights--;
        return;
    }
    /* What was sent together is carried out one after the other. */
    int64_t db_us = now_us - (flight->sent_us > flights->done_us ? flight->sent_us : flights->done_us);
    if (flight->entry->key == flight->shape) count_answer(flight->entry, rows, is_error, db_us);
    struct unit *unit = unit_of_flight(flight);
    if (unit != NULL) unit_group_done(unit->groups[flight->place], flight->transaction, rows, db_us);
    flights->done_us = now_us;
    flights->rows_serial = 0;
    flights_complete(flights);
}

void detector_ready(struct detector_client *client, char status, int64_t now_us)
{
    struct detector *detector = client->detector;
    struct trips *trips = &client->owner.trips;
    if (!trips_is_outstanding(trips)) return; /* analysis was off when its Sync went by */
    int64_t cost_us = trips_cost_us(trips, now_us);
    for (const struct flight *flight; (flight = flights_pop(client->flights, trips->done)) != NULL;) {
        struct unit *unit = unit_of_flight(flight);
        if (unit == NULL) continue;
        unit_group_answered(unit->groups[flight->place], flight->transaction, flight->starts_trip ? cost_us : -1, now_us);
        if (unit->last_us != now_us) units_touch(&detector->edges.units, unit, now_us);
    }
    trips_answered(trips, now_us);
    if (client->flights != NULL) client->flights->rows_serial = 0;
    if (trips_is_outstanding(trips)) return;
    if (flights_is_empty(client->flights)) client->lost_flights = 0;
    if (status != 'I') {
        unit_owner_begin_transaction(&client->owner);
    } else if (client->owner.is_in_transaction) {
        if (client->flights != NULL) client->flights->cursor.count = 0;
        unit_edges_end_transaction(&detector->edges, &client->owner, now_us);
    }
    if (flights_is_empty(client->flights) && !has_cursor(client)) forget_flights(client);
}

/* ---- time ---- */

void detector_tick(struct detector *detector, int64_t now_us)
{
    unit_edges_tick(&detector->edges, now_us);
}

int64_t detector_next_due_us(const struct detector *detector)
{
    return unit_edges_next_due_us(&detector->edges);
}

void detector_flush(struct detector *detector, int64_t now_us)
{
    unit_edges_flush(&detector->edges, now_us);
}
