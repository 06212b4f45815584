/*
 * When units of work begin and end, and which events belong to which. What is counted in a unit is units.c's, what it means verdicts.c's.
 *
 * Where a client's unit ends is decided at its next statement, which may turn out to go on with what came before (the next value of a list that was read): until then,
 * or until SILENCE, the unit stays open. A unit with a tag belongs to no client, and its statements to no transaction.
 *
 * Invariants: a client's `unit` is its own while the serials are equal; flights point to units in the same way, so a unit may be closed at any time.
 */
#include "proxy/detector.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/flights.h"
#include "proxy/ignore_list.h"
#include "proxy/memory.h"
#include "proxy/polling.h"
#include "proxy/unit_report.h"

enum { TAG_BUCKETS = 16384, SHAPE_TEXT_BYTES_MAX = 16 * 1024 * 1024, WISH_AT = 3, WISHED_BEFORE = 8, ADDRESS_MAX = 64, NAME_MAX_SIZE = 64 };
#define SESSION_AGE_MAX_US INT64_C(10000000)

struct detector {
    struct detector_settings settings;
    struct detector_host host;
    struct unit_reporter reporter;
    struct shapes *shapes;
    struct findings *findings;
    struct block_pool pool;
    struct units units;
    struct sampling sampling;
    struct unit *tagged[TAG_BUCKETS];
    struct detector_counters counters;
    uint64_t next_trip;
    uint32_t clients;
    uint32_t epoch; /* counts how often analysis was switched on */
    struct ignore_list *ignored;
    uint32_t ignored_version; /* counts its changes; never 0 */
};

enum edge { EDGE_NONE, EDGE_LOGIN, EDGE_MARK };

struct detector_client {
    struct detector *detector;
    const struct scope *scope;
    uint32_t epoch;    /* in which it last was told something */
    struct unit *unit; /* the untagged one */
    uint64_t unit_serial;
    enum edge edge; /* between its last statement and the next */
    struct flights flights;
    uint32_t round_sent, round_done; /* Syncs sent, ReadyForQuery received */
    uint32_t trip_round;
    uint64_t trip; /* 0: none yet */
    int64_t trip_sent_us, trip_gap_us;
    int64_t ready_us; /* 0: never */
    int64_t done_us;
    bool is_in_transaction;
    uint32_t transaction; /* its number in the unit; 0: no statement of it counted yet */
    uint64_t rows_serial; /* of the set that the present result goes to; 0: none */
    struct polling polling;
    char address[ADDRESS_MAX];
    char application_name[NAME_MAX_SIZE];
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
        .ignore = from->analysis_ignore,
        .memory_max = (size_t)from->analysis_memory * 1024 * 1024,
    };
}

struct detector *detector_new(const struct detector_settings *settings, const struct detector_host *host, int64_t wall_offset_us)
{
    struct detector *detector = memory_zalloc(sizeof *detector);
    detector->host = *host;
    detector->shapes = shapes_new(SHAPES_CAPACITY, SHAPE_TEXT_BYTES_MAX);
    detector->findings = findings_new(settings->window_us, settings->cooldown_us);
    detector->units.pool = &detector->pool;
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
    findings_configure(detector->findings, settings->window_us, settings->cooldown_us);
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
    counters_out->memory_refusals = detector->pool.refusals;
    counters_out->memory_bytes = detector->pool.bytes;
}

bool detector_is_on(const struct detector *detector)
{
    return detector->settings.analysis != ANALYSIS_OFF;
}

/* ---- the end of a unit ---- */

static struct unit *unit_of(const struct detector_client *client)
{
    return client->unit != NULL && client->unit->serial == client->unit_serial ? client->unit : NULL;
}

