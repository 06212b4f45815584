#include "proxy/preparations.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { COUNT = 5 };

static struct statements *table;
static struct statement *statements[COUNT];
static struct preparations preparations;

static void start(void)
{
    table = statements_new();
    preparations = (struct preparations){0};
    for (int i = 0; i < COUNT; i++) {
        uint8_t tail[32];
        size_t size = (size_t)snprintf((char *)tail, sizeof tail, "select %d", i) + 1;
        memset(tail + size, 0, 2);
        statements[i] = statements_intern(table, tail, size + 2, &(struct statement_terms){.is_named = true, .is_scannable = true});
    }
}

static void end(void)
{
    preparations_fini(&preparations);
    cr_expect_null(preparations.items);
    cr_expect_eq(preparations.count, 0);
    for (int i = 0; i < COUNT; i++) statement_unref(&statements[i]);
    cr_expect_eq(statements_count(table), 0, "%zu statements are left", statements_count(table));
    statements_free(&table);
}

TestSuite(preparations, .init = start, .fini = end);

/* -1: none. */
static void push(enum preparation_kind kind, int statement, int former, const char *name)
{
    preparations_push(&preparations, kind, statement < 0 ? NULL : statement_ref(statements[statement]),
                      former < 0 ? NULL : statement_ref(statements[former]), name);
}

static void expect_next(enum preparation_kind kind, int statement, int former, const char *name)
{
    struct preparation next = preparations_pop(&preparations);
    cr_expect_eq(next.kind, kind);
    cr_expect_eq(next.statement, statement < 0 ? NULL : statements[statement]);
    cr_expect_eq(next.former, former < 0 ? NULL : statements[former]);
    if (name)
        cr_expect_str_eq(next.name, name);
    else
        cr_expect_null(next.name);
    preparation_fini(&next);
}

Test(preparations, come_out_in_order)
{
    push(PREPARATION_PLAIN, -1, -1, NULL);
    push(PREPARATION_NAMED, 0, -1, "a");
    push(PREPARATION_ANSWERED, 1, 0, "a");
    push(PREPARATION_UNNAMED, 2, 3, NULL);
    push(PREPARATION_EVICTED, 4, -1, NULL);
    push(PREPARATION_NAMED, 0, -1, "");
    cr_expect_eq(preparations.count, 6);
    expect_next(PREPARATION_PLAIN, -1, -1, NULL);
    expect_next(PREPARATION_NAMED, 0, -1, "a");
    expect_next(PREPARATION_ANSWERED, 1, 0, "a");
    expect_next(PREPARATION_UNNAMED, 2, 3, NULL);
    expect_next(PREPARATION_EVICTED, 4, -1, NULL);
    expect_next(PREPARATION_NAMED, 0, -1, "");
    cr_expect_eq(preparations.count, 0);
}

Test(preparations, need_no_memory_before_the_first)
{
    cr_expect_null(preparations.items);
    preparations_fini(&preparations);
    push(PREPARATION_PLAIN, -1, -1, NULL);
    cr_expect_not_null(preparations.items);
}

Test(preparations, a_popped_one_holds_its_references_until_fini)
{
    struct statement *statement = statements[0];
    push(PREPARATION_NAMED, 0, -1, "a");
    statement_unref(&statements[0]);
    cr_expect_eq(statements_count(table), COUNT);
    struct preparation popped = preparations_pop(&preparations);
    cr_expect_eq(popped.statement, statement);
    cr_expect_eq(statements_count(table), COUNT);
    preparation_fini(&popped);
    cr_expect_eq(statements_count(table), COUNT - 1);
    cr_expect_null(popped.statement);
}

Test(preparations, fini_releases_what_is_left)
{
    char name[] = "name";
    push(PREPARATION_NAMED, 0, 1, name);
    push(PREPARATION_CLOSED, -1, 2, name);
    name[0] = 'x';
    for (int i = 0; i < 3; i++) statement_unref(&statements[i]);
    cr_expect_eq(statements_count(table), COUNT);
    cr_expect_str_eq(preparations.items[preparations.first].name, "name", "it was copied");
    preparations_fini(&preparations);
    cr_expect_eq(statements_count(table), COUNT - 3);
}

