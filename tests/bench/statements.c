/*
 * What the analysis costs for one statement: a tap is told what a client sends and what PostgreSQL answers, many times, with other literals each time. No
 * sockets, nothing else of the proxy.
 *
 * Usage: statements                  names, sizes in bytes
 *        statements NAME ROUNDS      ROUNDS statements; prints nanoseconds a statement, of the quietest of 20 parts
 *        statements NAME ROUNDS read the same for reading the text token by token, as for a shape never seen
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/statement_slots.h"
#include "proxy/tap.h"

enum { VARIANTS = 64, TEXT_SIZE_MAX = 65536, PARTS = 20 };

/* ---- texts ---- */

struct text {
    char *at;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    text->size += (size_t)vsnprintf(text->at + text->size, TEXT_SIZE_MAX - text->size, format, arguments);
    va_end(arguments);
}

static void pgbench(struct text *text, unsigned id)
{
    add(text, "SELECT abalance FROM pgbench_accounts WHERE aid = %u;", 100000 + id * 37);
}

/* As Django's ORM spells a model: each column with its table. */
static void model(struct text *text, const char *table, unsigned columns)
{
    static const char *const names[] = {"id", "created_at", "updated_at", "first_name", "last_name", "email", "is_active", "business_id"};
    for (unsigned i = 0; i < columns; i++) add(text, "%s\"%s\".\"%s_%u\"", i > 0 ? ", " : "", table, names[i % 8], i / 8);
}

static void django_300(struct text *text, unsigned id)
{
    add(text, "SELECT ");
    model(text, "shop_customer", 5);
    add(text, " FROM \"shop_customer\" WHERE (\"shop_customer\".\"business_id\" = %u AND \"shop_customer\".\"kind\" = 'k%u') LIMIT 21",
        1000 + id, 100 + id);
}

static void sqlcommenter(struct text *text, unsigned id)
{
    add(text,
        " /*action='list',application='shop',controller='customers',framework='django%%3A3.2',route='%%2Fcustomers%%2F',"
        "traceparent='00-5bd66ef5095369c7b0d1f8f4bd33%04x-c532cb4098ac3dd2-01'*/",
        id);
}

static void django_tagged(struct text *text, unsigned id)
{
    django_300(text, id);
    sqlcommenter(text, id);
}

/* The same statement with its comments as others write them. */
static void marginalia(struct text *text, unsigned id)
{
    django_300(text, id);
    add(text, " /*application:Shop,controller:orders,action:index*/");
}

static void datadog(struct text *text, unsigned id)
{
    add(text,
        "/*dddbs='shop-db',ddps='shop-web',ddpv='1.4.2',dde='production',"
        "traceparent='00-5bd66ef5095369c7b0d1f8f4bd33%04x-c532cb4098ac3dd2-01'*/ ",
        id);
    django_300(text, id);
}

static void both_ends(struct text *text, unsigned id)
{
    add(text, "/*dddbs='shop-db',ddps='shop-web',ddpv='1.4.2'*/ ");
    django_tagged(text, id);
}

static void hint(struct text *text, unsigned id)
{
    add(text, "/*+ IndexScan(shop_customer) */ ");
    django_300(text, id);
}

static void line_comments(struct text *text, unsigned id)
{
    add(text, "-- the customers of a business\n");
    django_300(text, id);
    add(text, " -- for the list\n");
}

static void django_join(struct text *text, unsigned id, unsigned columns)
{
    add(text, "SELECT ");
    model(text, "shop_customer", columns / 2);
    add(text, ", ");
    model(text, "shop_business", columns / 2);
    add(text,
        " FROM \"shop_customer\" INNER JOIN \"shop_business\" ON (\"shop_customer\".\"business_id\" = \"shop_business\".\"id\") WHERE "
        "(\"shop_customer\".\"owner_id\" = %u AND NOT (\"shop_business\".\"state\" = 'closed') AND \"shop_customer\".\"is_active\") "
        "ORDER BY \"shop_customer\".\"created_at\" DESC LIMIT 25 OFFSET %u",
        1000 + id, 100 + id);
}

static void django_2k(struct text *text, unsigned id)
{
    django_join(text, id, 48);
}

static void django_2k_tagged(struct text *text, unsigned id)
{
    django_2k(text, id);
    sqlcommenter(text, id);
}

static void django_4k(struct text *text, unsigned id)
{
    django_join(text, id, 114);
}

