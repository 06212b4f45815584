/*
 * The turnstile beside other rules, in loads that hurt. Prints a table for each, checks what is claimed, and writes a picture of each when a directory
 * is named. Usage: sim [DIRECTORY]. Exits 1 when a claim does not hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/engine.h"
#include "tests/sim/picture.h"

enum { RULES_MAX = 3 };

static const char *directory; /* NULL: no pictures */
static int broken;

static void claim(bool is_true, const char *text)
{
    printf("  %s %s\n", is_true ? "holds: " : "BROKEN:", text);
    if (!is_true) broken++;
}

static double part_ms(const struct sim_result *result, uint32_t kind, double part)
{
    return (double)histogram_percentile(&result->wait_us[kind], part) / 1000;
}

static void print_table(const struct sim_load *load, const struct sim_result *results, uint32_t count)
{
    printf("  %-26s %-10s %9s %10s %10s %10s %10s %7s\n", "rule", "kind", "leases", "wait p50", "p99", "longest", "slots", "moves");
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t kind = 0; kind < load->kind_count; kind++) {
            const struct sim_result *result = &results[i];
            printf("  %-26s %-10s %9llu %7.1f ms %7.1f ms %7.1f ms %10.1f", kind ? "" : sim_rule_names[result->rule],
                   load->kinds[kind].name, (unsigned long long)result->leases[kind], part_ms(result, kind, 0.5),
                   part_ms(result, kind, 0.99), (double)result->wait_us[kind].max / 1000,
                   result->slot_seconds[kind] / (double)load->end_us * SIM_SECOND);
            if (kind == 0) printf(" %7u", result->moves);
            putchar('\n');
        }
    }
}

static const struct sim_result *run(const char *name, const char *title, const struct sim_load *load, const enum sim_rule *rules,
                                    uint32_t count)
{
    static struct sim_result results[RULES_MAX];
    printf("\n%s\n", title);
    for (uint32_t i = 0; i < count; i++) sim_run(load, rules[i], &results[i]);
    print_table(load, results, count);
    if (!directory) return results;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.svg", directory, name);
    if (picture_write(path, title, load, results, count) != 0) {
        perror(path);
        exit(2);
    }
    printf("  picture: %s\n", path);
    return results;
}

static void top_of_the_hour(void)
{
    const struct sim_load load = {.budget = 85,
                                  .login_us = 5000,
                                  .close_us = 1000,
                                  .end_us = 8 * SIM_SECOND,
                                  .kind_count = 2,
                                  .kinds = {{.name = "http",
                                             .clients = 3000,
                                             .lease_us = 20000,
                                             .from_us = 3 * SIM_SECOND,
                                             .within_us = SIM_SECOND,
                                             .asks_once = true,
                                             .fixed = 45,
                                             .rules = {.name = "web", .reserve = 20, .lend_max_us = 50000}},
                                            {.name = "worker",
                                             .clients = 40,
                                             .lease_us = 2 * SIM_SECOND,
                                             .think_us = 500000,
                                             .within_us = 2 * SIM_SECOND,
                                             .fixed = 40,
                                             .rules = {.name = "worker"}}}};
    const struct sim_result *results =
        run("top_of_the_hour", "Top of the hour: 3000 HTTP requests of 20 ms in one second, beside 40 workers of 2 s", &load,
            (enum sim_rule[]){SIM_FIFO, SIM_FIXED, SIM_TURNSTILE}, 3);
    claim(results[2].leases[0] == 3000, "every request is served");
    claim(results[2].last_us[0] < 5 * SIM_SECOND, "the last one has ended a second after the last has come");
    claim(results[2].leases[1] * 10 >= results[0].leases[1] * 9, "the workers keep nine tenths of their pace");
}

