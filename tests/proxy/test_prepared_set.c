#include "proxy/prepared_set.h"
#include "tests/random_numbers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 40 };

static struct statements *table;
static struct prepared_set set;
static struct statement *statements[COUNT];

static void start(void)
{
    table = statements_new();
    set = (struct prepared_set){0};
    for (int i = 0; i < COUNT; i++) {
        uint8_t tail[32];
        size_t size = (size_t)snprintf((char *)tail, sizeof tail, "select %d", i) + 1;
        memset(tail + size, 0, 2);
        statements[i] = statements_intern(table, tail, size + 2, &(struct statement_terms){.is_named = true, .is_scannable = true});
    }
}

static void end(void)
{
    prepared_set_clear(&set);
    cr_expect_eq(set.count, 0);
    cr_expect_null(set.by_statement);
    cr_expect_null(set.latest);
    cr_expect_null(prepared_set_oldest(&set));
    for (int i = 0; i < COUNT; i++) statement_unref(&statements[i]);
    cr_expect_eq(statements_count(table), 0, "%zu statements are left", statements_count(table));
    statements_free(&table);
}

TestSuite(prepared_set, .init = start, .fini = end);

/* Take the set apart from its oldest end: these must come, in this order. */
static void expect_order(const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct statement *oldest = prepared_set_oldest(&set);
        cr_assert_eq(oldest, statements[numbers[i]], "place %zu", i);
        prepared_set_remove(&set, oldest);
    }
    cr_expect_eq(set.count, 0);
    cr_expect_null(prepared_set_oldest(&set));
}

#define EXPECT_ORDER(...) expect_order((const int[]){__VA_ARGS__}, sizeof(int[]){__VA_ARGS__} / sizeof(int))

Test(prepared_set, empty)
{
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_NOT);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_NOT);
    cr_expect_null(prepared_set_oldest(&set));
    prepared_set_remove(&set, statements[0]);
    prepared_set_doubt_all(&set);
    prepared_set_clear(&set);
    cr_expect_eq(set.count, 0);
}

Test(prepared_set, order_of_adding)
{
    for (int i = 0; i < 4; i++) prepared_set_add(&set, statements[i]);
    cr_expect_eq(set.count, 4);
    EXPECT_ORDER(0, 1, 2, 3);
}

Test(prepared_set, use_and_add_make_the_latest_and_look_does_not)
{
    for (int i = 0; i < 5; i++) prepared_set_add(&set, statements[i]);
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_YES); /* 1 2 3 4 0 */
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_YES);
    cr_expect_eq(prepared_set_use(&set, statements[3]), PREPARED_YES); /* 1 2 4 0 3 */
    cr_expect_eq(prepared_set_look(&set, statements[1]), PREPARED_YES);
    prepared_set_add(&set, statements[2]); /* 1 4 0 3 2 */
    cr_expect_eq(set.count, 5);
    prepared_set_remove(&set, statements[0]);
    prepared_set_remove(&set, statements[0]);
    cr_expect_eq(set.count, 4);
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_NOT);
    EXPECT_ORDER(1, 4, 3, 2);
}

Test(prepared_set, holds_references)
{
    prepared_set_add(&set, statements[0]);
    prepared_set_add(&set, statements[0]);
    prepared_set_doubt(&set, statements[1]);
    struct statement *added = statements[0], *doubted = statements[1];
    statement_unref(&statements[0]);
    statement_unref(&statements[1]);
    cr_expect_eq(statements_count(table), COUNT);
    cr_expect_eq(prepared_set_use(&set, added), PREPARED_YES);
    prepared_set_remove(&set, added);
    cr_expect_eq(statements_count(table), COUNT - 1);
    prepared_set_remove(&set, doubted);
    cr_expect_eq(statements_count(table), COUNT - 2);
}

