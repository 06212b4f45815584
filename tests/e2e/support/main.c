/*
 * The main function of every end-to-end test program: starts the program's PostgreSQL, runs the tests one after the other, each in
 * a process of its own (Criterion), and shows the proxy's log of those that failed.
 * Not for the tests' own set-up: each starts its proxy itself.
 */
#include "tests/e2e/support/postgres.h"
#include "tests/e2e/support/run_directory.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/options.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEST_TIMEOUT_S = 300 };

ReportHook(POST_TEST)(struct criterion_test_stats *stats)
{
    if (stats->test_status == CR_STATUS_FAILED || stats->crashed || stats->timed_out)
        run_directory_show_logs(stats->test->category, stats->test->name);
}

int main(int argc, char *argv[])
{
    struct criterion_test_set *tests = criterion_initialize();
    int result = 0;
    if (criterion_handle_args(argc, argv, true)) {
        criterion_options.jobs = 1;
        if (criterion_options.timeout <= 0) criterion_options.timeout = TEST_TIMEOUT_S;
        run_directory_init();
        postgres_make_template();
        struct postgres *postgres = postgres_start(&e2e_postgres_options);
        postgres_share(postgres);
        result = criterion_run_all_tests(tests) ? 0 : 1;
        postgres_remove(&postgres);
    }
    criterion_finalize(tests);
    return result;
}
