/*
 * Groups and their counters. The path of a statement: one look into a 128-byte index, one into the set of parameters, and additions.
 *
 * Invariants: group_count groups are in `groups` in the order in which their shapes came; the index holds each of them. A unit that is closed is kept for reuse
 * as a unit, never as anything else: its serial can always be read.
 */
#include "proxy/units.h"

#include <assert.h>
#include <string.h>

/* ---- units ---- */

struct unit *units_open(struct units *units, int64_t now_us)
{
    struct unit *unit = units->free;
    if (unit != NULL) {
        units->free = unit->next_tagged;
    } else {
        unit = block_pool_take(units->pool, sizeof *unit);
        if (unit == NULL) return NULL;
    }
    memset(unit, 0, offsetof(struct unit, few));
    unit->groups = unit->few;
    unit->serial = ++units->next_serial;
    unit->started_us = unit->last_us = now_us;
    unit->before = units->newest;
    if (units->newest) units->newest->after = unit;
    units->newest = unit;
    if (units->oldest == NULL) units->oldest = unit;
    units->open++;
    return unit;
}

static void take_off(struct units *units, struct unit *unit)
{
    *(unit->before ? &unit->before->after : &units->oldest) = unit->after;
    *(unit->after ? &unit->after->before : &units->newest) = unit->before;
}

void units_touch(struct units *units, struct unit *unit, int64_t now_us)
{
    unit->last_us = now_us;
    if (units->newest == unit) return;
    take_off(units, unit);
    unit->before = units->newest;
    unit->after = NULL;
    units->newest->after = unit;
    units->newest = unit;
}

static void forget_samples(struct units *units, struct unit_group *group)
{
    value_samples_wipe(group->samples);
    block_pool_give(units->pool, group->samples, sizeof *group->samples);
    group->samples = NULL;
}

void units_forget_values(struct units *units)
{
    for (struct unit *unit = units->oldest; unit; unit = unit->after)
        for (uint32_t i = 0; i < unit->group_count; i++) forget_samples(units, unit->groups[i]);
}

void units_close(struct units *units, struct unit *unit)
{
    assert(unit->serial != 0);
    for (uint32_t i = 0; i < unit->group_count; i++) {
        struct unit_group *group = unit->groups[i];
        parameter_set_clear(&group->parameters, units->pool);
        block_pool_give(units->pool, group->proof, sizeof *group->proof);
        forget_samples(units, group);
        block_pool_give(units->pool, group, sizeof *group);
    }
    if (unit->groups != unit->few) block_pool_give(units->pool, unit->groups, UNIT_GROUPS_MAX * sizeof *unit->groups);
    if (unit->kept != NULL) {
        kept_sets_clear(unit->kept, units->pool);
        block_pool_give(units->pool, unit->kept, sizeof *unit->kept);
    }
    take_off(units, unit);
    unit->serial = 0;
    unit->next_tagged = units->free;
    units->free = unit;
    units->open--;
}

struct kept_sets *unit_kept(struct units *units, struct unit *unit)
{
    if (unit->kept == NULL) {
        unit->kept = block_pool_take(units->pool, sizeof *unit->kept);
        if (unit->kept != NULL) memset(unit->kept, 0, sizeof *unit->kept);
    }
    return unit->kept;
}

/* ---- groups ---- */

/* For one more group. */
static bool has_room(struct units *units, struct unit *unit)
{
    if (unit->group_count < UNIT_GROUPS_FEW) return true;
    if (unit->groups != unit->few) return unit->group_count < UNIT_GROUPS_MAX;
    struct unit_group **groups = block_pool_take(units->pool, UNIT_GROUPS_MAX * sizeof *groups);
    if (groups == NULL) return false;
    memcpy(groups, unit->few, sizeof unit->few);
    unit->groups = groups;
    return true;
}