Test(prepared_set, doubt)
{
    for (int i = 0; i < 4; i++) prepared_set_add(&set, statements[i]);
    prepared_set_doubt_all(&set);
    cr_expect_eq(set.count, 4);
    for (int i = 0; i < 4; i++) cr_expect_eq(prepared_set_look(&set, statements[i]), PREPARED_MAYBE);
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_MAYBE, "and used just now"); /* 1 2 3 0 */
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_MAYBE, "use removes no doubt");
    prepared_set_add(&set, statements[1]); /* 2 3 0 1 */
    cr_expect_eq(prepared_set_look(&set, statements[1]), PREPARED_YES);
    cr_expect_eq(prepared_set_look(&set, statements[2]), PREPARED_MAYBE);
    prepared_set_add(&set, statements[4]);
    cr_expect_eq(prepared_set_look(&set, statements[4]), PREPARED_YES, "doubt is about what was there");
    EXPECT_ORDER(2, 3, 0, 1, 4);
}

Test(prepared_set, doubt_of_one)
{
    prepared_set_doubt(&set, statements[0]);
    cr_expect_eq(set.count, 1);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE);
    prepared_set_add(&set, statements[1]);
    prepared_set_add(&set, statements[2]);
    prepared_set_doubt(&set, statements[2]);
    cr_expect_eq(prepared_set_look(&set, statements[1]), PREPARED_YES);
    cr_expect_eq(prepared_set_look(&set, statements[2]), PREPARED_MAYBE);
    prepared_set_doubt(&set, statements[3]);
    cr_expect_eq(set.count, 4);
    EXPECT_ORDER(3, 0, 1, 2);
}

/* ---- segments of the pipeline ---- */

/* What lies behind a Sync does not stand or fall with the Parse in front of it. */
Test(prepared_set, a_parse_counts_within_its_segment_until_confirmed)
{
    prepared_set_add(&set, statements[0]);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_YES);
    prepared_set_next_segment(&set);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE);
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_MAYBE);
    prepared_set_confirm(&set, statements[0], set.segment - 1);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_YES);
    cr_expect_eq(prepared_set_use(&set, statements[0]), PREPARED_YES);
    for (int i = 0; i < 3; i++) prepared_set_next_segment(&set);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_YES, "for good");
}

Test(prepared_set, confirmed_within_its_segment)
{
    prepared_set_add(&set, statements[0]);
    prepared_set_confirm(&set, statements[0], set.segment);
    prepared_set_add(&set, statements[1]);
    prepared_set_next_segment(&set);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_YES);
    cr_expect_eq(prepared_set_look(&set, statements[1]), PREPARED_MAYBE, "the other's is still under way");
    prepared_set_add(&set, statements[2]);
    cr_expect_eq(prepared_set_look(&set, statements[2]), PREPARED_YES);
    cr_expect_eq(prepared_set_look(&set, statements[1]), PREPARED_MAYBE);
}

/* Sent again, it has to be done again. */
Test(prepared_set, adding_again_takes_the_confirmation_back)
{
    prepared_set_add(&set, statements[0]);
    prepared_set_confirm(&set, statements[0], set.segment);
    prepared_set_next_segment(&set);
    prepared_set_add(&set, statements[0]);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_YES);
    prepared_set_next_segment(&set);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE);
    prepared_set_add(&set, statements[0]);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_YES, "in this segment");
    cr_expect_eq(set.count, 1);
}

/* What becomes of a Parse says nothing of one that was sent for the same statement in a later segment. */
Test(prepared_set, outcomes_of_an_earlier_segment)
{
    prepared_set_add(&set, statements[0]);
    prepared_set_next_segment(&set);
    prepared_set_add(&set, statements[0]);
    prepared_set_confirm(&set, statements[0], set.segment - 1);
    prepared_set_next_segment(&set);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE);
    prepared_set_refuse(&set, statements[0], set.segment - 2);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE, "it is not taken out");
    prepared_set_refuse(&set, statements[0], set.segment - 1);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_NOT);
    prepared_set_refuse(&set, statements[0], set.segment);
    cr_expect_eq(set.count, 0);
}

Test(prepared_set, confirming_what_is_not_there)
{
    prepared_set_confirm(&set, statements[0], set.segment);
    cr_expect_eq(set.count, 0);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_NOT);
    prepared_set_add(&set, statements[0]);
    prepared_set_remove(&set, statements[0]);
    prepared_set_confirm(&set, statements[0], set.segment);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_NOT);
}

