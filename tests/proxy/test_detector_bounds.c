/* Memory that stays bounded, and what a statement costs. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/detector.h"

static struct detector *detector;
static struct detector_settings settings;
static int64_t now_us;

static void start(void)
{
    struct settings standard;
    settings_init(&standard);
    detector_settings_from(&standard, &settings);
    detector = detector_new(&settings, &(struct detector_host){0}, 0);
    now_us = 1000000;
}

static void end(void)
{
    detector_free(&detector);
    cr_expect_null(detector);
}

TestSuite(detector_bounds, .init = start, .fini = end);

static uint64_t hash_of(uint64_t value)
{
    value = (value + 0x9e3779b97f4a7c15U) * 0xbf58476d1ce4e5b9U;
    return (value ^ value >> 31) | 1;
}

static void run(struct detector_client *client, uint64_t shape, const char *text, enum shape_class class, uint64_t parameter)
{
    struct execution_slot slot = {.hash = hash_of(parameter), .number = 1, .role = SLOT_EQUAL};
    struct execution execution = {.shape = shape, .slots = &slot, .slot_count = 1};
    if (!detector_statement(client, &execution, now_us)) {
        struct shape_description description = {.text = text, .text_size = strlen(text), .class = class};
        detector_learn(client, shape, &description, now_us);
        cr_assert(detector_statement(client, &execution, now_us));
    }
    detector_sync(client);
    now_us += 100;
    detector_done(client, 1, false, now_us);
    detector_ready(client, 'I', now_us);
    now_us += 20;
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

Test(detector_bounds, a_million_different_texts)
{
    enum { TEXTS = 1000000 };
    struct detector_client *client = detector_client_new(detector, "shop", "web", "", now_us);
    size_t early = 0;
    for (uint64_t i = 1; i <= TEXTS; i++) {
        char text[400];
        snprintf(text, sizeof text, "select %0350llu from t where id = $1", (unsigned long long)i);
        run(client, hash_of(i), text, SHAPE_READ, i);
        if (i == TEXTS / 10) early = heap_bytes();
    }
    struct detector_counters counters;
    detector_counters(detector, &counters);
    cr_expect_leq(shapes_count(detector_shapes(detector)), SHAPES_CAPACITY);
    cr_expect_eq(shapes_evicted(detector_shapes(detector)), TEXTS - shapes_count(detector_shapes(detector)));
    cr_expect_leq(counters.memory_bytes, settings.memory_max);
    cr_expect_leq(heap_bytes(), early + 1024 * 1024, "%zu bytes after a tenth, %zu at the end", early, heap_bytes());
    cr_expect_gt(counters.groups_overflowed, 0);
    detector_client_free(&client, now_us);
}

Test(detector_bounds, a_million_savepoint_names)
{
    /* Their names are not in the fingerprint: one shape, which counts in no group. */
    struct detector_client *client = detector_client_new(detector, "shop", "web", "", now_us);
    run(client, 1, "begin", SHAPE_BEGIN, 0);
    size_t early = heap_bytes();
    for (int i = 0; i < 1000000; i++) run(client, 2, "savepoint", SHAPE_OTHER, (uint64_t)i);
    cr_expect_leq(heap_bytes(), early + 64 * 1024);
    cr_expect_eq(shapes_count(detector_shapes(detector)), 2);
    detector_client_free(&client, now_us);
    cr_expect_eq(findings_count(detector_findings(detector)), 0);
}

