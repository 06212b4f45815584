#include <criterion/criterion.h>
#include <string.h>

#include "protocol/backend.h"
#include "proxy/clocks.h"

static const struct time_limits all = {.wait_us = 1000,
                                       .notify_us = 100,
                                       .deadline_us = 500,
                                       .query_us = 300,
                                       .transaction_us = 400,
                                       .idle_transaction_us = 200,
                                       .client_idle_us = 5000};

static void expect(const struct clocks *clocks, enum clocks_phase phase, enum clock wanted, int64_t wanted_us)
{
    int64_t due_us;
    cr_expect_eq(clocks_next(clocks, phase, &due_us), wanted, "phase %d", phase);
    cr_expect_eq(due_us, wanted_us, "phase %d: %lld", phase, (long long)due_us);
}

Test(clocks_next, the_first_one_of_each_phase)
{
    struct clocks clocks = {.limits = &all, .since_us = 10000, .unit_us = 10000, .transaction_us = 10000};
    expect(&clocks, PHASE_ELSEWHERE, CLOCK_NONE, INT64_MAX);
    expect(&clocks, PHASE_IDLE, CLOCK_CLIENT_IDLE, 15000);
    expect(&clocks, PHASE_WAITING, CLOCK_NOTIFY, 10100);
    expect(&clocks, PHASE_RUNNING, CLOCK_QUERY, 10300);
    expect(&clocks, PHASE_IN_TRANSACTION, CLOCK_IDLE_TRANSACTION, 10200);
    expect(&clocks, PHASE_BEGUN, CLOCK_IDLE_TRANSACTION, 10200);
    expect(&clocks, PHASE_FAILED, CLOCK_IDLE_TRANSACTION, 10200);
}

Test(clocks_next, one_after_the_other)
{
    struct time_limits limits = all;
    struct clocks clocks = {.limits = &limits, .since_us = 10000, .unit_us = 10000, .transaction_us = 10000, .was_notified = true};
    expect(&clocks, PHASE_WAITING, CLOCK_DEADLINE, 10500);
    limits.deadline_us = 0;
    expect(&clocks, PHASE_WAITING, CLOCK_WAIT, 11000);
    limits.query_us = 0;
    expect(&clocks, PHASE_RUNNING, CLOCK_TRANSACTION, 10400);
    limits.deadline_us = 350;
    expect(&clocks, PHASE_RUNNING, CLOCK_DEADLINE, 10350);
}

/* Each from its own beginning. */
Test(clocks_next, a_later_statement_of_an_older_transaction)
{
    struct clocks clocks = {.limits = &all, .since_us = 10290, .unit_us = 9900, .transaction_us = 10000};
    expect(&clocks, PHASE_RUNNING, CLOCK_DEADLINE, 10400);
    clocks.unit_us = 9950;
    expect(&clocks, PHASE_RUNNING, CLOCK_TRANSACTION, 10400);
    expect(&clocks, PHASE_IN_TRANSACTION, CLOCK_TRANSACTION, 10400);
}

Test(clocks_next, no_limit_no_clock)
{
    struct clocks clocks = {.limits = &time_limits_none, .since_us = 1, .unit_us = 1, .transaction_us = 1};
    for (int phase = PHASE_ELSEWHERE; phase <= PHASE_FAILED; phase++) expect(&clocks, (enum clocks_phase)phase, CLOCK_NONE, INT64_MAX);
}

Test(clocks_tell, every_clock_has_its_words)
{
    for (int clock = CLOCK_DEADLINE; clock < CLOCK_COUNT; clock++) {
        struct clocks_words words;
        struct clocks_story story = {.class = "web", .limit = "patience of class \"web\"", .waited_us = 1234567, .ran_us = 89000};
        clocks_tell((enum clock)clock, &story, &words);
        cr_expect_eq(strlen(words.sqlstate), 5);
        cr_expect_eq(strncmp(words.message, "pgturnstile: ", 13), 0);
        static const char hint[] = "Raise patience of class \"web\" in pgturnstile, or ";
        cr_expect_eq(strncmp(words.hint, hint, strlen(hint)), 0, "%s", words.hint);
        cr_expect_eq(words.hint[strlen(words.hint) - 1], '.');
        cr_expect_str_eq(words.detail, "Class \"web\": it waited 1234 ms for a server connection and ran 89 ms.");
    }
}

/* The narrowest place that says anything, by the name that the limit has there. */
Test(clocks_name_limit, by_where_it_stands)
{
    static const struct config_times nothing = {-1, -1, -1, -1, -1, -1, -1};
    static const char *const names[] = {[CONFIG_CLASS] = "c", [CONFIG_USER] = "u", [CONFIG_DATABASE] = "*"};
    struct config_times said[CONFIG_LEVELS] = {nothing, nothing, nothing};
    char name[CLOCKS_LIMIT_SIZE];
    clocks_name_limit(CLOCK_WAIT, said, names, name);
    cr_expect_str_eq(name, "query_wait_timeout");
    said[CONFIG_DATABASE].wait_us = 5;
    clocks_name_limit(CLOCK_WAIT, said, names, name);
    cr_expect_str_eq(name, "query_wait_timeout of database \"*\"");
    said[CONFIG_USER] = (struct config_times){.wait_us = 4, .notify_us = -1, .deadline_us = -1, .query_us = 3, .transaction_us = 2};
    clocks_name_limit(CLOCK_WAIT, said, names, name);
    cr_expect_str_eq(name, "query_wait_timeout of user \"u\"");
    clocks_name_limit(CLOCK_DEADLINE, said, names, name);
    cr_expect_str_eq(name, "deadline");
    said[CONFIG_CLASS] = (struct config_times){.wait_us = 0, .notify_us = -1, .deadline_us = 1, .query_us = -1, .transaction_us = 1};
    clocks_name_limit(CLOCK_WAIT, said, names, name);
    cr_expect_str_eq(name, "wait_timeout of class \"c\"");
    clocks_name_limit(CLOCK_DEADLINE, said, names, name);
    cr_expect_str_eq(name, "deadline of class \"c\"");
    clocks_name_limit(CLOCK_QUERY, said, names, name);
    cr_expect_str_eq(name, "query_timeout of user \"u\"");
    clocks_name_limit(CLOCK_TRANSACTION, said, names, name);
    cr_expect_str_eq(name, "transaction_timeout of class \"c\"");
}

Test(clocks_delay, that_time_counts_for_no_limit)
{
    struct time_limits limits = all;
    struct clocks clocks = {.limits = &limits, .since_us = 10000, .unit_us = 9900, .transaction_us = 9950};
    clocks_delay(&clocks, 70000, 90000);
    expect(&clocks, PHASE_RUNNING, CLOCK_QUERY, 80300);
    limits.query_us = 0;
    expect(&clocks, PHASE_RUNNING, CLOCK_TRANSACTION, 80350);
    limits.transaction_us = 0;
    expect(&clocks, PHASE_RUNNING, CLOCK_DEADLINE, 80400);
}

Test(clocks_delay, what_is_not_under_way_stays_so_and_nothing_begins_in_the_future)
{
    struct clocks clocks = {.limits = &all, .since_us = 10000};
    clocks_delay(&clocks, 70000, 60000);
    cr_expect_eq(clocks.since_us, 60000);
    cr_expect_eq(clocks.unit_us, 0);
    cr_expect_eq(clocks.transaction_us, 0);
    cr_expect_eq(clocks.struck_us, 0);
}