/* A unit of one execution may be one of a series. */
static void follow_polling(struct detector *detector, struct detector_client *client, const struct unit *unit, int64_t now_us)
{
    const struct unit_group *group = unit->group_count == 1 ? unit->groups[0] : NULL;
    if (group == NULL || group->counts.n != 1 || group->counts.unknown > 0 || unit->statements != 1 || group->class != SHAPE_READ) {
        polling_reset(&client->polling);
        return;
    }
    uint32_t least = detector->settings.thresholds.loop_min;
    if (!polling_note(&client->polling, group->shape, group->parameters.first.hash, group->last_sent_us, least)) return;
    struct verdict_counts counts = group->counts;
    counts.n = counts.round_trips = least;
    counts.duplicates = least - 1;
    counts.first_us = client->polling.first_us;
    counts.min_gap_us = client->polling.least_us;
    counts.max_gap_us = client->polling.most_us;
    unit_report_polling(&detector->reporter, unit, group, &counts, now_us);
}

static void take_off_tags(struct detector *detector, struct unit *unit)
{
    struct unit **link = &detector->tagged[unit->tag % TAG_BUCKETS];
    while (*link != unit) link = &(*link)->next_tagged;
    *link = unit->next_tagged;
}

static void close_unit(struct detector *detector, struct unit *unit, int64_t now_us)
{
    struct detector_client *owner = unit->owner;
    if (unit->tag != 0) take_off_tags(detector, unit);
    unit_report_end(&detector->reporter, unit, now_us);
    if (owner != NULL) {
        follow_polling(detector, owner, unit, now_us);
        owner->unit = NULL;
        owner->transaction = 0;
    }
    detector->counters.units++;
    detector->counters.units_overflowed += unit->overflowed > 0;
    detector->counters.groups_overflowed += unit->overflowed;
    if (detector->settings.statements_per_unit > 0 && unit->statements > detector->settings.statements_per_unit &&
        detector->host.over_budget)
        detector->host.over_budget(detector->host.context, unit->scope->database, unit->scope->user, unit->route, unit->statements);
    units_close(&detector->units, unit);
}

static void close_with_sure_end(struct detector *detector, struct unit *unit, int64_t now_us)
{
    unit->has_sure_end = now_us - unit->started_us <= SESSION_AGE_MAX_US;
    close_unit(detector, unit, now_us);
}

/* ---- the beginning ---- */

static uint64_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < size; i++) hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3U;
    return hash;
}

static void set_route(struct unit *unit, const struct detector_client *client, const struct execution_tags *tags)
{
    if (tags != NULL && tags->route_size > 0) {
        snprintf(unit->route, sizeof unit->route, "%.*s", tags->route_size < UNIT_ROUTE_MAX ? (int)tags->route_size : UNIT_ROUTE_MAX - 1,
                 tags->route);
    } else if (client->application_name[0] != '\0') {
        snprintf(unit->route, sizeof unit->route, "%s", client->application_name);
    } else {
        snprintf(unit->route, sizeof unit->route, "%s@%s", client->scope->user, client->scope->database);
    }
    unit->route_hash = hash_bytes(unit->route, strlen(unit->route));
}

static void set_tags(struct unit *unit, const struct execution_tags *tags)
{
    if (tags == NULL) return;
    if (tags->unit_text_size > 0)
        snprintf(unit->text, sizeof unit->text, "%.*s",
                 tags->unit_text_size < UNIT_TEXT_MAX ? (int)tags->unit_text_size : UNIT_TEXT_MAX - 1, tags->unit_text);
    if (tags->framework != NULL) unit->framework = (uint8_t)framework_of_tag(tags->framework, tags->framework_size);
}

/* NULL: there is no memory, even after the oldest unit made room. */
static struct unit *open_unit(struct detector *detector, const struct detector_client *client, const struct execution_tags *tags,
                              int64_t now_us)
{
    struct unit *unit = units_open(&detector->units, now_us);
    if (unit == NULL && detector->units.oldest != NULL) {
        close_unit(detector, detector->units.oldest, now_us);
        unit = units_open(&detector->units, now_us);
    }
    if (unit == NULL) return NULL;
    unit->scope = client->scope;
    snprintf(unit->address, sizeof unit->address, "%s", client->address);
    set_route(unit, client, tags);
    set_tags(unit, tags);
    unit->is_ignored = ignore_list_has_route(detector->ignored, unit->route);
    return unit;
}

/* NULL: none is open. */
static struct unit *find_tagged(const struct detector *detector, uint64_t tag)
{
    struct unit *unit = detector->tagged[tag % TAG_BUCKETS];
    while (unit != NULL && unit->tag != tag) unit = unit->next_tagged;
    return unit;
}