static void greedy_workers(void)
{
    const struct sim_load load = {.budget = 85,
                                  .login_us = 5000,
                                  .close_us = 1000,
                                  .end_us = 60 * SIM_SECOND,
                                  .kind_count = 2,
                                  .kinds = {{.name = "web",
                                             .clients = 50,
                                             .lease_us = 5000,
                                             .think_us = 50000,
                                             .from_us = 2 * SIM_SECOND,
                                             .within_us = SIM_SECOND,
                                             .rules = {.name = "web", .reserve = 10, .lend_max_us = 50000}},
                                            {.name = "worker",
                                             .clients = 300,
                                             .lease_us = 10 * SIM_SECOND,
                                             .think_us = 1000,
                                             .within_us = SIM_SECOND,
                                             .rules = {.name = "worker"}}}};
    const struct sim_result *results = run("greedy_workers", "Greedy workers: 300 with transactions of 10 s, beside 50 web clients of 5 ms",
                                           &load, (enum sim_rule[]){SIM_FIFO, SIM_PRIORITY, SIM_TURNSTILE}, 3);
    claim(part_ms(&results[0], 0, 0.99) > 5000, "first come, first served makes web wait for seconds");
    claim(part_ms(&results[1], 0, 0.99) > 100, "priority alone does not help once long jobs hold every slot");
    claim(part_ms(&results[2], 0, 0.99) < 20, "with a reserve the p99 of web's waits is under 20 ms");
    claim(results[2].slot_seconds[1] > results[0].slot_seconds[1] * 0.85, "and the workers have what is not reserved");
}

static void throttled_job(void)
{
    const struct sim_load load = {
        .budget = 20,
        .login_us = 5000,
        .close_us = 1000,
        .end_us = 20 * SIM_SECOND,
        .kind_count = 3,
        .kinds = {{.name = "import",
                   .clients = 50,
                   .lease_us = 800000,
                   .think_us = 1000,
                   .key = "import",
                   .rules = {.name = "worker", .share_limit = 2}},
                  {.name = "mail", .clients = 4, .lease_us = 20000, .think_us = 100000, .key = "mail"},
                  {.name = "other", .clients = 30, .lease_us = 50000, .think_us = 100000, .rules = {.name = "default"}}}};
    const struct sim_result *results =
        run("throttled_job", "A job type throttled to 2: 50 imports of 0.8 s, beside mails in the same class, and others", &load,
            (enum sim_rule[]){SIM_FIFO, SIM_TURNSTILE}, 2);
    claim(results[1].most_leased[0] == 2, "never more than 2 imports at once");
    claim(results[1].slot_seconds[0] > 19 * 2, "and never fewer, while imports wait");
    claim(part_ms(&results[0], 2, 0.5) > 100 && part_ms(&results[1], 2, 0.99) < 20,
          "the others, who waited behind the imports, do not any more");
    claim(part_ms(&results[1], 1, 0.99) < 50, "nor do the mails, of the same class");
}

static void both_saturated(void)
{
    const struct sim_load load = {
        .budget = 85,
        .login_us = 5000,
        .close_us = 1000,
        .end_us = 120 * SIM_SECOND,
        .kind_count = 2,
        .kinds = {{.name = "web", .clients = 300, .lease_us = 5000, .within_us = SIM_SECOND, .rules = {.name = "web"}},
                  {.name = "worker", .clients = 300, .lease_us = 10 * SIM_SECOND, .within_us = SIM_SECOND, .rules = {.name = "worker"}}}};
    const struct sim_result *results =
        run("both_saturated", "More than enough of both: 300 web clients of 5 ms and 300 workers of 10 s, equal weights", &load,
            (enum sim_rule[]){SIM_FIFO, SIM_SLOT_TIME, SIM_TURNSTILE}, 3);
    double share = results[2].slot_seconds[0] / (results[2].slot_seconds[0] + results[2].slot_seconds[1]);
    claim(share > 0.48 && share < 0.52, "each has half of the slots");
    claim(part_ms(&results[2], 0, 0.99) < 100, "at any time, so web never waits for long");
    claim(results[1].wait_us[0].max > 5 * results[2].wait_us[0].max,
          "by slot-time alone it is half in the end, but all or nothing meanwhile");
}

