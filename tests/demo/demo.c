/*
 * The demonstration that `./run demo` shows: hundreds of web-like clients and dozens of worker-like ones work on a small shop through
 * pgturnstile, while PostgreSQL is asked how many connections it has. Not a benchmark: the clients pause between transactions.
 *
 *   demo --proxy CONNINFO --direct CONNINFO --budget N [--seconds N] [--web N] [--workers N]
 *
 * Exit code 0: no failure, every answer right, and never more connections than the budget.
 */
#include "tests/demo/sampler.h"
#include "tests/demo/samples.h"
#include "tests/demo/shop.h"

#include <getopt.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct options {
    const char *proxy;
    const char *direct;
    int budget;
    int seconds;
    int web_clients;
    int worker_clients;
};

enum kind { KIND_WEB, KIND_WORKER, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"web", "worker"};

/* One thread: one client after another, or one that stays. */
struct actor {
    pthread_t thread;
    enum kind kind;
    unsigned random;
    const char *conninfo;
    atomic_bool *is_over;
    uint64_t connections;
    uint64_t transactions;
    uint64_t orders_placed;
    uint64_t failures;
    char first_error[SHOP_ERROR_SIZE];
    struct samples connect;
    struct samples first_answer;
    struct samples total;
};

static void pause_ms(struct actor *actor, int low, int high)
{
    int ms = low + rand_r(&actor->random) % (high - low + 1);
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static void note_failure(struct actor *actor, const char *error)
{
    if (actor->failures++ == 0) snprintf(actor->first_error, sizeof actor->first_error, "%s", error);
}

/* `what` is the application_name: what the connection is for. */
static PGconn *open_connection(struct actor *actor, const char *what)
{
    char conninfo[1000];
    snprintf(conninfo, sizeof conninfo, "%s application_name='%s'", actor->conninfo, what);
    int64_t started_us = now_us();
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) == CONNECTION_OK) {
        actor->connections++;
        samples_add(&actor->connect, now_us() - started_us);
        return connection;
    }
    char error[SHOP_ERROR_SIZE];
    snprintf(error, sizeof error, "%s", PQerrorMessage(connection));
    error[strcspn(error, "\n")] = '\0';
    note_failure(actor, error);
    PQfinish(connection);
    return NULL;
}

/* What a transaction has to say goes into the books. False: the connection is of no more use. */
static bool book(struct actor *actor, bool is_done, const struct shop_visit *visit, const char *error)
{
    if (!is_done) {
        note_failure(actor, error);
        return false;
    }
    actor->transactions++;
    samples_add(&actor->first_answer, visit->first_answer_us);
    samples_add(&actor->total, visit->total_us);
    return true;
}

/* A page of a web application: connects, looks at a few products, places an order now and then, disconnects. */
static void serve_page(struct actor *actor)
{
    char error[SHOP_ERROR_SIZE];
    struct shop_visit visit;
    PGconn *connection = open_connection(actor, "page of a product");
    if (connection == NULL) return;
    for (int query = rand_r(&actor->random) % 8; query >= 0; query--) {
        bool is_order = query == 0;
        bool is_done =
            is_order ? shop_place_order(connection, &actor->random, &visit, error) : shop_look(connection, &actor->random, &visit, error);
        if (!book(actor, is_done, &visit, error)) break;
        if (is_order) actor->orders_placed++;
    }
    PQfinish(connection);
}

/* The page that `pgturnstile report` is to find. */
static void serve_list(struct actor *actor)
{
    char error[SHOP_ERROR_SIZE];
    struct shop_visit visit;
    PGconn *connection = open_connection(actor, "page of the latest orders");
    if (connection == NULL) return;
    bool is_done = shop_list_orders(connection, &visit, error);
    (void)book(actor, is_done, &visit, error);
    PQfinish(connection);
}

static void *run_web(void *argument)
{
    struct actor *actor = argument;
    pause_ms(actor, 0, 2000);
    while (!atomic_load(actor->is_over)) {
        if (rand_r(&actor->random) % 10 == 0)
            serve_list(actor);
        else
            serve_page(actor);
        pause_ms(actor, 800, 3200);
    }
    return NULL;
}

