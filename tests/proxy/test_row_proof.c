#include "proxy/row_proof.h"

#include <criterion/criterion.h>
#include <string.h>

static struct block_pool pool;
static struct kept_sets sets;
static struct row_proof proof;
static struct verdict_feed feed;
static uint32_t executions;

static void start(void)
{
    pool = (struct block_pool){.bytes_max = 1 << 24};
    sets = (struct kept_sets){0};
    proof = (struct row_proof){0};
    executions = 0;
}

static void end(void)
{
    kept_sets_clear(&sets, &pool);
    cr_expect_eq(pool.bytes_used, 0);
    block_pool_fini(&pool);
}

TestSuite(row_proof, .init = start, .fini = end);

static const struct result_column two[] = {{.table_oid = 1, .attnum = 1, .label = "id"},
                                           {.table_oid = 1, .attnum = 2, .label = "owner_id"}};
enum { PARENT = 10, CHILD = 20 };

/* A result of `shape` with rows (first.., other..). */
static struct kept_rows *result(uint64_t shape, uint64_t first, uint64_t other, unsigned count)
{
    struct kept_rows *rows = kept_sets_begin(&sets, shape, two, 2, &pool);
    cr_assert_not_null(rows);
    for (unsigned i = 0; i < count; i++) {
        uint64_t hashes[] = {first + i, other + i};
        if (!kept_rows_add(rows, hashes, &pool)) break;
    }
    return rows;
}

static void execute(uint64_t value)
{
    static uint64_t first;
    if (executions == 0) first = value;
    if (++executions == 1) return;
    row_proof_test(&proof, &sets,
                   &(struct row_proof_test){.shape = CHILD,
                                            .slots = &value,
                                            .first_slots = executions == 2 ? &first : NULL,
                                            .slot_count = 1,
                                            .varying = 1,
                                            .is_new = true});
}

static bool is_proven(void)
{
    return row_proof_best(&proof, &sets, executions, 1, &feed);
}

Test(row_proof, each_row_in_order)
{
    result(PARENT, 100, 500, 20);
    for (uint64_t i = 0; i < 20; i++) execute(500 + i);
    cr_assert(is_proven());
    cr_expect_eq(feed.link, LINK_TO_ONE);
    cr_expect_eq(feed.shape, PARENT);
    cr_expect_str_eq(feed.column.label, "owner_id");
    cr_expect_eq(feed.column.attnum, 2);
    cr_expect_eq(feed.rows, 20);
    cr_expect_float_eq(feed.cover, 1, 0.001);
    cr_expect_float_eq(feed.inorder, 1, 0.001);
    cr_expect_float_eq(feed.used, 1, 0.001);
    cr_expect(row_proof_best(&proof, &sets, executions, 4, &feed));
    cr_expect_eq(feed.link, LINK_TO_MANY);
}

Test(row_proof, two_values_prove_nothing)
{
    result(PARENT, 100, 500, 20);
    execute(500);
    execute(501);
    cr_expect_not(is_proven());
    execute(502);
    cr_expect(is_proven());
}

Test(row_proof, out_of_order_is_not_proven)
{
    result(PARENT, 100, 500, 64);
    for (uint64_t i = 0; i < 40; i++) execute(500 + i * 37 % 64);
    cr_expect_not(is_proven());
}

Test(row_proof, four_of_five_are_enough_three_are_not)
{
    result(PARENT, 100, 500, 100);
    for (uint64_t i = 0; i < 50; i++) execute(i % 5 == 4 ? 9000 + i : 500 + i);
    cr_expect(is_proven());
    executions = 0;
    row_proof_reset(&proof);
    for (uint64_t i = 0; i < 50; i++) execute(i % 5 >= 3 ? 9000 + i : 500 + i);
    cr_expect_not(is_proven());
}

Test(row_proof, few_values_must_lie_close_together)
{
    result(PARENT, 100, 500, 200);
    for (uint64_t i = 0; i < 5; i++) execute(510 + i * 40);
    cr_expect_not(is_proven());
    executions = 0;
    row_proof_reset(&proof);
    for (uint64_t i = 0; i < 5; i++) execute(510 + i * 2);
    cr_expect(is_proven());
}