static struct unit *tagged_unit(struct detector *detector, const struct detector_client *client, const struct execution_tags *tags,
                                int64_t now_us)
{
    struct unit *unit = find_tagged(detector, tags->unit);
    if (unit != NULL && (now_us - unit->started_us >= UNIT_AGE_MAX_US || now_us - unit->last_us >= detector->settings.unit_silence_us ||
                         unit->statements >= UNIT_STATEMENTS_MAX)) {
        close_unit(detector, unit, now_us);
        unit = NULL;
    }
    if (unit != NULL) return unit;
    unit = open_unit(detector, client, tags, now_us);
    if (unit == NULL) return NULL;
    struct unit **bucket = &detector->tagged[tags->unit % TAG_BUCKETS];
    unit->tag = tags->unit;
    unit->next_tagged = *bucket;
    *bucket = unit;
    return unit;
}

static bool has_another_route(const struct unit *unit, const struct execution_tags *tags)
{
    if (tags == NULL || tags->route_size == 0) return false;
    size_t size = tags->route_size < UNIT_ROUTE_MAX ? tags->route_size : UNIT_ROUTE_MAX - 1;
    return strncmp(unit->route, tags->route, size) != 0 || unit->route[size] != '\0';
}

/*
 * Whether the statement goes on with what came before the pause: the next value of a list that is being walked, or the first one of the list that was read just
 * now. The result that is worked on is the unit, however long the work on each of its rows takes.
 */
static bool is_continued(const struct unit *unit, const struct shape *shape, const struct execution *execution)
{
    uint64_t slots[EXECUTION_SLOTS_TESTED];
    if (unit->kept == NULL) return false;
    uint8_t count = unit_slots(execution, slots);
    for (uint32_t i = 0; i < unit->group_count; i++) {
        const struct unit_group *group = unit->groups[i];
        if (group->shape != shape->key) continue;
        if (group->proof != NULL) return row_proof_expects(group->proof, unit->kept, slots, count);
        return group->counts.n == 1 && group->slot_count == count && row_proof_begins(unit->kept, group->first_slots, slots, count);
    }
    return unit->has_latest_result && row_proof_begins(unit->kept, NULL, slots, count);
}

/* Ends the client's unit if this statement is not part of it any more. */
static void mind_edges(struct detector_client *client, const struct shape *shape, const struct execution *execution, int64_t now_us)
{
    struct detector *detector = client->detector;
    struct unit *unit = unit_of(client);
    if (unit == NULL) return;
    if (has_another_route(unit, execution->tags)) {
        client->edge = EDGE_MARK;
        close_with_sure_end(detector, unit, now_us);
    } else if (now_us - unit->started_us >= UNIT_AGE_MAX_US || unit->statements >= UNIT_STATEMENTS_MAX) {
        client->edge = EDGE_NONE;
        close_unit(detector, unit, now_us);
    } else if (!client->is_in_transaction && client->round_sent == client->round_done) {
        bool is_paused = client->ready_us != 0 && now_us - client->ready_us > detector->settings.unit_gap_us;
        if (client->edge != EDGE_MARK && !is_paused) return;
        if (is_continued(unit, shape, execution)) {
            client->edge = EDGE_NONE;
        } else if (client->edge == EDGE_MARK) {
            close_with_sure_end(detector, unit, now_us);
        } else {
            close_unit(detector, unit, now_us);
        }
    }
}

static struct unit *own_unit(struct detector_client *client, const struct shape *shape, const struct execution *execution, int64_t now_us)
{
    mind_edges(client, shape, execution, now_us);
    struct unit *unit = unit_of(client);
    if (unit != NULL) return unit;
    unit = open_unit(client->detector, client, execution->tags, now_us);
    client->unit = unit;
    if (unit == NULL) return NULL;
    client->unit_serial = unit->serial;
    client->transaction = 0;
    unit->owner = client;
    unit->has_sure_start = client->edge != EDGE_NONE;
    unit->is_in_transaction = client->is_in_transaction;
    client->edge = EDGE_NONE;
    return unit;
}