static void reserve_against_greed(void)
{
    const struct sim_load load = {.budget = 85,
                                  .login_us = 5000,
                                  .close_us = 1000,
                                  .end_us = 20 * SIM_SECOND,
                                  .kind_count = 2,
                                  .kinds = {{.name = "web",
                                             .clients = 50,
                                             .lease_us = 5000,
                                             .think_us = 5000,
                                             .from_us = SIM_SECOND,
                                             .within_us = SIM_SECOND,
                                             .fixed = 20,
                                             .rules = {.name = "web", .weight = 20, .reserve = 20, .lend_max_us = 50000}},
                                            {.name = "worker",
                                             .clients = 500,
                                             .lease_us = 2 * SIM_SECOND,
                                             .think_us = 1000,
                                             .fixed = 65,
                                             .pool = 1,
                                             .rules = {.name = "worker", .weight = 65}}}};
    const struct sim_result *results =
        run("reserve", "500 greedy workers of 2 s and 50 web clients of 5 ms, two users, 85 slots, 20 of them reserved for web", &load,
            (enum sim_rule[]){SIM_FIFO, SIM_FIXED, SIM_TURNSTILE}, 3);
    claim(part_ms(&results[2], 0, 0.99) < 20, "the p99 of web's waits is under 20 ms");
    claim(results[2].leases[0] * 100 >= results[1].leases[0] * 97, "web has as many transactions as with pools of fixed sizes");
    claim(results[2].slot_seconds[1] >= results[1].slot_seconds[1] * 0.97, "and so have the workers");
}

static void one_side_rests(void)
{
    const struct sim_load load = {.budget = 85,
                                  .login_us = 5000,
                                  .close_us = 1000,
                                  .end_us = 40 * SIM_SECOND,
                                  .kind_count = 2,
                                  .kinds = {{.name = "web",
                                             .clients = 100,
                                             .lease_us = 5000,
                                             .think_us = 5000,
                                             .within_us = SIM_SECOND,
                                             .rests_from_us = 10 * SIM_SECOND,
                                             .rests_until_us = 20 * SIM_SECOND,
                                             .fixed = 20,
                                             .rules = {.name = "web", .weight = 20, .reserve = 20, .lend_max_us = 50000}},
                                            {.name = "worker",
                                             .clients = 200,
                                             .lease_us = 20000,
                                             .think_us = 1000,
                                             .within_us = SIM_SECOND,
                                             .rests_from_us = 30 * SIM_SECOND,
                                             .rests_until_us = 40 * SIM_SECOND,
                                             .fixed = 65,
                                             .pool = 1,
                                             .rules = {.name = "worker", .weight = 65}}}};
    const struct sim_result *results =
        run("one_side_rests", "Web rests from 10 to 20 s, workers of 20 ms from 30 s on: who may use what is idle?", &load,
            (enum sim_rule[]){SIM_FIXED, SIM_TURNSTILE}, 2);
    uint32_t lent = results[1].samples[15 * SIM_SAMPLES / 40].leased[1];
    claim(lent > 80 && results[0].samples[15 * SIM_SAMPLES / 40].leased[1] <= 65, "while web rests, short-leased workers use its reserve");
    claim(results[1].samples[35 * SIM_SAMPLES / 40].leased[0] > 40, "while the workers rest, web uses more than its reserve");
    claim(results[1].leases[0] > results[0].leases[0] && results[1].leases[1] >= results[0].leases[1],
          "so both get more than from fixed pools");
    claim(part_ms(&results[1], 0, 0.99) < 50, "and web's p99 stays short when it returns");
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        fprintf(stderr, "Usage: %s [DIRECTORY]\n", argv[0]);
        return 2;
    }
    directory = argc == 2 ? argv[1] : NULL;
    top_of_the_hour();
    greedy_workers();
    throttled_job();
    both_saturated();
    reserve_against_greed();
    one_side_rests();
    printf("\n%d claims broken\n", broken);
    return broken == 0 ? 0 : 1;
}
