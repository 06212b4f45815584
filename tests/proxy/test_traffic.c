/* Averages over a period. */
#include "proxy/traffic.h"

#include <criterion/criterion.h>

Test(traffic, averages)
{
    struct traffic before = {.xact_count = 100, .query_count = 7, .received = 5, .xact_time = 1000};
    struct traffic after = {.xact_count = 160, .query_count = 10, .received = 65, .xact_time = 61000, .query_time = 10, .wait_time = 3};
    struct traffic averages;
    traffic_average(&before, &after, 30000000, &averages);
    cr_expect_eq(averages.xact_count, 2);
    cr_expect_eq(averages.query_count, 0);
    cr_expect_eq(averages.received, 2);
    cr_expect_eq(averages.xact_time, 1000); /* of each transaction */
    cr_expect_eq(averages.query_time, 3);
    cr_expect_eq(averages.wait_time, 0); /* nobody was given a server */
    traffic_average(&after, &after, 30000000, &averages);
    cr_expect_eq(averages.xact_time + averages.xact_count, 0);
    traffic_average(&before, &after, 0, &averages);
    cr_expect_eq(averages.xact_count, 0);
}

Test(traffic, sums)
{
    struct traffic sum = {.sent = 1, .client_login_count = 2}, more = {.sent = 10, .bind_count = 3};
    traffic_add(&sum, &more);
    cr_expect(sum.sent == 11 && sum.client_login_count == 2 && sum.bind_count == 3 && sum.xact_count == 0);
}
