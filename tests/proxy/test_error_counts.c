/* Errors by SQLSTATE: told apart, and bounded. */
#include "proxy/error_counts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(error_counts, by_sqlstate_and_source)
{
    struct error_counts counts = {0};
    error_counts_add(&counts, "42601", ERROR_OF_SERVER, 1);
    error_counts_add(&counts, "53300", ERROR_OF_OURS, 2);
    error_counts_add(&counts, "42601", ERROR_OF_OURS, 3);
    error_counts_add(&counts, NULL, ERROR_OF_SERVER, 4);
    error_counts_add(&counts, "4260100000", ERROR_OF_SERVER, 5);
    cr_assert_eq(counts.size, 3);
    cr_expect_str_eq(counts.counts[0].sqlstate, "42601");
    cr_expect(counts.counts[0].of_servers == 2 && counts.counts[0].of_ours == 1 && counts.counts[0].last_us == 5);
    cr_expect(counts.counts[1].of_servers == 0 && counts.counts[1].of_ours == 1);
}

Test(error_counts, are_bounded)
{
    struct error_counts counts = {0};
    for (int i = 0; i < 1000; i++) {
        char sqlstate[8];
        snprintf(sqlstate, sizeof sqlstate, "%05d", i);
        error_counts_add(&counts, sqlstate, ERROR_OF_SERVER, i);
        error_counts_add(&counts, "00003", ERROR_OF_OURS, i);
    }
    cr_assert_eq(counts.size, ERROR_COUNTS_MAX);
    cr_expect_str_eq(counts.counts[ERROR_COUNTS_MAX - 1].sqlstate, "other");
    cr_expect_eq(counts.counts[ERROR_COUNTS_MAX - 1].of_servers, 1000 - (ERROR_COUNTS_MAX - 1));
    cr_expect(counts.counts[1].of_ours == 1000 && counts.counts[1].of_servers == 1);
}