/* ---- clients ---- */

struct detector_client *detector_client_new(struct detector *detector, const char *database, const char *user, const char *address,
                                            int64_t now_us)
{
    (void)now_us;
    struct detector_client *client = memory_zalloc(sizeof *client);
    client->detector = detector;
    client->scope = shapes_scope(detector->shapes, database, user);
    client->edge = EDGE_LOGIN;
    client->trip_round = UINT32_MAX;
    client->epoch = detector->epoch;
    snprintf(client->address, sizeof client->address, "%s", address);
    detector->clients++;
    return client;
}

void detector_client_free(struct detector_client **client, int64_t now_us)
{
    struct detector_client *mine = *client;
    *client = NULL;
    if (mine == NULL) return;
    struct unit *unit = unit_of(mine);
    if (unit != NULL) close_with_sure_end(mine->detector, unit, now_us);
    flights_clear(&mine->flights, &mine->detector->pool);
    mine->detector->clients--;
    free(mine);
}

void detector_application_name(struct detector_client *client, const char *name, int64_t now_us)
{
    char copy[NAME_MAX_SIZE];
    snprintf(copy, sizeof copy, "%s", name);
    if (strcmp(copy, client->application_name) == 0) return;
    memcpy(client->application_name, copy, sizeof copy);
    struct unit *unit = unit_of(client);
    if (unit != NULL) close_with_sure_end(client->detector, unit, now_us);
    if (client->edge == EDGE_NONE) client->edge = EDGE_MARK;
}

/* ---- statements ---- */

/* A wait of the client begins, unless it has not yet heard of what it sent before. */
static void mind_trip(struct detector_client *client, int64_t now_us)
{
    bool is_outstanding = client->round_sent != client->round_done;
    if (client->trip != 0 && (client->trip_round == client->round_sent || is_outstanding)) return;
    client->trip = ++client->detector->next_trip;
    client->trip_round = client->round_sent;
    client->trip_sent_us = now_us;
    client->trip_gap_us = client->ready_us != 0 ? now_us - client->ready_us : -1;
}

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

static void count_in_unit(struct detector_client *client, struct unit *unit, const struct shape *shape, const struct execution *execution,
                          struct flight *flight, int64_t now_us)
{
    struct detector *detector = client->detector;
    uint32_t transaction = 0;
    units_touch(&detector->units, unit, now_us);
    if (unit->is_ignored) return;
    if (unit->owner == client && client->is_in_transaction) {
        if (client->transaction == 0) client->transaction = ++unit->transaction;
        transaction = client->transaction;
    }
    struct unit_sending sending = {.trip = client->trip, .transaction = transaction, .now_us = now_us};
    struct unit_note note = unit_note(&detector->units, unit, shape, execution, &sending);
    unit->has_latest_result = false;
    if (note.group == NULL) return;
    look_at_group(detector, unit, &note, transaction, now_us);
    if (flight == NULL) return;
    flight->unit = unit;
    flight->serial = unit->serial;
    flight->transaction = transaction;
    flight->place = note.place;
    flight->has_group = true;
    flight->starts_trip = note.starts_trip;
    flight->wants_rows = shape->class == SHAPE_READ && detector->settings.analysis == ANALYSIS_FULL &&
                         sampling_take(&detector->sampling, unit_report_sampling_key(unit, shape->key), detector->settings.sample_every);
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
    struct unit *unit;
    if (execution->tags != NULL && execution->tags->unit != 0) {
        unit = find_tagged(client->detector, execution->tags->unit);
    } else {
        mind_edges(client, shape, execution, now_us);
        unit = unit_of(client);
    }
    if (unit != NULL) unit_note_ignored(unit, shape);
}

/*
 * Nobody knows what was sent while analysis was off, so the count of rounds begins anew. An answer that is still to come may then be taken for that of a later
 * statement, but never for more than one: at the next moment without anything outstanding all is right again.
 */
