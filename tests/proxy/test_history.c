#include "proxy/history.h"

#include <criterion/criterion.h>

enum { SECOND = 1000000 };
static const int64_t start_us = 5000000000;

static void read_at(struct history *history, double seconds, uint64_t leases, uint32_t waiting)
{
    struct history_reading reading = {.leases = leases, .waiting = waiting, .in_use = 7, .longest_wait_ms = 11};
    history_read(history, &reading, start_us + (int64_t)(seconds * SECOND));
}

Test(history, the_first_reading_only_begins)
{
    struct history history = {0};
    read_at(&history, 0, 1000, 3);
    cr_assert_eq(history.count, 0);
    read_at(&history, 1, 1010, 4);
    cr_assert_eq(history.count, 1);
    const struct history_sample *sample = history_at(&history, 0);
    cr_expect_eq(sample->leases, 10);
    cr_expect_eq(sample->waiting, 4);
    cr_expect_eq(sample->in_use, 7);
    cr_expect_eq(sample->longest_wait_ms, 11);
}

Test(history, a_timer_that_is_never_quite_punctual_gives_a_sample_a_second)
{
    struct history history = {0};
    read_at(&history, 0, 0, 0);
    for (int i = 1; i <= 100; i++) read_at(&history, i * 1.004 + (i % 2 ? 0.2 : -0.2), (uint64_t)i * 5, 0);
    cr_assert_eq(history.count, 100);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < history.count; i++) sum += history_at(&history, i)->leases;
    cr_expect(sum >= 490 && sum <= 510, "%lu", (unsigned long)sum); /* halves are rounded */
}

Test(history, too_early_is_nothing_and_late_is_several)
{
    struct history history = {0};
    read_at(&history, 0, 0, 0);
    read_at(&history, 0.3, 6, 0);
    cr_assert_eq(history.count, 0);
    read_at(&history, 4, 40, 9);
    cr_assert_eq(history.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(history_at(&history, i)->leases, 10);
        cr_expect_eq(history_at(&history, i)->waiting, 9);
    }
}

Test(history, five_minutes_are_kept_the_oldest_first)
{
    struct history history = {0};
    read_at(&history, 0, 0, 0);
    for (uint32_t i = 1; i <= HISTORY_SAMPLES + 50; i++) read_at(&history, i, 0, i);
    cr_assert_eq(history.count, HISTORY_SAMPLES);
    for (uint32_t i = 0; i < HISTORY_SAMPLES; i++) cr_assert_eq(history_at(&history, i)->waiting, i + 51);
}

Test(history, a_day_of_silence)
{
    struct history history = {0};
    read_at(&history, 0, 0, 0);
    read_at(&history, 86400, 86400, 1);
    cr_assert_eq(history.count, HISTORY_SAMPLES);
    cr_expect_eq(history_at(&history, 0)->leases, 1);
    read_at(&history, 86401, 86402, 1);
    cr_expect_eq(history_at(&history, HISTORY_SAMPLES - 1)->leases, 2);
}
