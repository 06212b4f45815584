#include "proxy/units.h"

#include <criterion/criterion.h>
#include <string.h>

static struct block_pool pool;
static struct units units;
static struct unit *unit;
static const struct scope scope = {.database = "shop", .user = "web"};

static void start(void)
{
    pool = (struct block_pool){.bytes_max = 1 << 24};
    units = (struct units){.pool = &pool};
    unit = units_open(&units, 1000);
}

static void end(void)
{
    if (unit != NULL) units_close(&units, unit);
    cr_expect_eq(units.open, 0);
    cr_expect_null(units.oldest);
    cr_expect_null(units.newest);
    block_pool_fini(&pool);
}

TestSuite(units, .init = start, .fini = end);

static struct shape a_shape(uint64_t key, enum shape_class class, uint64_t table)
{
    return (struct shape){
        .key = key, .fingerprint = key, .scope = &scope, .class = (uint8_t) class, .tables = {table}, .table_count = table != 0};
}

static struct unit_group *note(const struct shape *shape, uint64_t parameter, uint64_t trip, uint32_t transaction)
{
    struct execution_slot slot = {.hash = parameter, .number = 1, .role = SLOT_EQUAL};
    struct execution execution = {.shape = shape->fingerprint, .slots = &slot, .slot_count = 1};
    return unit_note(&units, unit, shape, &execution,
                     &(struct unit_sending){.trip = trip, .transaction = transaction, .now_us = (int64_t)trip * 100})
        .group;
}

Test(units, executions_of_one_shape_make_a_group)
{
    struct shape read = a_shape(1, SHAPE_READ, 0), other = a_shape(2, SHAPE_READ, 0);
    struct unit_group *group = note(&read, 5, 1, 0);
    cr_expect_neq(note(&other, 5, 2, 0), group);
    cr_expect_eq(note(&read, 6, 3, 0), group);
    cr_expect_eq(note(&read, 5, 4, 0), group);
    cr_expect_eq(note(&read, 5, 4, 0), group);
    cr_expect_eq(group->counts.n, 4);
    cr_expect_eq(group->counts.distinct, 2);
    cr_expect_eq(group->counts.duplicates, 2);
    cr_expect_eq(group->counts.most, 3);
    cr_expect_eq(group->counts.round_trips, 3);
    cr_expect_eq(group->counts.longest_run, 3);
    cr_expect_eq(group->counts.max_gap_us, 200);
    cr_expect_eq(group->varying, 1);
    cr_expect_eq(unit->statements, 5);
}

Test(units, answers_are_added)
{
    struct shape read = a_shape(1, SHAPE_READ, 0);
    struct unit_group *group = note(&read, 5, 1, 0);
    unit_group_done(group, 0, 7, 300);
    unit_group_answered(group, 0, -1, 400);
    note(&read, 6, 5, 0);
    unit_group_done(group, 0, 2, 100);
    unit_group_answered(group, 0, 250, 800);
    cr_expect_eq(group->counts.rows, 9);
    cr_expect_eq(group->counts.rows_max, 7);
    cr_expect_eq(group->counts.db_us, 400);
    cr_expect_eq(group->counts.min_cost_us, 250);
    cr_expect_eq(group->counts.first_us, 100);
    cr_expect_eq(group->counts.last_us, 800);
}

Test(units, a_write_of_its_table_makes_a_repeat_a_reread)
{
    struct shape read = a_shape(1, SHAPE_READ, 70), write = a_shape(2, SHAPE_WRITE, 70), elsewhere = a_shape(3, SHAPE_INSERT, 71),
                 anywhere = a_shape(4, SHAPE_WRITE, 0);
    struct unit_group *group = note(&read, 5, 1, 0);
    note(&elsewhere, 1, 2, 0);
    note(&read, 5, 3, 0);
    cr_expect_eq(group->counts.duplicates, 1);
    note(&write, 1, 4, 0);
    note(&read, 5, 5, 0);
    cr_expect_eq(group->counts.rereads, 1);
    note(&anywhere, 1, 6, 0);
    note(&read, 5, 7, 0);
    note(&read, 5, 8, 0);
    cr_expect_eq(group->counts.rereads, 2);
    cr_expect_eq(group->counts.duplicates, 2);
    cr_expect_eq(group->counts.most, 3);
    cr_expect_eq(group->counts.most_rereads, 3);
}

Test(units, more_tables_than_are_kept_count_as_any)
{
    struct shape read = a_shape(1, SHAPE_READ, 999);
    struct unit_group *group = note(&read, 5, 1, 0);
    for (uint64_t table = 1; table <= UNIT_TABLES_MAX + 1; table++) {
        struct shape write = a_shape(100 + table, SHAPE_WRITE, table);
        note(&write, 1, table + 1, 0);
    }
    note(&read, 5, 50, 0);
    cr_expect_eq(group->counts.rereads, 1);
}