static struct unit_group *find_group(struct units *units, struct unit *unit, const struct shape *shape, uint8_t *place_out)
{
    uint32_t at = (uint32_t)(shape->key ^ shape->key >> 40) % sizeof unit->index;
    while (unit->index[at] != 0) {
        struct unit_group *group = unit->groups[unit->index[at] - 1];
        *place_out = (uint8_t)(unit->index[at] - 1);
        if (group->shape == shape->key) return group;
        at = (at + 1) % sizeof unit->index;
    }
    if (!has_room(units, unit)) return NULL;
    struct unit_group *group = block_pool_take(units->pool, sizeof *group);
    if (group == NULL) return NULL;
    memset(group, 0, sizeof *group);
    group->shape = shape->key;
    group->scope = shape->scope;
    group->fingerprint = shape->fingerprint;
    group->class = shape->class;
    group->counts.min_cost_us = group->counts.min_gap_us = INT64_MAX;
    *place_out = (uint8_t)unit->group_count;
    unit->groups[unit->group_count++] = group;
    unit->index[at] = (uint8_t)unit->group_count;
    return group;
}

/* ---- writes ---- */

static void note_write(struct unit *unit, const struct shape *shape)
{
    unit->writes++;
    if (shape->table_count == 0) unit->writes_anywhere = unit->writes;
    for (unsigned i = 0; i < shape->table_count; i++) {
        uint32_t at = 0;
        while (at < unit->table_count && unit->tables[at].table != shape->tables[i]) at++;
        if (at == UNIT_TABLES_MAX) {
            unit->writes_anywhere = unit->writes;
            continue;
        }
        if (at == unit->table_count) unit->table_count++;
        unit->tables[at].table = shape->tables[i];
        unit->tables[at].writes = unit->writes;
    }
}

/* The number of the latest write that may have changed what this shape reads. */
static uint32_t writes_before(const struct unit *unit, const struct shape *shape)
{
    if (shape->table_count == 0) return unit->writes;
    uint32_t writes = unit->writes_anywhere;
    for (unsigned i = 0; i < shape->table_count; i++) {
        for (uint32_t at = 0; at < unit->table_count; at++) {
            if (unit->tables[at].table == shape->tables[i] && unit->tables[at].writes > writes) writes = unit->tables[at].writes;
        }
    }
    return writes;
}

/* ---- parameters ---- */

static uint64_t combine(uint64_t so_far, uint64_t hash)
{
    so_far = (so_far ^ hash) * 0x9e3779b97f4a7c15U;
    return so_far ^ so_far >> 32;
}

uint8_t unit_slots(const struct execution *execution, uint64_t slots_out[EXECUTION_SLOTS_TESTED])
{
    uint8_t count = 0;
    while (count < execution->slot_count && count < EXECUTION_SLOTS_TESTED) {
        slots_out[count] = execution->slots[count].hash;
        count++;
    }
    return count;
}