/* The ring grows while its first one stands anywhere in it. */
Test(preparations, behave_as_a_queue)
{
    enum { STEPS = 20000, LONGEST = 300 };
    int first = 0, last = 0, longest = 0;
    uint64_t state = 0x853c49e6748fea9b;
    for (int step = 0; step < STEPS; step++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        /* It gets long and short again, in waves. */
        bool is_rising = step / LONGEST % 2 == 0;
        unsigned chance = (unsigned)(state >> 33) % 10;
        char name[16];
        if (chance < (is_rising ? 8u : 2u) && last - first < LONGEST) {
            snprintf(name, sizeof name, "%d", last);
            push(PREPARATION_NAMED, last % COUNT, -1, name);
            last++;
        } else if (first < last) {
            snprintf(name, sizeof name, "%d", first);
            expect_next(PREPARATION_NAMED, first % COUNT, -1, name);
            first++;
        }
        cr_assert_eq(preparations.count, (uint32_t)(last - first));
        if (last - first > longest) longest = last - first;
    }
    cr_expect_gt(longest, 100);
}

static void undo(struct preparation *undone)
{
    preparations_undo_former(&preparations, undone);
    preparation_fini(undone);
}

/* Parse a = 0; Parse a = 1 (which found 0); Close a (which found 1): the second is refused, so the third finds 0. */
Test(preparations, what_was_never_there_is_not_put_back)
{
    push(PREPARATION_NAMED, 1, 0, "a");
    push(PREPARATION_CLOSED, -1, 1, "a");
    struct preparation undone = preparations_pop(&preparations);
    undo(&undone);
    expect_next(PREPARATION_CLOSED, -1, 0, "a");
}

Test(preparations, nothing_was_there_before)
{
    push(PREPARATION_NAMED, 1, -1, "a");
    push(PREPARATION_NAMED, 2, 1, "a");
    struct preparation undone = preparations_pop(&preparations);
    undo(&undone);
    expect_next(PREPARATION_NAMED, 2, -1, "a");
}

/* Each is undone in its turn: what the last would put back is what the first one found. */
Test(preparations, a_chain_is_undone)
{
    push(PREPARATION_NAMED, 1, 0, "a");
    push(PREPARATION_NAMED, 2, 1, "a");
    push(PREPARATION_NAMED, 3, 2, "a");
    for (int i = 0; i < 2; i++) {
        struct preparation undone = preparations_pop(&preparations);
        cr_expect_eq(undone.former, statements[0]);
        undo(&undone);
    }
    expect_next(PREPARATION_NAMED, 3, 0, "a");
}

Test(preparations, other_names_and_statements_are_left_alone)
{
    push(PREPARATION_NAMED, 1, 0, "a");
    push(PREPARATION_NAMED, 3, 1, "b");
    push(PREPARATION_NAMED, 3, 2, "a");
    push(PREPARATION_UNNAMED, 3, 1, NULL);
    push(PREPARATION_NAMED, 3, -1, "a");
    push(PREPARATION_NAMED, 3, 1, "a"); /* of another: what is undone stands only in front of the next */
    struct preparation undone = preparations_pop(&preparations);
    undo(&undone);
    expect_next(PREPARATION_NAMED, 3, 1, "b");
    expect_next(PREPARATION_NAMED, 3, 2, "a");
    expect_next(PREPARATION_UNNAMED, 3, 1, NULL);
    expect_next(PREPARATION_NAMED, 3, -1, "a");
    expect_next(PREPARATION_NAMED, 3, 1, "a");
}

/* Parse "" A, skipped; Parse "" B; Parse "" A again: what the client has is the last one's word. */
Test(preparations, the_same_statement_again)
{
    push(PREPARATION_UNNAMED, 0, 3, NULL);
    push(PREPARATION_UNNAMED, 1, 0, NULL);
    push(PREPARATION_UNNAMED, 0, 1, NULL);
    struct preparation undone = preparations_pop(&preparations);
    cr_expect(preparations_undo_former(&preparations, &undone));
    preparation_fini(&undone);
    expect_next(PREPARATION_UNNAMED, 1, 3, NULL);
    undone = preparations_pop(&preparations);
    cr_expect_not(preparations_undo_former(&preparations, &undone));
    cr_expect_eq(undone.former, statements[1]);
    preparation_fini(&undone);
}

Test(preparations, the_unnamed_one_is_a_name_too)
{
    push(PREPARATION_UNNAMED, 1, 0, NULL);
    push(PREPARATION_UNNAMED, 2, 1, NULL);
    push(PREPARATION_NAMED, 2, 1, "a");
    struct preparation undone = preparations_pop(&preparations);
    undo(&undone);
    expect_next(PREPARATION_UNNAMED, 2, 0, NULL);
    expect_next(PREPARATION_NAMED, 2, 1, "a");
}