/* Neither the end of a segment nor a confirmation that was under way removes a doubt: only a Parse does. */
Test(prepared_set, doubt_outlives_segments_and_confirmations)
{
    prepared_set_add(&set, statements[0]);
    prepared_set_doubt(&set, statements[0]);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE, "in the same segment");
    prepared_set_confirm(&set, statements[0], set.segment);
    prepared_set_next_segment(&set);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE);
    prepared_set_add(&set, statements[0]);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_YES);
    prepared_set_next_segment(&set);
    cr_expect_eq(prepared_set_look(&set, statements[0]), PREPARED_MAYBE);
}

/* Neither changes the order of use. */
Test(prepared_set, segments_and_confirmations_are_no_use)
{
    for (int i = 0; i < 3; i++) prepared_set_add(&set, statements[i]);
    prepared_set_next_segment(&set);
    prepared_set_confirm(&set, statements[0], set.segment);
    EXPECT_ORDER(0, 1, 2);
}

/* ---- all of it ---- */

/* The model is an array in order of use, oldest first. */
struct model {
    int numbers[COUNT];
    enum { NOT, DOUBTFUL, SENT, CONFIRMED } states[COUNT]; /* by number */
    unsigned segments[COUNT];                              /* by number: where it was sent */
    unsigned segment;
    uint32_t count;
};

static enum prepared_state model_state(const struct model *model, int number)
{
    switch (model->states[number]) {
    case NOT: return PREPARED_NOT;
    case DOUBTFUL: return PREPARED_MAYBE;
    case SENT: return model->segments[number] == model->segment ? PREPARED_YES : PREPARED_MAYBE;
    case CONFIRMED: return PREPARED_YES;
    }
    return PREPARED_NOT;
}

static void model_take_out(struct model *model, int number)
{
    uint32_t i = 0;
    while (model->numbers[i] != number) i++;
    memmove(&model->numbers[i], &model->numbers[i + 1], (--model->count - i) * sizeof(int));
}

static void model_put_last(struct model *model, int number)
{
    if (model->states[number] != NOT) model_take_out(model, number);
    model->numbers[model->count++] = number;
}

static void model_put_first(struct model *model, int number)
{
    memmove(&model->numbers[1], &model->numbers[0], model->count++ * sizeof(int));
    model->numbers[0] = number;
}

Test(prepared_set, behaves_as_an_array)
{
    struct model model = {0};
    uint64_t state = 0x853c49e6748fea9b;
    for (int round = 0; round < 300000; round++) {
        int number = (int)(random_numbers_next(&state) % COUNT);
        struct statement *statement = statements[number];
        bool is_known = model.states[number] != NOT;
        unsigned action = (unsigned)(random_numbers_next(&state) % 100);
        if (action < 35) {
            cr_assert_eq(prepared_set_use(&set, statement), model_state(&model, number));
            if (is_known) model_put_last(&model, number);
        } else if (action < 60) {
            prepared_set_add(&set, statement);
            model_put_last(&model, number);
            model.states[number] = SENT;
            model.segments[number] = model.segment;
        } else if (action < 75) {
            prepared_set_confirm(&set, statement, model.segments[number]);
            if (model.states[number] == SENT) model.states[number] = CONFIRMED;
        } else if (action < 85) {
            prepared_set_remove(&set, statement);
            if (is_known) model_take_out(&model, number);
            model.states[number] = NOT;
        } else if (action < 92) {
            prepared_set_doubt(&set, statement);
            if (!is_known) model_put_first(&model, number);
            model.states[number] = DOUBTFUL;
        } else if (action < 97) {
            prepared_set_next_segment(&set);
            model.segment++;
        } else if (action < 99) {
            prepared_set_doubt_all(&set);
            for (uint32_t i = 0; i < model.count; i++) model.states[model.numbers[i]] = DOUBTFUL;
        } else if (round % 10 == 0) {
            prepared_set_clear(&set);
            model = (struct model){.segment = model.segment};
        }
        cr_assert_eq(set.count, model.count);
        cr_assert_eq(prepared_set_oldest(&set), model.count ? statements[model.numbers[0]] : NULL);
        int other = (int)(random_numbers_next(&state) % COUNT);
        cr_assert_eq(prepared_set_look(&set, statements[other]), model_state(&model, other));
    }
}