/* A background worker keeps its connection and has transactions that take a while. */
static void *run_worker(void *argument)
{
    struct actor *actor = argument;
    char error[SHOP_ERROR_SIZE];
    struct shop_visit visit;
    PGconn *connection = NULL;
    while (!atomic_load(actor->is_over)) {
        if (connection == NULL && (connection = open_connection(actor, "worker")) == NULL) {
            pause_ms(actor, 100, 200);
            continue;
        }
        bool is_done = shop_ship_orders(connection, 30 + rand_r(&actor->random) % 150, &visit, error);
        if (!book(actor, is_done, &visit, error)) {
            PQfinish(connection);
            connection = NULL;
        }
        pause_ms(actor, 50, 350);
    }
    PQfinish(connection);
    return NULL;
}

static struct actor *start_actors(const struct options *options, atomic_bool *is_over)
{
    int count = options->web_clients + options->worker_clients;
    struct actor *actors = calloc((size_t)count, sizeof *actors);
    if (actors == NULL) abort();
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    for (int i = 0; i < count; i++) {
        struct actor *actor = &actors[i];
        actor->kind = i < options->web_clients ? KIND_WEB : KIND_WORKER;
        actor->random = (unsigned)i * 7919 + 1;
        actor->conninfo = options->proxy;
        actor->is_over = is_over;
        if (pthread_create(&actor->thread, &attributes, actor->kind == KIND_WEB ? run_web : run_worker, actor) != 0) abort();
    }
    pthread_attr_destroy(&attributes);
    return actors;
}

/* Add up the actors of one kind. */
static struct actor sum_up(const struct actor *actors, int count, enum kind kind)
{
    struct actor sum = {.kind = kind};
    for (int i = 0; i < count; i++) {
        if (actors[i].kind != kind) continue;
        sum.connections += actors[i].connections;
        sum.transactions += actors[i].transactions;
        sum.orders_placed += actors[i].orders_placed;
        if (actors[i].failures > 0 && sum.failures == 0) memcpy(sum.first_error, actors[i].first_error, sizeof sum.first_error);
        sum.failures += actors[i].failures;
        samples_merge(&sum.connect, &actors[i].connect);
        samples_merge(&sum.first_answer, &actors[i].first_answer);
        samples_merge(&sum.total, &actors[i].total);
    }
    samples_sort(&sum.connect);
    samples_sort(&sum.first_answer);
    samples_sort(&sum.total);
    return sum;
}

static void free_samples(struct actor *actor)
{
    samples_fini(&actor->connect);
    samples_fini(&actor->first_answer);
    samples_fini(&actor->total);
}

static void print_row(const struct actor *sum, int clients)
{
    const struct samples *columns[] = {&sum->connect, &sum->first_answer, &sum->total};
    printf("%-8s %7d %9llu %13llu", kind_names[sum->kind], clients, (unsigned long long)sum->connections,
           (unsigned long long)sum->transactions);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        printf("   %6.1f %6.1f %6.1f", samples_percentile_ms(columns[i], 0.5), samples_percentile_ms(columns[i], 0.99),
               samples_percentile_ms(columns[i], 1.0));
    }
    printf("  %8llu\n", (unsigned long long)sum->failures);
}

static void print_table(const struct options *options, const struct actor sums[KIND_COUNT])
{
    printf("\n%48s %s   %s   %s\n", "", "-- login, ms --     ", "- first answer, ms --", "- transaction, ms -");
    printf("%-8s %7s %9s %13s   %6s %6s %6s   %6s %6s %6s   %6s %6s %6s  %8s\n", "clients", "at once", "served", "transactions", "p50",
           "p99", "max", "p50", "p99", "max", "p50", "p99", "max", "failures");
    print_row(&sums[KIND_WEB], options->web_clients);
    print_row(&sums[KIND_WORKER], options->worker_clients);
    printf("\n(\"first answer\" is from a transaction's first statement to its answer: the wait for a connection is in it.)\n\n");
}

/* The line that says whether it went well. Returns whether it did. */
static bool judge(const char *what, bool is_good, const char *detail)
{
    printf("%-4s %s%s%s\n", is_good ? "ok" : "FAIL", what, detail[0] != '\0' ? ": " : "", detail);
    return is_good;
}