Test(row_proof, of_two_lists_the_one_that_was_used_up)
{
    result(1, 500, 90000, 200);
    result(2, 100, 500, 20);
    result(3, 400, 70000, 256);
    for (uint64_t i = 0; i < 20; i++) execute(500 + i);
    cr_assert(is_proven());
    cr_expect_eq(feed.shape, 2);
}

Test(row_proof, of_equals_the_later_one)
{
    result(1, 500, 500, 20);
    result(2, 500, 700, 20);
    for (uint64_t i = 0; i < 20; i++) execute(500 + i);
    cr_assert(is_proven());
    cr_expect_eq(feed.shape, 2);
    cr_expect_str_eq(feed.column.label, "id");
}

Test(row_proof, zero_is_never_equal)
{
    struct kept_rows *rows = kept_sets_begin(&sets, PARENT, two, 2, &pool);
    uint64_t hashes[] = {0, 0};
    for (int i = 0; i < 10; i++) cr_assert(kept_rows_add(rows, hashes, &pool));
    execute(1);
    for (int i = 0; i < 10; i++) execute(0);
    cr_expect_not(is_proven());
    cr_expect_eq(kept_rows_distinct(rows, 0, 0, 10), 0);
}

Test(row_proof, a_longer_result_is_cut_and_no_more_is_claimed)
{
    struct kept_rows *rows = result(PARENT, 1, 5000, 1000);
    cr_expect(rows->is_cut);
    cr_expect_eq(rows->next - rows->first, KEPT_ROWS);
    for (uint64_t i = 0; i < 1000; i++) execute(5000 + i);
    cr_assert(is_proven());
    cr_expect_float_eq(feed.cover, 1, 0.001);
}

Test(row_proof, results_of_one_shape_follow_one_another)
{
    for (uint64_t r = 0; r < 100; r++) {
        struct kept_rows *rows = result(PARENT, r * 10, 10000 + r * 10, 10);
        cr_expect_eq(rows->next - rows->start, 10);
        cr_expect_leq(rows->next - rows->first, KEPT_ROWS);
        for (uint64_t i = 0; i < 10; i++) execute(10000 + r * 10 + i);
    }
    cr_assert(is_proven());
    cr_expect_eq(feed.rows, 10);
}

Test(row_proof, the_ninth_set_takes_the_place_of_the_one_unused_for_longest)
{
    uint64_t first = result(1, 100, 500, 10)->serial;
    uint64_t second = result(2, 100, 600, 10)->serial;
    for (uint64_t shape = 3; shape <= KEPT_SETS; shape++) result(shape, 100, 1000 * shape, 10);
    for (uint64_t i = 0; i < 5; i++) execute(500 + i);
    result(99, 1, 2, 10);
    cr_expect_not_null(kept_sets_find(&sets, first), "it was used");
    cr_expect_null(kept_sets_find(&sets, second));
    cr_expect(is_proven());
}

Test(row_proof, a_walk_that_goes_on_is_told_from_another_statement)
{
    result(PARENT, 100, 500, 20);
    uint64_t one = 500, other = 502, next = 501;
    cr_expect(row_proof_begins(&sets, NULL, &one, 1));
    cr_expect_not(row_proof_begins(&sets, NULL, &next, 1));
    cr_expect(row_proof_begins(&sets, &one, &next, 1));
    cr_expect_not(row_proof_begins(&sets, &one, &other, 1));
    for (uint64_t i = 0; i < 4; i++) execute(500 + i);
    next = 504;
    cr_expect(row_proof_expects(&proof, &sets, &next, 1));
    next = 9;
    cr_expect_not(row_proof_expects(&proof, &sets, &next, 1));
}

Test(row_proof, no_memory_is_no_proof)
{
    pool.bytes_max = pool.bytes;
    cr_expect_null(kept_sets_begin(&sets, PARENT, two, 2, &pool));
    execute(1);
    execute(2);
    cr_expect_not(is_proven());
}
