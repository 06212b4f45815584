/*
 * Metrics in Prometheus' two text formats. They differ in a few places only: in OpenMetrics a counter's family has no _total, units are told, and the end is.
 */
#include "proxy/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum metrics_format metrics_choose(const char *accept)
{
    return strstr(accept, "application/openmetrics-text") ? METRICS_OPENMETRICS : METRICS_TEXT;
}

const char *metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                         : "text/plain; version=0.0.4; charset=utf-8";
}

struct metrics {
    struct text_buffer *out;
    enum metrics_format format;
    const char *family; /* without pgturnstile_ and _total */
    bool is_counter;
};

enum kind { GAUGE, COUNTER, HISTOGRAM };

/* ---- families and samples ---- */

static void comment(struct metrics *metrics, const char *what, const char *text)
{
    bool has_total = metrics->is_counter && metrics->format == METRICS_TEXT;
    text_buffer_print(metrics->out, "# %s pgturnstile_%s%s %s\n", what, metrics->family, has_total ? "_total" : "", text);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* `family` is kept until the next; `help` has neither '"' nor '\\' nor a line break in it. */
static void begin(struct metrics *metrics, enum kind kind, const char *family, const char *help)
{
    static const char *const kinds[] = {[GAUGE] = "gauge", [COUNTER] = "counter", [HISTOGRAM] = "histogram"};
    metrics->family = family;
    metrics->is_counter = kind == COUNTER;
    comment(metrics, "HELP", help);
    comment(metrics, "TYPE", kinds[kind]);
    if (metrics->format == METRICS_TEXT) return;
    if (ends_with(family, "_seconds")) comment(metrics, "UNIT", "seconds");
    if (ends_with(family, "_bytes")) comment(metrics, "UNIT", "bytes");
}

static void name(struct metrics *metrics, const char *suffix)
{
    text_buffer_print(metrics->out, "pgturnstile_%s%s", metrics->family, suffix);
}

static void label(struct metrics *metrics, char before, const char *key, const char *value)
{
    text_buffer_print(metrics->out, "%c%s=", before, key);
    text_buffer_add_label(metrics->out, value);
}

/* "{key="value"}", or nothing when `key` is NULL. */
static void only_label(struct metrics *metrics, const char *key, const char *value)
{
    if (!key) return;
    label(metrics, '{', key, value);
    text_buffer_add(metrics->out, "}");
}

static void number(struct metrics *metrics, uint64_t value)
{
    text_buffer_print(metrics->out, " %" PRIu64 "\n", value);
}

static void seconds(struct metrics *metrics, uint64_t us)
{
    text_buffer_print(metrics->out, " %" PRIu64 ".%06" PRIu64 "\n", us / 1000000, us % 1000000);
}

static const char *total_suffix(const struct metrics *metrics)
{
    return metrics->is_counter ? "_total" : "";
}

static void sample(struct metrics *metrics, const char *key, const char *value, uint64_t amount)
{
    name(metrics, total_suffix(metrics));
    only_label(metrics, key, value);
    number(metrics, amount);
}

static void sample_seconds(struct metrics *metrics, const char *key, const char *value, uint64_t us)
{
    name(metrics, total_suffix(metrics));
    only_label(metrics, key, value);
    seconds(metrics, us);
}

static void gauge(struct metrics *metrics, const char *family, const char *help, uint64_t amount)
{
    begin(metrics, GAUGE, family, help);
    sample(metrics, NULL, NULL, amount);
}

/* ---- the whole ---- */

static void render_whole(struct metrics *metrics, const struct snapshot *snapshot, int64_t started_s)
{
    begin(metrics, GAUGE, "build_info", "The version that runs; always 1.");
    sample(metrics, "version", PACKAGE_VERSION, 1);
    gauge(metrics, "start_time_seconds", "When it was started, in seconds since 1970.", (uint64_t)started_s);
    gauge(metrics, "ready", "1 while /readyz says so: not draining, and some database can be logged in to.", !snapshot->why_not_ready);
    gauge(metrics, "draining", "1 after a shutdown has begun.", snapshot->is_draining);
    gauge(metrics, "older_clients",
          "After a restart with -R: clients of the process before this one, which drains and answers here no more.",
          snapshot->older_clients);
    gauge(metrics, "older_slots", "Connections of that process to PostgreSQL: they count against the same budget.", snapshot->older_slots);
    gauge(metrics, "budget", "The most connections to PostgreSQL at once.", snapshot->budget);
    gauge(metrics, "clients", "Clients that are logged in or logging in.", snapshot->clients);
    gauge(metrics, "waiting", "Clients that wait for a server.", snapshot->waiting);
    begin(metrics, GAUGE, "slots", "Connections to PostgreSQL, which the budget bounds, by what becomes of them.");
    sample(metrics, "state", "opening", snapshot->opening);
    sample(metrics, "state", "idle", snapshot->idle);
    sample(metrics, "state", "leased", snapshot->leased);
    sample(metrics, "state", "closing", snapshot->closing);
}

/* A counter of stats.def: microseconds become seconds. */
static void render_counter(struct metrics *metrics, const char *counter, const char *help, uint64_t amount)
{
    if (ends_with(counter, "_us")) {
        char family[64];
        snprintf(family, sizeof family, "%.*s_seconds", (int)(strlen(counter) - strlen("_us")), counter);
        begin(metrics, COUNTER, family, help);
        sample_seconds(metrics, NULL, NULL, amount);
    } else {
        begin(metrics, COUNTER, counter, help);
        sample(metrics, NULL, NULL, amount);
    }
}

static void render_counters(struct metrics *metrics, const struct stats *stats)
{
#define X(counter, text)                                                                             \
    _Static_assert(sizeof #counter + sizeof "_seconds" <= 64, "a name too long for render_counter"); \
    render_counter(metrics, #counter, text, stats->counter);
#include "proxy/stats.def"
#undef X
}

/* ---- classes ---- */

/* What each class has one number of. */
static const struct {
    enum kind kind;
    const char *family, *help;
    size_t offset;
    bool is_wide; /* uint64_t, not uint32_t */
} class_numbers[] = {
    {GAUGE, "class_leased", "Leases that run, by class.", offsetof(struct snapshot_class, leased), false},
    {GAUGE, "class_waiting", "Clients that wait for a server, by class.", offsetof(struct snapshot_class, waiting), false},
    {GAUGE, "class_clients", "Clients that are connected, by class.", offsetof(struct snapshot_class, clients), false},
    {GAUGE, "class_workers", "The number of workers to scale to: workers of SHOW SCALING.", offsetof(struct snapshot_class, workers),
     false},
    {GAUGE, "class_workers_useful", "Workers that the budget is enough for; 0: not known.", offsetof(struct snapshot_class, workers_useful),
     false},
    {GAUGE, "class_reserve", "Slots of the budget that are a class's own.", offsetof(struct snapshot_class, reserve), false},
    {GAUGE, "class_limit", "The most leases of a class; 0 is no limit.", offsetof(struct snapshot_class, limit), false},
    {GAUGE, "class_weight", "A class's part of the time on servers, beside other classes.", offsetof(struct snapshot_class, weight), false},
    {COUNTER, "class_leases", "Leases begun, by class.", offsetof(struct snapshot_class, granted), true},
    {COUNTER, "class_waits", "Leases begun after waiting, by class.", offsetof(struct snapshot_class, waited), true},
    {COUNTER, "class_refused", "Clients turned away because the queue of their class was full (queue_limit).",
     offsetof(struct snapshot_class, refused_queue_full), true},
    {COUNTER, "class_timed_out", "Limits of time that struck, by class.", offsetof(struct snapshot_class, timed_out), true},
};

static uint64_t class_number(const struct snapshot_class *class, size_t i)
{
    const char *member = (const char *)class + class_numbers[i].offset;
    uint64_t wide;
    uint32_t narrow;
    if (class_numbers[i].is_wide) {
        memcpy(&wide, member, sizeof wide);
        return wide;
    }
    memcpy(&narrow, member, sizeof narrow);
    return narrow;
}

/* Seconds, as Prometheus likes them, and the same in microseconds. */
static const struct {
    const char *text;
    uint64_t us;
} bounds[] = {{"0.0001", 100},    {"0.00025", 250},   {"0.0005", 500},    {"0.001", 1000},      {"0.0025", 2500},
              {"0.005", 5000},    {"0.01", 10000},    {"0.025", 25000},   {"0.05", 50000},      {"0.1", 100000},
              {"0.25", 250000},   {"0.5", 500000},    {"1.0", 1000000},   {"2.5", 2500000},     {"5.0", 5000000},
              {"10.0", 10000000}, {"30.0", 30000000}, {"60.0", 60000000}, {"120.0", 120000000}, {"600.0", 600000000}};

static void bucket(struct metrics *metrics, const char *class, const char *bound, uint64_t count)
{
    name(metrics, "_bucket");
    label(metrics, '{', "class", class);
    label(metrics, ',', "le", bound);
    text_buffer_add(metrics->out, "}");
    number(metrics, count);
}

static void histogram(struct metrics *metrics, const char *class, const struct histogram *histogram)
{
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
        bucket(metrics, class, bounds[i].text, histogram_count_up_to(histogram, bounds[i].us));
    bucket(metrics, class, "+Inf", histogram->count);
    name(metrics, "_sum");
    only_label(metrics, "class", class);
    seconds(metrics, histogram->sum);
    name(metrics, "_count");
    only_label(metrics, "class", class);
    number(metrics, histogram->count);
}

static void render_classes(struct metrics *metrics, const struct snapshot *snapshot)
{
    const struct snapshot_class *classes = snapshot->classes, *end = classes + snapshot->class_count;
    for (size_t i = 0; i < sizeof class_numbers / sizeof class_numbers[0]; i++) {
        begin(metrics, class_numbers[i].kind, class_numbers[i].family, class_numbers[i].help);
        for (const struct snapshot_class *class = classes; class < end; class ++)
            sample(metrics, "class", class->name, class_number(class, i));
    }
    begin(metrics, GAUGE, "class_longest_wait_seconds", "How long the client has waited that waits longest, by class.");
    for (const struct snapshot_class *class = classes; class < end; class ++)
        sample_seconds(metrics, "class", class->name, (uint64_t) class->longest_wait_us);
    begin(metrics, COUNTER, "class_slot_seconds", "Time on servers, summed over leases, by class.");
    for (const struct snapshot_class *class = classes; class < end; class ++) sample_seconds(metrics, "class", class->name, class->slot_us);
    begin(metrics, HISTOGRAM, "class_wait_seconds", "How long leases were waited for (0 without a wait), by class.");
    for (const struct snapshot_class *class = classes; class < end; class ++) histogram(metrics, class->name, &class->wait_us);
    begin(metrics, HISTOGRAM, "class_lease_seconds", "How long leases lasted, by class.");
    for (const struct snapshot_class *class = classes; class < end; class ++) histogram(metrics, class->name, &class->lease_us);
    begin(metrics, HISTOGRAM, "class_query_seconds",
          "How long PostgreSQL took for queries, from sending to the end of the answer, by class.");
    for (const struct snapshot_class *class = classes; class < end; class ++) histogram(metrics, class->name, &class->query_us);
}

/* ---- databases, errors, the search for duplicate queries ---- */

static const struct {
    const char *family, *help;
    size_t offset;
    bool is_time;
} database_numbers[] = {
    {"database_transactions", "Transactions, by database.", offsetof(struct traffic, xact_count), false},
    {"database_queries", "Queries, by database.", offsetof(struct traffic, query_count), false},
    {"database_received_bytes", "Bytes received from clients, by database.", offsetof(struct traffic, received), false},
    {"database_sent_bytes", "Bytes sent to clients, by database.", offsetof(struct traffic, sent), false},
    {"database_transaction_seconds", "Time spent in transactions, by database.", offsetof(struct traffic, xact_time), true},
    {"database_query_seconds", "Time spent in queries, by database.", offsetof(struct traffic, query_time), true},
    {"database_wait_seconds", "Time spent waiting for a server, by database.", offsetof(struct traffic, wait_time), true},
    {"database_logins", "Logins of clients, by database.", offsetof(struct traffic, client_login_count), false},
};

static void render_databases(struct metrics *metrics, const struct snapshot *snapshot)
{
    uint32_t count = snapshot->database_count + (snapshot->databases_left_out > 0 ? 1 : 0);
    for (size_t i = 0; i < sizeof database_numbers / sizeof database_numbers[0]; i++) {
        begin(metrics, COUNTER, database_numbers[i].family, database_numbers[i].help);
        for (uint32_t j = 0; j < count; j++) {
            const struct snapshot_database *database = &snapshot->databases[j];
            const char *key = database->name ? "database" : "pool", *value = database->name ? database->name : "other";
            uint64_t amount;
            memcpy(&amount, (const char *)&database->traffic + database_numbers[i].offset, sizeof amount);
            (database_numbers[i].is_time ? sample_seconds : sample)(metrics, key, value, amount);
        }
    }
}

/* `source` NULL: no such label. Of clients that were in no class the label is empty, which is for Prometheus as if there were none. */
static void error_sample(struct metrics *metrics, const struct error_count *count, const char *source, uint64_t amount)
{
    if (amount == 0) return;
    name(metrics, "_total");
    label(metrics, '{', "sqlstate", count->sqlstate);
    label(metrics, ',', "class", count->class);
    if (source) label(metrics, ',', "source", source);
    text_buffer_add(metrics->out, "}");
    number(metrics, amount);
}

static void render_errors(struct metrics *metrics, const struct snapshot *snapshot)
{
    const struct error_counts *errors = &snapshot->errors, *locks = &snapshot->lock_errors;
    begin(metrics, COUNTER, "errors",
          "Errors that clients were told, by SQLSTATE, by class, and by who raised them: PostgreSQL (server) or pgturnstile.");
    for (uint32_t i = 0; i < errors->size; i++) {
        error_sample(metrics, &errors->counts[i], "server", errors->counts[i].of_servers);
        error_sample(metrics, &errors->counts[i], "pgturnstile", errors->counts[i].of_ours);
    }
    begin(metrics, COUNTER, "lock_errors",
          "Deadlocks (40P01), locks that were not available (55P03) and cancelled statements (57014) that clients were told of, by class.");
    for (uint32_t i = 0; i < locks->size; i++) error_sample(metrics, &locks->counts[i], NULL, locks->counts[i].of_servers);
}

static void render_analysis(struct metrics *metrics, const struct snapshot *snapshot)
{
    const struct detector_counters *counters = &snapshot->analysis;
    if (!snapshot->is_analysing) return;
    begin(metrics, COUNTER, "findings", "Units of work in which repeated queries were found, by what they are.");
    for (int i = 0; i < VERDICT_COUNT; i++) sample(metrics, "verdict", verdict_word((enum verdict)i), counters->found[i]);
    begin(metrics, COUNTER, "analysed_statements", "Statements that the search for repeated queries has seen.");
    sample(metrics, NULL, NULL, counters->statements);
    begin(metrics, COUNTER, "analysed_units", "Units of work that the search for repeated queries has seen.");
    sample(metrics, NULL, NULL, counters->units);
    gauge(metrics, "analysis_memory_bytes", "Memory that the search for repeated queries has.", counters->memory_bytes);
}

/* ---- pools ---- */

static const struct {
    const char *family, *help, *state; /* NULL: no such label */
    size_t offset;
} pool_numbers[] = {
    {"pool_slots", "Connections to PostgreSQL by pool.", "opening", offsetof(struct snapshot_pool, opening)},
    {"pool_slots", NULL, "idle", offsetof(struct snapshot_pool, idle)},
    {"pool_slots", NULL, "leased", offsetof(struct snapshot_pool, leased)},
    {"pool_slots", NULL, "closing", offsetof(struct snapshot_pool, closing)},
    {"pool_waiting", "Clients that wait for a server, by pool.", NULL, offsetof(struct snapshot_pool, waiting)},
    {"pool_pinned", "Clients that hold a server for longer than transactions, by pool.", NULL, offsetof(struct snapshot_pool, pinned)},
    {"pool_failing", "1 while the last login to PostgreSQL has failed; of pool=other: how many pools.", NULL,
     offsetof(struct snapshot_pool, failing)},
};

static const struct {
    const char *family, *help;
    size_t offset;
} pool_times[] = {
    {"pool_wait_seconds", "How long leases were waited for (0 without a wait), by pool.", offsetof(struct snapshot_pool, times.wait)},
    {"pool_lease_seconds", "How long leases lasted, by pool.", offsetof(struct snapshot_pool, times.lease)},
    {"pool_query_seconds", "How long PostgreSQL took for queries, from sending to the end of the answer, by pool.",
     offsetof(struct snapshot_pool, times.query)},
};

/* All but the closing brace. */
static void pool_labels(struct metrics *metrics, const struct snapshot_pool *pool)
{
    if (pool->database) {
        label(metrics, '{', "database", pool->database);
        label(metrics, ',', "user", pool->user);
    } else {
        label(metrics, '{', "pool", "other");
    }
}

static void pool_histogram(struct metrics *metrics, const struct snapshot_pool *pool, size_t i)
{
    struct time_buckets times;
    memcpy(&times, (const char *)pool + pool_times[i].offset, sizeof times);
    for (uint32_t bucket = 0; bucket <= TIME_BUCKETS; bucket++) {
        name(metrics, "_bucket");
        pool_labels(metrics, pool);
        label(metrics, ',', "le", time_buckets_bound_text(bucket));
        text_buffer_add(metrics->out, "}");
        number(metrics, time_buckets_up_to(&times, bucket));
    }
    name(metrics, "_sum");
    pool_labels(metrics, pool);
    text_buffer_add(metrics->out, "}");
    seconds(metrics, times.sum_us);
    name(metrics, "_count");
    pool_labels(metrics, pool);
    text_buffer_add(metrics->out, "}");
    number(metrics, time_buckets_up_to(&times, TIME_BUCKETS));
}

static void pool_sample(struct metrics *metrics, const struct snapshot_pool *pool, size_t i)
{
    name(metrics, "");
    pool_labels(metrics, pool);
    if (pool_numbers[i].state) label(metrics, ',', "state", pool_numbers[i].state);
    text_buffer_add(metrics->out, "}");
    uint32_t amount;
    memcpy(&amount, (const char *)pool + pool_numbers[i].offset, sizeof amount);
    number(metrics, amount);
}

static void render_pools(struct metrics *metrics, const struct snapshot *snapshot)
{
    uint32_t count = snapshot->pool_count + (snapshot->pools_left_out > 0 ? 1 : 0);
    for (size_t i = 0; i < sizeof pool_numbers / sizeof pool_numbers[0]; i++) {
        if (pool_numbers[i].help) begin(metrics, GAUGE, pool_numbers[i].family, pool_numbers[i].help);
        for (uint32_t j = 0; j < count; j++) pool_sample(metrics, &snapshot->pools[j], i);
    }
    for (size_t i = 0; i < sizeof pool_times / sizeof pool_times[0]; i++) {
        begin(metrics, HISTOGRAM, pool_times[i].family, pool_times[i].help);
        for (uint32_t j = 0; j < count; j++) pool_histogram(metrics, &snapshot->pools[j], i);
    }
}

void metrics_render(const struct snapshot *snapshot, int64_t started_s, enum metrics_format format, struct text_buffer *out)
{
    struct metrics metrics = {.out = out, .format = format};
    render_whole(&metrics, snapshot, started_s);
    render_counters(&metrics, &snapshot->stats);
    render_classes(&metrics, snapshot);
    render_pools(&metrics, snapshot);
    render_databases(&metrics, snapshot);
    render_errors(&metrics, snapshot);
    render_analysis(&metrics, snapshot);
    if (format == METRICS_OPENMETRICS) text_buffer_add(out, "# EOF\n");
}