/* The hash of all parameters; and which slots vary, by comparison with the first execution. */
static uint64_t note_slots(struct unit_group *group, const struct execution *execution)
{
    uint64_t hash = 1;
    unsigned count = execution->slot_count < EXECUTION_SLOTS_TESTED ? execution->slot_count : EXECUTION_SLOTS_TESTED;
    bool is_first = group->counts.n == 0;
    if (is_first) {
        group->slot_count = (uint8_t)count;
        for (unsigned i = 0; i < count; i++) {
            group->first_slots[i] = execution->slots[i].hash;
            group->roles[i] = execution->slots[i].role;
            group->numbers[i] = execution->slots[i].number;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t slot = execution->slots[i].hash;
        hash = combine(hash, slot);
        if (i < group->slot_count && slot != group->first_slots[i]) group->varying |= (uint8_t)(1U << i);
    }
    uint64_t rest = 0;
    for (unsigned i = count; i < execution->slot_count; i++) rest = combine(rest, execution->slots[i].hash);
    if (is_first) group->first_rest = rest;
    if (rest != group->first_rest || count != group->slot_count) group->varies_elsewhere = true;
    return combine(hash, rest);
}

/* What this use is in the unit, by the entry before it; and the same for the transaction. */
static void note_use(struct verdict_counts *counts, uint32_t *same, uint32_t *after_write, bool is_after_write)
{
    if (*same == 0) {
        counts->distinct++;
        *same = 1;
    } else if (is_after_write) {
        counts->rereads++;
        ++*after_write;
    } else {
        counts->duplicates++;
        ++*same;
    }
    if (*same > counts->most) counts->most = *same;
    if (*after_write + 1 > counts->most_rereads && *after_write > 0) counts->most_rereads = *after_write + 1;
}

/* Whether these parameters are new in the unit. */
static bool note_parameters(struct units *units, struct unit *unit, struct unit_group *group, const struct shape *shape, uint64_t hash,
                            uint32_t transaction)
{
    struct parameter_uses *uses = parameter_set_find(&group->parameters, hash, units->pool);
    if (uses == NULL) {
        group->counts.distinct++;
        if (transaction != 0) group->in_transaction.distinct++;
        return true;
    }
    uint32_t writes = writes_before(unit, shape);
    bool is_new = uses->same == 0;
    bool is_after_write = !is_new && uses->writes != writes;
    note_use(&group->counts, &uses->same, &uses->after_write, is_after_write);
    if (transaction != 0) {
        if (uses->transaction != transaction) uses->transaction_same = uses->transaction_after_write = 0;
        uses->transaction = transaction;
        note_use(&group->in_transaction, &uses->transaction_same, &uses->transaction_after_write, is_after_write);
    }
    uses->writes = writes;
    return is_new;
}

/* ---- one execution ---- */

static void note_counts(struct verdict_counts *counts, const struct execution *execution, bool starts_trip, int64_t gap_us, uint32_t run,
                        int64_t now_us)
{
    if (counts->n == 0) {
        counts->first_us = counts->last_us = now_us;
    } else {
        if (gap_us > counts->max_gap_us) counts->max_gap_us = gap_us;
        if (gap_us < counts->min_gap_us) counts->min_gap_us = gap_us;
    }
    counts->n++;
    counts->round_trips += starts_trip;
    counts->list_values += execution->list_length;
    counts->unknown += execution->has_unknown_parameters;
    if (run > counts->longest_run) counts->longest_run = run;
}

static void test_proof(struct units *units, struct unit *unit, struct unit_group *group, const struct execution *execution, bool is_new)
{
    if (unit->kept == NULL || group->varying == 0 || execution->has_unknown_parameters) return;
    bool is_first = group->proof == NULL;
    if (is_first) {
        group->proof = block_pool_take(units->pool, sizeof *group->proof);
        if (group->proof == NULL) return;
        row_proof_reset(group->proof);
    }
    uint64_t slots[EXECUTION_SLOTS_TESTED];
    uint8_t count = unit_slots(execution, slots);
    uint8_t varying = group->varying;
    for (unsigned i = 0; i < count; i++) {
        if (group->roles[i] == SLOT_LIMIT || group->roles[i] == SLOT_OFFSET) varying &= (uint8_t) ~(1U << i);
    }
    row_proof_test(group->proof, unit->kept,
                   &(struct row_proof_test){.shape = group->shape,
                                            .slots = slots,
                                            .first_slots = is_first ? group->first_slots : NULL,
                                            .slot_count = count < group->slot_count ? count : group->slot_count,
                                            .varying = varying,
                                            .is_new = is_new});
}

static void keep_values(const struct units *units, struct unit_group *group, const char *values)
{
    if (group->samples == NULL) {
        group->samples = block_pool_take(units->pool, sizeof *group->samples);
        if (group->samples == NULL) return;
        group->samples->count = 0;
    }
    value_samples_add(group->samples, values, units->sample_values);
}

void unit_note_other(struct unit *unit)
{
    unit->statements++;
}

void unit_note_ignored(struct unit *unit, const struct shape *shape)
{
    if (shape->class != SHAPE_READ) note_write(unit, shape);
}

struct unit_note unit_note(struct units *units, struct unit *unit, const struct shape *shape, const struct execution *execution,
                           const struct unit_sending *sending)
{
    struct unit_note note = {0};
    unit->statements++;
    if (shape->class != SHAPE_READ) note_write(unit, shape);
    struct unit_group *group = find_group(units, unit, shape, &note.place);
    if (group == NULL) {
        unit->overflowed++;
        return note;
    }
    uint64_t hash = note_slots(group, execution);
    note.group = group;
    note.starts_trip = group->last_trip != sending->trip;
    if (sending->transaction != 0 && group->transaction != sending->transaction) {
        group->transaction = sending->transaction;
        group->in_transaction = (struct verdict_counts){.min_cost_us = INT64_MAX, .min_gap_us = INT64_MAX};
    }
    bool is_new = true;
    if (!execution->has_unknown_parameters) is_new = note_parameters(units, unit, group, shape, hash, sending->transaction);
    if (is_new && execution->values != NULL && execution->values[0] != '\0') keep_values(units, group, execution->values);
    group->run = group->last_ordinal + 1 == unit->statements ? group->run + 1 : 1;
    int64_t gap_us = sending->now_us - group->last_sent_us;
    note_counts(&group->counts, execution, note.starts_trip, gap_us, group->run, sending->now_us);
    if (sending->transaction != 0) note_counts(&group->in_transaction, execution, note.starts_trip, gap_us, group->run, sending->now_us);
    test_proof(units, unit, group, execution, is_new);
    group->last_ordinal = unit->statements;
    group->last_trip = sending->trip;
    group->last_sent_us = sending->now_us;
    return note;
}

static void add_done(struct verdict_counts *counts, uint64_t rows, int64_t db_us)
{
    counts->rows += rows;
    if (rows > counts->rows_max) counts->rows_max = rows > UINT32_MAX ? UINT32_MAX : (uint32_t)rows;
    counts->db_us += db_us;
}

void unit_group_done(struct unit_group *group, uint32_t transaction, uint64_t rows, int64_t db_us)
{
    add_done(&group->counts, rows, db_us);
    if (transaction != 0 && group->transaction == transaction) add_done(&group->in_transaction, rows, db_us);
}

static void add_answer(struct verdict_counts *counts, int64_t cost_us, int64_t now_us)
{
    if (cost_us >= 0 && cost_us < counts->min_cost_us) counts->min_cost_us = cost_us;
    counts->last_us = now_us;
}

void unit_group_answered(struct unit_group *group, uint32_t transaction, int64_t cost_us, int64_t now_us)
{
    add_answer(&group->counts, cost_us, now_us);
    if (transaction != 0 && group->transaction == transaction) add_answer(&group->in_transaction, cost_us, now_us);
}

/* ---- for the verdict ---- */

void unit_evidence(const struct unit *unit, const struct unit_group *group, uint32_t transaction, struct verdict_evidence *evidence_out)
{
    *evidence_out = (struct verdict_evidence){
        .class = (enum shape_class)group->class,
        .counts = transaction != 0 ? group->in_transaction : group->counts,
        .varying = group->varying,
        .varies_elsewhere = group->varies_elsewhere,
        .slot_count = group->slot_count,
    };
    for (unsigned i = 0; i < group->slot_count; i++) evidence_out->roles[i] = (enum slot_role)group->roles[i];
    if (group->proof != NULL && unit->kept != NULL)
        (void)row_proof_best(group->proof, unit->kept, evidence_out->counts.n, evidence_out->counts.rows_max, &evidence_out->feed);
}

static uint32_t less(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

void unit_take_out(struct unit_group *group)
{
    struct verdict_counts *counts = &group->counts;
    const struct verdict_counts *part = &group->in_transaction;
    counts->n = less(counts->n, part->n);
    counts->distinct = less(counts->distinct, part->distinct);
    counts->duplicates = less(counts->duplicates, part->duplicates);
    counts->rereads = less(counts->rereads, part->rereads);
    counts->round_trips = less(counts->round_trips, part->round_trips);
    counts->unknown = less(counts->unknown, part->unknown);
    counts->rows = counts->rows > part->rows ? counts->rows - part->rows : 0;
    counts->list_values -= part->list_values;
    counts->db_us -= part->db_us;
    /* How often one set of parameters came is no longer known exactly. */
    if (counts->most > counts->duplicates + 1) counts->most = counts->duplicates + 1;
    if (counts->most_rereads > counts->rereads + 1) counts->most_rereads = counts->rereads + 1;
    if (counts->rereads == 0) counts->most_rereads = 0;
    group->in_transaction = (struct verdict_counts){.min_cost_us = INT64_MAX, .min_gap_us = INT64_MAX};
    group->transaction = 0;
    if (group->proof != NULL) row_proof_reset(group->proof);
}

uint32_t unit_repeats(const struct unit *unit, const struct unit_group *group)
{
    uint32_t repeats = unit->groups[0]->counts.n;
    if (unit->groups[0] == group) {
        for (uint32_t i = 1; i < unit->group_count; i++) {
            uint32_t n = unit->groups[i]->counts.n;
            if (n > 0 && n < repeats) repeats = n;
        }
    }
    if (repeats < unit->reported_transactions) repeats = unit->reported_transactions;
    return repeats > 0 ? repeats : 1;
}