static bool report(const struct options *options, const struct actor sums[KIND_COUNT], const struct sampler_result *sampled)
{
    char detail[SHOP_ERROR_SIZE + 100] = "";
    bool is_good = true;
    print_table(options, sums);
    snprintf(detail, sizeof detail, "peak %d, budget %d, at the end %d (%ld samples of pg_stat_activity)", sampled->peak, options->budget,
             sampled->end, sampled->samples);
    is_good &= judge("connections at PostgreSQL", sampled->peak <= options->budget && sampled->peak > 0 && !sampled->has_failed, detail);
    if (sampled->has_failed) is_good &= judge("the sampler", false, sampled->error);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        snprintf(detail, sizeof detail, "%llu failures, first: %.300s", (unsigned long long)sums[kind].failures, sums[kind].first_error);
        is_good &= judge(kind == KIND_WEB ? "web clients" : "workers", sums[kind].failures == 0 && sums[kind].transactions > 0,
                         sums[kind].failures > 0 ? detail : "every answer right");
    }
    PGconn *direct = PQconnectdb(options->direct);
    uint64_t orders = sums[KIND_WEB].orders_placed;
    snprintf(detail, sizeof detail, "%llu orders, each there and the stock agrees", (unsigned long long)orders);
    bool is_balanced = shop_audit(direct, orders, detail) || (sums[KIND_WEB].failures > 0 && PQstatus(direct) == CONNECTION_OK);
    is_good &= judge("the shop's books", is_balanced, detail);
    PQfinish(direct);
    return is_good;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.seconds = 20, .web_clients = 300, .worker_clients = 40};
    const struct option names[] = {{"proxy", required_argument, NULL, 'p'},
                                   {"direct", required_argument, NULL, 'd'},
                                   {"budget", required_argument, NULL, 'b'},
                                   {"seconds", required_argument, NULL, 's'},
                                   {"web", required_argument, NULL, 'w'},
                                   {"workers", required_argument, NULL, 'j'},
                                   {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (option) {
        case 'p': options.proxy = optarg; break;
        case 'd': options.direct = optarg; break;
        case 'b': options.budget = atoi(optarg); break;
        case 's': options.seconds = atoi(optarg); break;
        case 'w': options.web_clients = atoi(optarg); break;
        case 'j': options.worker_clients = atoi(optarg); break;
        default: exit(2);
        }
    }
    if (options.proxy == NULL || options.direct == NULL || options.budget < 1 || options.seconds < 1 || options.web_clients < 0 ||
        options.worker_clients < 0) {
        fprintf(stderr, "usage: demo --proxy CONNINFO --direct CONNINFO --budget N [--seconds N] [--web N] [--workers N]\n");
        exit(2);
    }
    return options;
}

/* The tables, owned by the user that the proxy's clients are. */
static void prepare(const struct options *options)
{
    char error[SHOP_ERROR_SIZE] = "";
    PGconn *direct = PQconnectdb(options->direct);
    PGconn *proxied = PQconnectdb(options->proxy);
    if (PQstatus(direct) != CONNECTION_OK || PQstatus(proxied) != CONNECTION_OK || !shop_create(direct, PQuser(proxied), error)) {
        fprintf(stderr, "demo: %s%s%s\n", error, PQerrorMessage(direct), PQerrorMessage(proxied));
        exit(1);
    }
    PQfinish(direct);
    PQfinish(proxied);
}

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    int count = options.web_clients + options.worker_clients;
    prepare(&options);
    struct sampler *sampler = sampler_start(options.direct);
    if (sampler == NULL) return 1;

    printf("%d web clients (connect, a few queries, disconnect) and %d workers (long transactions) share %d connections for %d s ...\n",
           options.web_clients, options.worker_clients, options.budget, options.seconds);
    fflush(stdout);
    atomic_bool is_over = false;
    struct actor *actors = start_actors(&options, &is_over);
    nanosleep(&(struct timespec){.tv_sec = options.seconds}, NULL);
    atomic_store(&is_over, true);
    for (int i = 0; i < count; i++) pthread_join(actors[i].thread, NULL);
    struct sampler_result sampled = sampler_stop(&sampler);

    struct actor sums[KIND_COUNT];
    for (int kind = 0; kind < KIND_COUNT; kind++) sums[kind] = sum_up(actors, count, (enum kind)kind);
    bool is_good = report(&options, sums, &sampled);

    for (int kind = 0; kind < KIND_COUNT; kind++) free_samples(&sums[kind]);
    for (int i = 0; i < count; i++) free_samples(&actors[i]);
    free(actors);
    return is_good ? 0 : 1;
}