/* A Close puts nothing under its name: those that found nothing would otherwise be taken for its. */
/* A Close that was skipped has left what it found: so has the Parse behind it found that, not nothing. */
Test(preparations, what_a_close_would_have_removed_is_what_the_next_one_found)
{
    push(PREPARATION_CLOSED, -1, 0, "a");
    push(PREPARATION_NAMED, 1, -1, "a");
    struct preparation undone = preparations_pop(&preparations);
    undo(&undone);
    expect_next(PREPARATION_NAMED, 1, 0, "a");
}

/* ---- what is not known yet ---- */

static void end_of_first(void)
{
    struct preparation first = preparations_pop(&preparations);
    preparation_fini(&first);
}

Test(preparations, a_name_is_awaited_from_later_segments)
{
    cr_expect_eq(preparations.uncertain, 0);
    push(PREPARATION_NAMED, 0, -1, "a");
    push(PREPARATION_INJECTED, 1, -1, NULL);
    cr_expect_eq(preparations.uncertain, 0);
    cr_expect_not(preparations_await_name(&preparations, "a"));
    preparations_next_segment(&preparations);
    push(PREPARATION_CLOSED, -1, 1, "b");
    cr_expect_eq(preparations.uncertain, 2);
    cr_expect(preparations_await_names(&preparations));
    cr_expect(preparations_await_name(&preparations, "a"));
    cr_expect_not(preparations_await_name(&preparations, "b"), "it is of this segment");
    cr_expect_not(preparations_await_name(&preparations, ""));
    preparations_next_segment(&preparations);
    cr_expect(preparations_await_name(&preparations, "b"));
    end_of_first();
    cr_expect_not(preparations_await_name(&preparations, "a"));
    end_of_first();
    cr_expect(preparations_await_names(&preparations));
    end_of_first();
    cr_expect_eq(preparations.uncertain, 0);
}

Test(preparations, of_the_unnamed_statement_the_last_word_counts)
{
    push(PREPARATION_UNNAMED, 0, -1, NULL);
    preparations_next_segment(&preparations);
    cr_expect(preparations_await_name(&preparations, ""));
    cr_expect_not(preparations_await_names(&preparations));
    push(PREPARATION_NAMED, 0, -1, "a");
    push(PREPARATION_INJECTED_UNNAMED, 0, -1, NULL);
    cr_expect(preparations_await_name(&preparations, ""));
    push(PREPARATION_UNNAMED, 1, 0, NULL);
    push(PREPARATION_EVICTED, 1, -1, NULL);
    cr_expect_not(preparations_await_name(&preparations, ""));
    preparations_next_segment(&preparations);
    cr_expect(preparations_await_name(&preparations, ""));
    push(PREPARATION_UNNAMED_CLOSED, -1, 1, NULL);
    cr_expect_not(preparations_await_name(&preparations, ""));
}

Test(preparations, a_statement_that_is_being_closed)
{
    push(PREPARATION_EVICTED, 0, -1, NULL);
    push(PREPARATION_INJECTED, 1, -1, NULL);
    cr_expect_not(preparations_evict(&preparations, statements[0]), "it is of this segment");
    preparations_next_segment(&preparations);
    cr_expect(preparations_evict(&preparations, statements[0]));
    cr_expect_not(preparations_evict(&preparations, statements[1]));
    end_of_first();
    cr_expect_not(preparations_evict(&preparations, statements[0]));
}

Test(preparations, a_deallocation_makes_what_follows_uncertain)
{
    push(PREPARATION_PLAIN, -1, -1, NULL);
    cr_expect_eq(preparations.uncertain, 0);
    push(PREPARATION_DEALLOCATION, -1, -1, NULL);
    push(PREPARATION_PLAIN, -1, -1, NULL);
    cr_expect_eq(preparations.uncertain, 2);
    end_of_first();
    end_of_first();
    cr_expect_eq(preparations.uncertain, 0);
    end_of_first();
    cr_expect_eq(preparations.uncertain, 0);
}

Test(preparations, in_a_long_pipeline_it_is_taken_for_granted)
{
    enum { MANY = 300 };
    for (int i = 0; i < MANY; i++) push(PREPARATION_NAMED, 0, -1, "a");
    preparations_next_segment(&preparations);
    cr_expect(preparations_await_name(&preparations, "b"));
    for (int i = 0; i < MANY / 2; i++) end_of_first();
    cr_expect_not(preparations_await_name(&preparations, "b"));
}