static void in_list(struct text *text, unsigned id)
{
    add(text, "SELECT \"a\".\"id\", \"a\".\"street\" FROM \"shop_address\" \"a\" WHERE \"a\".\"customer_id\" IN (");
    for (unsigned i = 0; i < 500; i++) add(text, "%s%u", i > 0 ? ", " : "", 100000 + id + 17 * i);
    add(text, ")");
}

static void insert_rows(struct text *text, unsigned id)
{
    add(text, "INSERT INTO shop_line (order_id, product, amount, price) VALUES ");
    for (unsigned i = 0; i < 100; i++) add(text, "%s(%u, 'product %u', %u, %u.50)", i > 0 ? ", " : "", id + i, i, 10 + i % 7, 100 + i);
}

static void in_strings(struct text *text, unsigned id)
{
    add(text, "SELECT \"a\".\"id\" FROM \"shop_address\" \"a\" WHERE \"a\".\"city\" IN (");
    for (unsigned i = 0; i < 20; i++) add(text, "%s'City %u'", i > 0 ? ", " : "", 100 + id + i);
    add(text, ")");
}

static void in_uuids(struct text *text, unsigned id)
{
    add(text, "SELECT \"a\".\"id\" FROM \"shop_address\" \"a\" WHERE \"a\".\"key\" IN (");
    for (unsigned i = 0; i < 1000; i++) add(text, "%s'%08x-5d4c-4f11-9c3e-3d1d1c6f%04x'", i > 0 ? ", " : "", 100000 + id * 77, i);
    add(text, ")");
}

/* As psycopg2 spells them: dates and numbers below zero, and what is not there. */
static void insert_mixed(struct text *text, unsigned id)
{
    add(text, "INSERT INTO shop_event (order_id, at, note, delta) VALUES ");
    for (unsigned i = 0; i < 100; i++)
        add(text, "%s(%u, '2024-01-%02uT10:%02u:00'::timestamp, NULL, -%u)", i > 0 ? "," : "", id + i, 1 + i % 28, i % 60, 10 + i % 7);
}

/* One string for PostgreSQL's scanner. */
static void any_array(struct text *text, unsigned id)
{
    add(text, "SELECT a.id, a.street FROM shop_address a WHERE a.customer_id = ANY('{");
    for (unsigned i = 0; i < 500; i++) add(text, "%s%u", i > 0 ? "," : "", 100000 + id + 17 * i);
    add(text, "}'::int[])");
}