Test(detector_bounds, very_many_routes_and_traces)
{
    struct detector_client *client = detector_client_new(detector, "shop", "web", "", now_us);
    size_t early = 0;
    for (uint64_t i = 1; i <= 200000; i++) {
        char route[32];
        snprintf(route, sizeof route, "/order/%llu", (unsigned long long)i);
        struct execution_tags tags = {
            .unit = hash_of(i), .unit_text = route, .unit_text_size = strlen(route), .route = route, .route_size = strlen(route)};
        struct execution execution = {.shape = 1, .tags = &tags};
        for (int n = 0; n < 3; n++) {
            if (!detector_statement(client, &execution, now_us)) {
                detector_learn(client, 1, &(struct shape_description){.text = "select now()", .text_size = 12, .class = SHAPE_READ},
                               now_us);
                cr_assert(detector_statement(client, &execution, now_us));
            }
            detector_sync(client);
            detector_done(client, 1, false, ++now_us);
            detector_ready(client, 'I', now_us);
        }
        detector_tick(detector, now_us);
        if (i == 60000) early = heap_bytes();
    }
    struct detector_counters counters;
    detector_counters(detector, &counters);
    cr_expect_leq(counters.memory_bytes, settings.memory_max);
    cr_expect_gt(counters.memory_refusals, 0);
    cr_expect_leq(findings_count(detector_findings(detector)), FINDINGS_MAX);
    cr_expect_leq(heap_bytes(), early + 1024 * 1024);
    detector_client_free(&client, now_us);
}

Test(detector_bounds, little_memory_means_less_is_counted)
{
    settings.memory_max = 40 * 1024;
    detector_configure(detector, &settings);
    struct detector_client *clients[50];
    for (int c = 0; c < 50; c++) clients[c] = detector_client_new(detector, "shop", "web", "", now_us);
    for (uint64_t i = 0; i < 50000; i++) run(clients[i % 50], 1 + i % 97, "select $1", SHAPE_READ, i);
    struct detector_counters counters;
    detector_counters(detector, &counters);
    cr_expect_leq(counters.memory_bytes, settings.memory_max);
    cr_expect_gt(counters.memory_refusals, 0);
    for (int c = 0; c < 50; c++) detector_client_free(&clients[c], now_us);
}

Test(detector_bounds, nothing_is_left_when_clients_are_gone)
{
    struct detector_client *client = detector_client_new(detector, "shop", "web", "", now_us);
    for (uint64_t i = 0; i < 100; i++) run(client, 1, "select $1", SHAPE_READ, i);
    cr_expect_neq(detector_next_due_us(detector), INT64_MAX);
    detector_client_free(&client, now_us);
    cr_expect_null(client);
    cr_expect_eq(detector_next_due_us(detector), INT64_MAX);
}

/* ---- cost ---- */

static double ns_per_statement(unsigned shapes, unsigned requests, bool is_new_client)
{
    struct timespec before, after;
    struct detector_client *client = detector_client_new(detector, "shop", "web", "", now_us);
    unsigned count = 0;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (unsigned r = 0; r < requests; r++) {
        for (unsigned s = 0; s < shapes; s++, count++) run(client, s + 1, "select $1", SHAPE_READ, r);
        if (is_new_client) {
            detector_client_free(&client, now_us);
            client = detector_client_new(detector, "shop", "web", "", now_us);
        } else {
            now_us += 200000;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    detector_client_free(&client, now_us);
    return ((double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / count;
}

/* No bounds here that a loaded machine could break; the numbers are for people. */
Test(detector_bounds, cost_of_a_statement)
{
    unsigned factor = getenv("DETECTOR_BENCH") != NULL ? 100 : 1;
    fprintf(stderr, "ten shapes a request: %.0f ns a statement\n", ns_per_statement(10, 2000 * factor, false));
    fprintf(stderr, "forty shapes a request: %.0f ns\n", ns_per_statement(40, 500 * factor, false));
    fprintf(stderr, "ten shapes a request, a connection for each: %.0f ns\n", ns_per_statement(10, 2000 * factor, true));
    fprintf(stderr, "one shape, one request: %.0f ns\n", ns_per_statement(1, 1, false));
    struct timespec before, after;
    struct detector_client *client = detector_client_new(detector, "shop", "web", "", now_us);
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (unsigned i = 0; i < 20000 * factor; i++) run(client, 1, "select $1", SHAPE_READ, i);
    clock_gettime(CLOCK_MONOTONIC, &after);
    fprintf(stderr, "one shape without end: %.0f ns\n",
            ((double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / (20000 * factor));
    detector_client_free(&client, now_us);
}