static void begin_anew(struct detector_client *client, int64_t now_us)
{
    struct unit *unit = unit_of(client);
    if (unit != NULL) close_unit(client->detector, unit, now_us);
    client->is_in_transaction = false;
    client->edge = EDGE_NONE;
    client->epoch = client->detector->epoch;
    flights_clear(&client->flights, &client->detector->pool);
    client->round_sent = client->round_done = 0;
    client->trip_round = UINT32_MAX;
    client->ready_us = 0;
}

bool detector_statement(struct detector_client *client, const struct execution *execution, int64_t now_us)
{
    struct detector *detector = client->detector;
    if (detector->settings.analysis == ANALYSIS_OFF) return true;
    if (client->epoch != detector->epoch) begin_anew(client, now_us);
    struct shape *shape = shapes_find(detector->shapes, shapes_key(client->scope, execution->shape));
    if (shape == NULL) return false;
    detector->counters.statements++;
    shape->calls++;
    shape->last_seen_us = now_us;
    mind_trip(client, now_us);
    struct flight *flight = flights_push(&client->flights, client->round_sent, &detector->pool);
    if (flight != NULL) {
        flight->shape = shape->key;
        flight->entry = shape;
        flight->sent_us = now_us;
    } else {
        detector->counters.flights_overflowed++;
    }
    if (is_material(shape) && is_ignored(detector, shape)) {
        pass_over(client, shape, execution, now_us);
        return true;
    }
    if (is_material(shape)) {
        struct unit *unit = execution->tags != NULL && execution->tags->unit != 0 ? tagged_unit(detector, client, execution->tags, now_us)
                                                                                  : own_unit(client, shape, execution, now_us);
        if (unit != NULL) count_in_unit(client, unit, shape, execution, flight, now_us);
        return true;
    }
    struct unit *unit = unit_of(client);
    if (shape->class == SHAPE_BEGIN) {
        client->is_in_transaction = true;
        if (unit != NULL) unit->is_in_transaction = true;
    } else if (shape->is_checkout_mark && !client->is_in_transaction) {
        client->edge = client->edge == EDGE_NONE ? EDGE_MARK : client->edge;
    } else if (unit != NULL && !shape->is_housekeeping) {
        unit_note_other(unit);
    }
    return true;
}

void detector_learn(struct detector_client *client, uint64_t fingerprint, const struct shape_description *description, int64_t now_us)
{
    (void)shapes_learn(client->detector->shapes, client->scope, fingerprint, description, now_us);
}

void detector_sync(struct detector_client *client)
{
    client->round_sent++;
}

/* ---- answers ---- */

const char *detector_running(struct detector_client *client)
{
    if (client->epoch != client->detector->epoch) return NULL;
    const struct flight *flight = flights_open(&client->flights);
    return flight != NULL && flight->entry->key == flight->shape ? flight->entry->text : NULL;
}

/* NULL: the unit of this execution is over. */
static struct unit *unit_of_flight(const struct flight *flight)
{
    return flight->has_group && flight->unit->serial == flight->serial ? flight->unit : NULL;
}

bool detector_wants_rows(const struct detector_client *client)
{
    const struct flights *flights = &client->flights;
    if (flights->open == flights->next) return false;
    const struct flight *flight = &flights->ring[flights->open & (flights->capacity - 1)];
    return flight->wants_rows && unit_of_flight(flight) != NULL;
}

void detector_columns(struct detector_client *client, const struct result_column *columns, size_t count)
{
    struct detector *detector = client->detector;
    struct flight *flight = flights_open(&client->flights);
    struct unit *unit = flight && flight->wants_rows ? unit_of_flight(flight) : NULL;
    client->rows_serial = 0;
    if (unit == NULL || unit_kept(&detector->units, unit) == NULL) return;
    struct kept_rows *rows = kept_sets_begin(unit->kept, flight->shape, columns, count, &detector->pool);
    if (rows == NULL) return;
    client->rows_serial = rows->serial;
    detector->counters.results_sampled++;
}

bool detector_row(struct detector_client *client, const uint64_t *hashes)
{
    struct detector *detector = client->detector;
    struct flight *flight = flights_open(&client->flights);
    struct unit *unit = flight && client->rows_serial != 0 ? unit_of_flight(flight) : NULL;
    struct kept_rows *rows = unit != NULL && unit->kept != NULL ? kept_sets_find(unit->kept, client->rows_serial) : NULL;
    if (rows == NULL || !kept_rows_add(rows, hashes, &detector->pool)) {
        client->rows_serial = 0;
        return false;
    }
    unit->has_latest_result = true;
    detector->counters.rows_sampled++;
    return true;
}

