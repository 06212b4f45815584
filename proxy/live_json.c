/* The data of the live page. Not for: drawing it. */
#include "proxy/live_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ERRORS_SHOWN_MAX = 20 };

static void key(struct text_buffer *out, const char *name)
{
    text_buffer_print(out, "\"%s\":", name);
}

static void number(struct text_buffer *out, const char *name, uint64_t value)
{
    text_buffer_print(out, "\"%s\":%" PRIu64 ",", name, value);
}

/* Microseconds as a number of milliseconds. */
static void milliseconds(struct text_buffer *out, const char *name, uint64_t us, const char *after)
{
    text_buffer_print(out, "\"%s\":%" PRIu64 ".%03" PRIu64 "%s", name, us / 1000, us % 1000, after);
}

static void text(struct text_buffer *out, const char *name, const char *value)
{
    key(out, name);
    text_buffer_add_json(out, value);
    text_buffer_add(out, ",");
}

static void seconds_since(struct text_buffer *out, int64_t since_us, int64_t now_us)
{
    uint64_t us = now_us > since_us ? (uint64_t)(now_us - since_us) : 0;
    text_buffer_print(out, "%" PRIu64 ".%03" PRIu64, us / 1000000, us / 1000 % 1000);
}

/* A comma in front of all but the first. */
static void next(struct text_buffer *out, size_t i)
{
    if (i > 0) text_buffer_add(out, ",");
}

static void render_times(struct text_buffer *out, const char *name, const struct histogram *histogram)
{
    key(out, name);
    text_buffer_add(out, "{");
    milliseconds(out, "p50", histogram_recent_percentile(histogram, 0.5), ",");
    milliseconds(out, "p90", histogram_recent_percentile(histogram, 0.9), ",");
    milliseconds(out, "p99", histogram_recent_percentile(histogram, 0.99), ",");
    milliseconds(out, "max", histogram->max, "},");
}

static void render_class(struct text_buffer *out, const struct snapshot_class *class)
{
    text_buffer_add(out, "{");
    text(out, "name", class->name);
    number(out, "reserve", class->reserve);
    number(out, "limit", class->limit);
    number(out, "weight", class->weight);
    number(out, "leased", class->leased);
    number(out, "waiting", class->waiting);
    milliseconds(out, "longest_wait_ms", (uint64_t) class->longest_wait_us, ",");
    render_times(out, "wait_ms", &class->wait_us);
    render_times(out, "lease_ms", &class->lease_us);
    render_times(out, "query_ms", &class->query_us);
    number(out, "refused", class->refused_queue_full);
    number(out, "deadlines", class->timed_out);
    number(out, "clients", class->clients);
    number(out, "workers", class->workers);
    text_buffer_print(out, "\"granted\":%" PRIu64 "}", class->granted);
}

/* So that the grid has blocks: the leased ones by class and state, then the others. */
static int compare_seats(const void *left, const void *right)
{
    const struct snapshot_seat *a = left, *b = right;
    if ((a->class < 0) != (b->class < 0)) return a->class < 0 ? 1 : -1;
    if (a->class != b->class) return a->class < b->class ? -1 : 1;
    return (a->state > b->state) - (a->state < b->state);
}

static void render_seats(struct text_buffer *out, const struct snapshot *snapshot)
{
    size_t size = snapshot->seat_count * sizeof(struct snapshot_seat);
    struct snapshot_seat *seats = malloc(size + 1);
    if (!seats) abort();
    memcpy(seats, snapshot->seats, size);
    qsort(seats, snapshot->seat_count, sizeof *seats, compare_seats);
    text_buffer_add(out, "\"seats\":[");
    struct text_buffer title = {0};
    for (uint32_t i = 0; i < snapshot->seat_count; i++) {
        next(out, i);
        text_buffer_print(out, "[\"%s\",%d,", seat_state_text(seats[i].state), seats[i].class);
        if (seats[i].since_us > 0)
            seconds_since(out, seats[i].since_us, snapshot->now_us);
        else
            text_buffer_add(out, "null");
        title.size = 0;
        text_buffer_print(&title, "%s as %s", seats[i].database, seats[i].user);
        text_buffer_add(out, ",");
        text_buffer_add_json(out, title.text);
        text_buffer_add(out, "]");
    }
    text_buffer_add(out, "],");
    text_buffer_fini(&title);
    free(seats);
}

static void render_holder(struct text_buffer *out, const struct snapshot_holder *holder, int64_t now_us)
{
    text_buffer_print(out, "{\"class\":%d,\"pid\":%" PRIu32 ",", holder->class, holder->pid);
    key(out, "seconds");
    seconds_since(out, holder->since_us, now_us);
    text_buffer_add(out, ",");
    text(out, "state", seat_state_text(holder->state));
    text(out, "pinned", holder->pin_text);
    text(out, "user", holder->user);
    text(out, "database", holder->database);
    text(out, "application", holder->application);
    if (holder->client)
        text_buffer_print(out, "\"client\":%" PRIu64 "}", holder->client);
    else
        text_buffer_add(out, "\"client\":null}");
}