Test(units, a_transaction_is_counted_for_itself_and_taken_out)
{
    struct shape read = a_shape(1, SHAPE_READ, 0);
    struct unit_group *group = note(&read, 1, 1, 0);
    note(&read, 2, 2, 0);
    for (uint64_t i = 0; i < 4; i++) note(&read, 5, 3 + i, 1);
    cr_expect_eq(group->counts.n, 6);
    cr_expect_eq(group->in_transaction.n, 4);
    cr_expect_eq(group->in_transaction.distinct, 1);
    cr_expect_eq(group->in_transaction.duplicates, 3);
    unit_take_out(group);
    cr_expect_eq(group->counts.n, 2);
    cr_expect_eq(group->counts.distinct, 2);
    cr_expect_eq(group->counts.duplicates, 0);
    cr_expect_eq(group->counts.most, 1);
    note(&read, 5, 9, 2);
    cr_expect_eq(group->in_transaction.n, 1);
    cr_expect_eq(group->in_transaction.distinct, 1, "new in its transaction");
}

Test(units, shapes_beyond_the_table_are_counted_as_overflow)
{
    for (uint64_t key = 1; key <= UNIT_GROUPS_MAX + 10; key++) {
        struct shape read = a_shape(key, SHAPE_READ, 0);
        cr_expect_eq(note(&read, 1, key, 0) == NULL, key > UNIT_GROUPS_MAX);
    }
    cr_expect_eq(unit->overflowed, 10);
    cr_expect_eq(unit->group_count, UNIT_GROUPS_MAX);
    struct shape first = a_shape(1, SHAPE_READ, 0);
    cr_expect_eq(note(&first, 2, 999, 0)->counts.n, 2);
}

Test(units, an_open_unit_takes_few_bytes)
{
    for (uint64_t key = 1; key <= 4; key++) {
        struct shape read = a_shape(key, SHAPE_READ, 0);
        cr_assert_not_null(note(&read, 1, key, 0));
    }
    cr_expect_leq(pool.bytes_used, 1024 + 4 * 512, "%zu", pool.bytes_used);
    cr_assert_not_null(unit_kept(&units, unit));
    cr_expect_leq(pool.bytes_used, 1024 + 5 * 512, "%zu", pool.bytes_used);
    units_close(&units, unit);
    cr_expect_leq(pool.bytes_used, 1024, "%zu", pool.bytes_used);
    unit = units_open(&units, 1);
}

Test(units, very_many_parameters_never_overstate_repeats)
{
    struct shape read = a_shape(1, SHAPE_READ, 0);
    struct unit_group *group = NULL;
    for (uint64_t i = 1; i <= 5000; i++) group = note(&read, i * 0x9e3779b97f4a7c15U, i, 0);
    cr_expect_eq(group->counts.distinct, 5000);
    cr_expect_eq(group->counts.duplicates, 0);
    note(&read, 0x9e3779b97f4a7c15U, 6000, 0);
    cr_expect_eq(group->counts.duplicates, 1);
}

Test(units, memory_comes_back)
{
    struct shape read = a_shape(1, SHAPE_READ, 0);
    size_t used = 0;
    for (int round = 0; round < 100; round++) {
        for (uint64_t i = 1; i <= 100; i++) note(&read, i, i, 0);
        cr_assert_not_null(unit_kept(&units, unit));
        uint64_t serial = unit->serial;
        struct unit *former = unit;
        units_close(&units, unit);
        cr_assert_eq(former->serial, 0);
        unit = units_open(&units, 1000);
        cr_assert_eq(unit, former);
        cr_assert_neq(unit->serial, serial);
        if (round == 0) used = pool.bytes;
        cr_assert_eq(pool.bytes, used);
    }
}

Test(units, in_the_order_of_activity)
{
    struct unit *second = units_open(&units, 1001), *third = units_open(&units, 1002);
    cr_expect_eq(units.oldest, unit);
    units_touch(&units, unit, 1003);
    cr_expect_eq(units.oldest, second);
    cr_expect_eq(units.newest, unit);
    units_touch(&units, third, 1004);
    units_close(&units, second);
    cr_expect_eq(units.oldest, unit);
    cr_expect_eq(units.newest, third);
    units_close(&units, third);
    cr_expect_eq(units.newest, unit);
}

Test(units, how_many_requests_a_burst_seems_to_be)
{
    struct shape opening = a_shape(1, SHAPE_READ, 0), child = a_shape(2, SHAPE_READ, 0);
    struct unit_group *first = NULL, *second = NULL;
    for (uint64_t i = 0; i < 3; i++) {
        first = note(&opening, i, i * 10, 0);
        for (uint64_t k = 0; k < 4; k++) second = note(&child, i * 10 + k, i * 10 + k + 1, 0);
    }
    cr_expect_eq(unit_repeats(unit, second), 3);
    cr_expect_eq(unit_repeats(unit, first), 3);
}