static const struct {
    const char *name;
    void (*write)(struct text *text, unsigned id);
    bool is_prepared; /* Bind and Execute of what was parsed once */
} kinds[] = {
    {"pgbench", pgbench, false},
    {"pgbench-prepared", pgbench, true},
    {"django-300", django_300, false},
    {"django-300-tags", django_tagged, false},
    {"django-2k", django_2k, false},
    {"django-4k", django_4k, false},
    {"in-list-500", in_list, false},
    {"insert-100-rows", insert_rows, false},
    {"django-2k-tags", django_2k_tagged, false},
    {"marginalia", marginalia, false},
    {"datadog", datadog, false},
    {"tags-at-both-ends", both_ends, false},
    {"hint", hint, false},
    {"line-comments", line_comments, false},
    {"in-strings-20", in_strings, false},
    {"in-uuids-1000", in_uuids, false},
    {"insert-100-mixed", insert_mixed, false},
    {"any-array-500", any_array, false},
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

/* ---- the conversation ---- */

static char texts[VARIANTS][TEXT_SIZE_MAX];
static size_t sizes[VARIANTS];
static uint8_t messages[1024];
static struct bytes_writer writer;
static struct tap *tap;
static const struct tap_text readable = {.is_scannable = true, .strings = SQL_STRINGS_STANDARD};
static int64_t now_us = 1000000;

static void pass(bool is_sent)
{
    for (size_t at = 0; at < writer.size;) {
        size_t size = ((size_t)messages[at + 3] << 8 | messages[at + 4]) - 4;
        const uint8_t *body = messages + at + 5;
        if (is_sent) {
            tap_sent(tap, messages[at], body, size, size, &readable, now_us);
        } else {
            tap_received(tap, messages[at], body, size, now_us);
        }
        at += 5 + size;
    }
}

/* The messages are written once: only what the tap does with them is measured. */
static uint8_t binds[VARIANTS][128];
static size_t bind_sizes[VARIANTS];
static uint8_t answer[256];
static size_t answer_size;

static void write_answer(bool is_prepared)
{
    bytes_writer_init(&writer, answer, sizeof answer);
    if (is_prepared) backend_write_bare(&writer, BACKEND_BIND_COMPLETE);
    if (!is_prepared) backend_write_row_description(&writer, (const char *const[]){"abalance"}, (const uint32_t[]){23}, 1);
    backend_write_data_row(&writer, (const char *const[]){"4711"}, 1);
    backend_write_command_complete(&writer, "SELECT 1");
    backend_write_ready_for_query(&writer, 'I');
    answer_size = writer.size;
}

static void write_bind(unsigned variant)
{
    char value[16];
    snprintf(value, sizeof value, "%u", 100000 + variant * 37);
    bytes_writer_init(&writer, binds[variant], sizeof binds[variant]);
    frontend_write_bind(&writer, "", "P_1", (const char *const[]){value}, 1);
    frontend_write_execute(&writer, "", 0);
    frontend_write_sync(&writer);
    bind_sizes[variant] = writer.size;
}

static void replay(const uint8_t *from, size_t size, bool is_sent)
{
    memcpy(messages, from, size);
    writer.size = size;
    pass(is_sent);
}

static void run_one(unsigned variant, bool is_prepared)
{
    if (is_prepared) {
        replay(binds[variant], bind_sizes[variant], true);
    } else {
        tap_sent(tap, FRONTEND_QUERY, (const uint8_t *)texts[variant], sizes[variant] + 1, sizes[variant] + 1, &readable, now_us);
    }
    now_us += 100;
    replay(answer, answer_size, false);
    now_us += 50;
}

static uint64_t read_one(unsigned variant)
{
    static struct sql_fingerprint fingerprint;
    static struct statement_source sources[SQL_LITERALS_MAX];
    static const struct sql_value_key key = {{1, 2}};
    struct sql_fingerprint_scan scan;
    struct statement_slots slots;
    sql_fingerprint_init(&scan, texts[variant], sizes[variant], SQL_STRINGS_STANDARD, SQL_FINGERPRINT_SCAN_MAX);
    uint64_t hash = 0;
    while (sql_fingerprint_next(&scan, &fingerprint)) {
        statement_slots_read(&slots, sources, &fingerprint, texts[variant], &key);
        hash ^= fingerprint.hash;
    }
    return hash;
}

static double nanoseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void prepare(unsigned kind)
{
    struct settings standard;
    struct detector_settings settings;
    settings_init(&standard);
    detector_settings_from(&standard, &settings);
    settings.analysis = ANALYSIS_FULL;
    struct taps *taps = taps_new(&settings, &(struct detector_host){0}, 0);
    tap = tap_new(taps, "shop", "web", "127.0.0.1:4711", now_us);
    write_answer(kinds[kind].is_prepared);
    for (unsigned i = 0; i < VARIANTS; i++) {
        struct text text = {texts[i], 0};
        kinds[kind].write(&text, i);
        sizes[i] = text.size;
        write_bind(i);
    }
    if (!kinds[kind].is_prepared) return;
    bytes_writer_init(&writer, messages, sizeof messages);
    frontend_write_parse(&writer, "P_1", "SELECT abalance FROM pgbench_accounts WHERE aid = $1;", NULL, 0);
    frontend_write_sync(&writer);
    pass(true);
    bytes_writer_init(&writer, messages, sizeof messages);
    backend_write_bare(&writer, BACKEND_PARSE_COMPLETE);
    backend_write_ready_for_query(&writer, 'I');
    pass(false);
}

static double measure(unsigned kind, size_t rounds, bool is_read)
{
    double least = 1e18;
    uint64_t sum = 0;
    for (unsigned part = 0; part < PARTS; part++) {
        double start = nanoseconds();
        for (size_t i = 0; i < rounds / PARTS; i++) {
            unsigned variant = (unsigned)(i % VARIANTS);
            if (is_read) {
                sum ^= read_one(variant);
            } else {
                run_one(variant, kinds[kind].is_prepared);
            }
        }
        double taken = (nanoseconds() - start) / (double)(rounds / PARTS);
        if (taken < least) least = taken;
    }
    return is_read && sum == 1 ? 0 : least; /* so that the sum is needed */
}

int main(int argc, char **argv)
{
    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        if (argc >= 3 && strcmp(argv[1], kinds[kind].name) != 0) continue;
        prepare(kind);
        if (argc < 3) {
            printf("%s %zu\n", kinds[kind].name, sizes[0]);
        } else {
            printf("%.0f\n", measure(kind, strtoul(argv[2], NULL, 10), argc > 3 && strcmp(argv[3], "read") == 0));
            return 0;
        }
    }
    return argc >= 3;
}