static void render_history(struct text_buffer *out, const struct history *history)
{
    text_buffer_add(out, "\"history\":{");
#define SERIES(member)                                                                                                                \
    text_buffer_add(out, "\"" #member "\":[");                                                                                        \
    for (uint32_t i = 0; i < history->count; i++) text_buffer_print(out, "%s%" PRIu32, i ? "," : "", history_at(history, i)->member); \
    text_buffer_add(out, "]")
    SERIES(leases);
    text_buffer_add(out, ",");
    SERIES(waiting);
    text_buffer_add(out, ",");
    SERIES(in_use);
    text_buffer_add(out, ",");
    SERIES(longest_wait_ms);
#undef SERIES
    text_buffer_add(out, "},");
}

static int compare_errors(const void *left, const void *right)
{
    const struct error_count *const *a = left, *const *b = right;
    return ((*a)->last_us < (*b)->last_us) - ((*a)->last_us > (*b)->last_us);
}

static void render_error(struct text_buffer *out, const struct error_count *count, int64_t now_us)
{
    text_buffer_add(out, "{");
    text(out, "sqlstate", count->sqlstate);
    text(out, "class", count->class);
    number(out, "server", count->of_servers);
    number(out, "pgturnstile", count->of_ours);
    key(out, "last_s");
    seconds_since(out, count->last_us, now_us);
    text_buffer_add(out, "}");
}

/* What came last comes first. */
static void render_errors(struct text_buffer *out, const struct snapshot *snapshot)
{
    const struct error_counts *errors = &snapshot->errors;
    const struct error_count *latest[ERROR_COUNTS_MAX] = {NULL};
    for (uint32_t i = 0; i < errors->size; i++) latest[i] = &errors->counts[i];
    qsort(latest, errors->size, sizeof latest[0], compare_errors);
    uint32_t shown = errors->size < ERRORS_SHOWN_MAX ? errors->size : ERRORS_SHOWN_MAX;
    text_buffer_add(out, "\"errors\":[");
    for (uint32_t i = 0; i < shown; i++) {
        next(out, i);
        render_error(out, latest[i], snapshot->now_us);
    }
    text_buffer_add(out, "],");
    number(out, "errors_left_out", errors->size - shown);
}

static void render_duplicate(struct text_buffer *out, const struct snapshot_finding *finding)
{
    text_buffer_add(out, "{");
    text(out, "route", finding->route);
    text(out, "database", finding->database);
    text(out, "user", finding->user);
    text(out, "shape", finding->shape);
    text(out, "verdict", verdict_word(finding->verdict));
    text(out, "confidence", confidence_word(finding->confidence));
    number(out, "units", finding->units);
    text_buffer_print(out, "\"n\":%.1f,", finding->units ? (double)finding->n / (double)finding->units : 0.);
    milliseconds(out, "lost_ms", finding->lost_us > 0 ? (uint64_t)finding->lost_us : 0, "}");
}

static void render_duplicates(struct text_buffer *out, const struct snapshot *snapshot)
{
    key(out, "duplicates");
    if (!snapshot->is_analysing) {
        text_buffer_add(out, "null");
        return;
    }
    text_buffer_add(out, "[");
    for (uint32_t i = 0; i < snapshot->finding_count; i++) {
        next(out, i);
        render_duplicate(out, &snapshot->findings[i]);
    }
    text_buffer_add(out, "]");
}

void live_json_render(const struct snapshot *snapshot, int64_t uptime_us, struct text_buffer *out)
{
    text_buffer_add(out, "{");
    text(out, "version", PACKAGE_VERSION);
    text(out, "state", snapshot->state);
    number(out, "uptime_s", (uint64_t)uptime_us / 1000000);
    number(out, "budget", snapshot->budget);
    number(out, "leased", snapshot->leased);
    number(out, "open", snapshot->idle + snapshot->leased);
    number(out, "clients", snapshot->clients);
    number(out, "waiting", snapshot->waiting);
    text_buffer_add(out, "\"classes\":[");
    for (uint32_t i = 0; i < snapshot->class_count; i++) {
        next(out, i);
        render_class(out, &snapshot->classes[i]);
    }
    text_buffer_add(out, "],");
    render_seats(out, snapshot);
    number(out, "seats_left_out", snapshot->seats_left_out);
    text_buffer_add(out, "\"holders\":[");
    for (uint32_t i = 0; i < snapshot->holder_count; i++) {
        next(out, i);
        render_holder(out, &snapshot->holders[i], snapshot->now_us);
    }
    text_buffer_add(out, "],");
    render_history(out, &snapshot->history);
    render_errors(out, snapshot);
    render_duplicates(out, snapshot);
    text_buffer_add(out, "}\n");
}