void detector_done(struct detector_client *client, uint64_t rows, bool is_error, int64_t now_us)
{
    struct flight *flight = flights_open(&client->flights);
    client->rows_serial = 0;
    if (flight != NULL) {
        /* What was sent together is carried out one after the other. */
        int64_t began_us = flight->sent_us > client->done_us ? flight->sent_us : client->done_us;
        int64_t db_us = now_us - began_us;
        struct shape *shape = flight->entry;
        if (shape->key == flight->shape) {
            shape->rows += rows;
            shape->errors += is_error;
            shape->total_us += db_us;
            if (db_us > shape->max_us) shape->max_us = db_us;
        }
        struct unit *unit = unit_of_flight(flight);
        if (unit != NULL) unit_group_done(unit->groups[flight->place], flight->transaction, rows, db_us);
        client->done_us = now_us;
    }
    flights_complete(&client->flights);
}

static void end_transaction(struct detector_client *client, int64_t now_us)
{
    struct unit *unit = unit_of(client);
    if (unit != NULL) {
        unit->is_in_transaction = false;
        if (client->transaction != 0) (void)unit_report_transaction(&client->detector->reporter, unit, client->transaction, now_us);
    }
    client->is_in_transaction = false;
    client->transaction = 0;
}

void detector_ready(struct detector_client *client, char status, int64_t now_us)
{
    struct detector *detector = client->detector;
    if (client->round_done == client->round_sent) return; /* analysis was off when its Sync went by */
    int64_t cost_us = client->trip_gap_us < 0 ? -1 : client->trip_gap_us + now_us - client->trip_sent_us;
    for (struct flight *flight; (flight = flights_pop(&client->flights, client->round_done)) != NULL;) {
        struct unit *unit = unit_of_flight(flight);
        if (unit == NULL) continue;
        unit_group_answered(unit->groups[flight->place], flight->transaction, flight->starts_trip ? cost_us : -1, now_us);
        if (unit->last_us != now_us) units_touch(&detector->units, unit, now_us);
    }
    client->round_done++;
    client->ready_us = now_us;
    client->rows_serial = 0;
    if (client->round_done != client->round_sent) return;
    if (client->flights.first == client->flights.next) client->flights.lost = 0;
    if (status == 'I') {
        if (client->is_in_transaction) end_transaction(client, now_us);
    } else {
        client->is_in_transaction = true;
        struct unit *unit = unit_of(client);
        if (unit != NULL) unit->is_in_transaction = true;
    }
}

/* ---- time ---- */

/* When the unit ends if nothing more comes. */
static int64_t due_us(const struct detector *detector, const struct unit *unit)
{
    int64_t age_us = unit->started_us + UNIT_AGE_MAX_US;
    int64_t silence_us = unit->last_us + detector->settings.unit_silence_us;
    return unit->is_in_transaction || age_us < silence_us ? age_us : silence_us;
}

void detector_tick(struct detector *detector, int64_t now_us)
{
    for (struct unit *unit = detector->units.oldest, *next; unit; unit = next) {
        next = unit->after;
        if (now_us - unit->last_us < detector->settings.unit_silence_us && now_us - unit->started_us < UNIT_AGE_MAX_US) {
            if (!unit->is_in_transaction) return;
            continue;
        }
        if (due_us(detector, unit) <= now_us) close_unit(detector, unit, now_us);
    }
}

int64_t detector_next_due_us(const struct detector *detector)
{
    for (const struct unit *unit = detector->units.oldest; unit; unit = unit->after) {
        if (!unit->is_in_transaction) return due_us(detector, unit);
    }
    return detector->units.oldest != NULL ? due_us(detector, detector->units.oldest) : INT64_MAX;
}

void detector_flush(struct detector *detector, int64_t now_us)
{
    while (detector->units.oldest != NULL) close_unit(detector, detector->units.oldest, now_us);
}
