/* Contention by who and where: told apart, cut, and bounded. */
#include "proxy/lock_counts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct lock_counts counts;

static void end(void)
{
    lock_counts_fini(&counts);
    cr_expect_eq(counts.size, 0);
}

TestSuite(lock_counts, .fini = end);

static void add(const char *sqlstate, const char *class, const char *shape, int64_t run_us, int64_t now_us)
{
    struct lock_event event = {.sqlstate = sqlstate, .class = class, .user = "web", .database = "shop", .shape = shape, .run_us = run_us};
    lock_counts_add(&counts, &event, now_us);
}

Test(lock_counts, by_sqlstate_class_and_shape)
{
    add("40P01", "web", "update a set n = $1", 10, 1);
    add("40P01", "web", "update a set n = $1", 30, 2);
    add("40P01", "web", "update a set n = $1", 20, 3);
    add("40P01", "jobs", "update a set n = $1", 1, 4);
    add("55P03", "web", "update a set n = $1", 1, 5);
    add("40P01", "web", "", 1, 6);
    cr_assert_eq(counts.size, 4);
    const struct lock_count *first = &counts.counts[0];
    cr_expect_str_eq(first->sqlstate, "40P01");
    cr_expect_str_eq(first->class, "web");
    cr_expect_str_eq(first->user, "web");
    cr_expect_str_eq(first->database, "shop");
    cr_expect_str_eq(first->shape, "update a set n = $1");
    cr_expect(first->count == 3 && first->run_max_us == 30 && first->last_us == 3);
    cr_expect(counts.counts[1].count == 1 && counts.counts[2].count == 1 && counts.counts[3].count == 1);
    cr_assert_eq(counts.totals.size, 3);
    cr_expect_str_eq(counts.totals.counts[0].class, "web");
    cr_expect_eq(counts.totals.counts[0].of_servers, 4);
}

Test(lock_counts, what_was_not_seen_for_longest_makes_room)
{
    char shape[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(shape, sizeof shape, "select %d", i);
        add("57014", "web", shape, 5, 2 * i);
        add("57014", "web", "select 0", 5, 2 * i + 1);
    }
    cr_assert_eq(counts.size, LOCK_COUNTS_MAX);
    cr_expect_str_eq(counts.counts[0].shape, "select 0");
    cr_expect_eq(counts.counts[0].count, 1001);
    cr_assert_eq(counts.totals.size, 1);
    cr_expect_eq(counts.totals.counts[0].of_servers, 2000, "what made room is still counted");
    unsigned found = 0;
    for (uint32_t i = 1; i < counts.size; i++) {
        cr_expect_eq(counts.counts[i].count, 1);
        found += strcmp(counts.counts[i].shape, "select 999") == 0 || strcmp(counts.counts[i].shape, "select 745") == 0;
    }
    cr_expect_eq(found, 2);
}

Test(lock_counts, long_texts_are_cut_behind_a_whole_character)
{
    char text[LOCK_SHAPE_SIZE], shape[1024] = "x";
    lock_counts_cut(NULL, text);
    cr_expect_str_eq(text, "");
    lock_counts_cut("select $1", text);
    cr_expect_str_eq(text, "select $1");
    for (size_t i = 1; i + 2 < sizeof shape; i += 2) memcpy(shape + i, "\xc3\xa9", 3);
    for (size_t size = LOCK_SHAPE_SIZE - 8; size < LOCK_SHAPE_SIZE + 8; size++) {
        char part[1024];
        memcpy(part, shape, size);
        part[size] = '\0';
        lock_counts_cut(part, text);
        if (size < LOCK_SHAPE_SIZE) {
            cr_expect_str_eq(text, part);
            continue;
        }
        size_t cut = strlen(text);
        cr_expect(cut < LOCK_SHAPE_SIZE && cut > LOCK_SHAPE_SIZE - 8, "%zu", cut);
        cr_expect_str_eq(text + cut - 4, " ...");
        cr_expect_eq((cut - 4) % 2, 1, "the last é is whole");
    }
    char name[200];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    add("40P01", name, "", 1, 1);
    add("40P01", name, "", 1, 1);
    cr_assert_eq(counts.size, 1);
    cr_expect_eq(strlen(counts.counts[0].class), LOCK_NAME_SIZE - 1);
}
