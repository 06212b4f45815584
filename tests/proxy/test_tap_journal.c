#include "proxy/tap_journal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/findings_state.h"
#include "proxy/owed.h"
#include "proxy/tap.h"
#include "tests/random_numbers.h"

/*
 * The same conversations told to two sets of taps: one is asked for its detector after each message, so that its journal is read at once, the other when the journal is
 * full. Both must find the same.
 */
enum { CLIENTS = 5, BUFFER_SIZE = 262144, WIDE_ROW = 3000 };

struct world {
    struct taps *taps;
    struct tap *clients[CLIENTS];
    bool reads_at_once;
};

static struct world worlds[2];
static int64_t now_us;
static uint64_t random_state;
static uint64_t statements; /* told since the start */
static uint8_t buffer[BUFFER_SIZE];
static struct bytes_writer writer;
static const struct tap_text text = {.is_scannable = true, .strings = SQL_STRINGS_STANDARD};

static unsigned below(unsigned limit)
{
    return random_numbers_below(&random_state, limit);
}

static void come(struct world *world, unsigned client)
{
    world->clients[client] = tap_new(world->taps, "shop", client % 2 == 0 ? "web" : "worker", "127.0.0.1:4711", now_us);
    tap_application_name(world->clients[client], client % 2 == 0 ? "gunicorn" : "celery", now_us);
}

static void start(enum analysis analysis)
{
    struct detector_settings settings;
    struct settings standard;
    settings_init(&standard);
    detector_settings_from(&standard, &settings);
    settings.analysis = analysis;
    now_us = 1000000;
    statements = 0;
    for (unsigned i = 0; i < 2; i++) {
        worlds[i] = (struct world){.taps = taps_new(&settings, &(struct detector_host){0}, 0), .reads_at_once = i == 0};
        for (unsigned client = 0; client < CLIENTS; client++) come(&worlds[i], client);
    }
}

static void end(void)
{
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned client = 0; client < CLIENTS; client++) tap_free(&worlds[i].clients[client], now_us);
        taps_free(&worlds[i].taps);
    }
}

static void each(void (*tell)(struct world *world, unsigned client, const void *what), unsigned client, const void *what)
{
    for (unsigned i = 0; i < 2; i++) {
        tell(&worlds[i], client, what);
        if (worlds[i].reads_at_once) (void)taps_detector(worlds[i].taps);
    }
}

struct message {
    uint8_t type;
    const uint8_t *body;
    size_t size;
};

static void tell_sent(struct world *world, unsigned client, const void *what)
{
    const struct message *message = what;
    tap_sent(world->clients[client], message->type, message->body, message->size, message->size, &text, now_us);
}

static void tell_received(struct world *world, unsigned client, const void *what)
{
    const struct message *message = what;
    tap_received(world->clients[client], message->type, message->body, message->size, now_us);
}

static void tell_rest(struct world *world, unsigned client, const void *what)
{
    (void)what;
    tap_rest(world->clients[client]);
}

static void tell_leaving(struct world *world, unsigned client, const void *what)
{
    (void)what;
    tap_free(&world->clients[client], now_us);
    come(world, client);
}

static void tell_name(struct world *world, unsigned client, const void *what)
{
    tap_application_name(world->clients[client], what, now_us);
}

static void begin(void)
{
    bytes_writer_init(&writer, buffer, sizeof buffer);
}

/* What the writer holds, message by message. */
static void tell_all(unsigned client, bool is_sent)
{
    cr_assert_not(writer.has_failed);
    for (size_t at = 0; at < writer.size;) {
        size_t size = ((size_t)buffer[at + 1] << 24 | (size_t)buffer[at + 2] << 16 | (size_t)buffer[at + 3] << 8 | buffer[at + 4]) - 4;
        each(is_sent ? tell_sent : tell_received, client, &(struct message){buffer[at], buffer + at + 5, size});
        at += 5 + size;
        now_us += below(3);
    }
    now_us += 50 + below(200);
}

static void query(unsigned client, const char *sql)
{
    statements++;
    begin();
    frontend_write_query(&writer, sql);
    tell_all(client, true);
}

static void write_rows(unsigned count, unsigned first, bool is_wide)
{
    static char filling[WIDE_ROW + 1];
    memset(filling, 'x', WIDE_ROW);
    for (unsigned i = 0; i < count; i++) {
        char id[16], owner[16];
        snprintf(id, sizeof id, "%u", first + i);
        snprintf(owner, sizeof owner, "%u", 1000 + (first + i) * 7 % 501);
        backend_write_data_row(&writer, (const char *const[]){id, owner, is_wide ? filling : "short"}, 3);
    }
}

static void answer(unsigned client, unsigned rows, bool is_wide, bool is_described)
{
    char tag[32];
    begin();
    if (is_described)
        backend_write_row_description(&writer, (const char *const[]){"id", "owner_id", "note"}, (const uint32_t[]){23, 23, 25}, 3);
    write_rows(rows, 1, is_wide);
    snprintf(tag, sizeof tag, "SELECT %u", rows);
    backend_write_command_complete(&writer, tag);
    backend_write_ready_for_query(&writer, 'I');
    tell_all(client, false);
    each(tell_rest, client, NULL);
}

static void fail(unsigned client)
{
    begin();
    backend_write_error(&writer, &(struct backend_error){.severity = "ERROR", .sqlstate = "42703", .message = "no"});
    backend_write_ready_for_query(&writer, 'I');
    tell_all(client, false);
    each(tell_rest, client, NULL);
}

static void list(unsigned client, unsigned rows, bool is_wide)
{
    static const char *const tables[] = {"business", "invoice", "shelf"};
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT id, owner_id, note FROM %s ORDER BY id", tables[below(3)]);
    query(client, sql);
    answer(client, rows, is_wide, true);
}

static void look_up(unsigned client, unsigned count)
{
    bool is_prepared = below(2) == 0;
    for (unsigned i = 1; i <= count; i++) {
        char sql[160], value[16];
        snprintf(value, sizeof value, "%u", 1000 + i * 7 % 501);
        if (is_prepared) {
            statements++;
            begin();
            if (i == 1) frontend_write_parse(&writer, "s", "select * from person where id = $1", NULL, 0);
            frontend_write_bind(&writer, "", "s", (const char *const[]){value}, 1);
            frontend_write_execute(&writer, "", 0);
            frontend_write_sync(&writer);
            tell_all(client, true);
        } else {
            snprintf(sql, sizeof sql, "SELECT * FROM person WHERE id = %s LIMIT 21 /*traceparent='00-%032x-%016x-01'*/", value, client, i);
            query(client, sql);
        }
        if (below(30) == 0)
            fail(client);
        else
            answer(client, 1, false, !is_prepared);
    }
}

/* A text that is larger than the journal. */
static void large_query(unsigned client)
{
    static char sql[TAP_JOURNAL_SIZE + 4096];
    size_t size = (size_t)snprintf(sql, sizeof sql, "SELECT * FROM person WHERE id IN (%u", below(9));
    while (size < sizeof sql - 16) size += (size_t)snprintf(sql + size, sizeof sql - size, ", %u", below(100000));
    snprintf(sql + size, sizeof sql - size, ")");
    query(client, sql);
    answer(client, 3, false, true);
}

static void converse(unsigned steps)
{
    for (unsigned step = 0; step < steps; step++) {
        unsigned client = below(CLIENTS);
        switch (below(12)) {
        case 0: list(client, 20, false); break;
        case 1: list(client, 40, true); break; /* more than may wait in the journal */
        case 2: list(client, 600, false); break;
        case 3: large_query(client); break;
        case 4: each(tell_leaving, client, NULL); break;
        case 5: each(tell_name, client, below(2) == 0 ? "gunicorn" : "shell"); break;
        case 6: now_us += 200000; break;
        default: look_up(client, 1 + below(24)); break;
        }
    }
}

static void expect_the_same(size_t *findings_out)
{
    char *found[2];
    struct detector_counters counters[2];
    now_us += 100000000;
    for (unsigned i = 0; i < 2; i++) {
        size_t size;
        detector_flush(taps_detector(worlds[i].taps), now_us);
        detector_counters(taps_detector(worlds[i].taps), &counters[i]);
        found[i] = findings_encode(detector_findings(taps_detector(worlds[i].taps)), &size);
    }
    cr_expect_str_eq(found[0], found[1]);
    for (unsigned i = 0; i < 2; i++) cr_expect_eq(counters[i].statements, statements);
    cr_expect_eq(counters[0].units, counters[1].units);
    cr_expect_eq(counters[0].rows_sampled, counters[1].rows_sampled);
    cr_expect_eq(counters[0].results_sampled, counters[1].results_sampled);
    *findings_out = 0;
    for (const char *at = found[0]; (at = strchr(at, '\n')) != NULL; at++) ++*findings_out;
    free(found[0]);
    free(found[1]);
}

Test(tap_journal, what_is_read_late_is_found_as_well, .timeout = 300)
{
    for (unsigned seed = 1; seed <= 12; seed++) {
        size_t findings;
        random_state = seed;
        start(seed % 3 == 0 ? ANALYSIS_FINGERPRINT : ANALYSIS_FULL);
        converse(120);
        expect_the_same(&findings);
        cr_expect_gt(findings, 3, "seed %u", seed);
        end();
    }
}

Test(tap_journal, a_client_that_leaves_takes_nothing_with_it, .timeout = 60)
{
    size_t findings;
    random_state = 7;
    start(ANALYSIS_FULL);
    list(0, 20, false);
    look_up(0, 20);
    each(tell_leaving, 0, NULL);
    expect_the_same(&findings);
    struct detector_counters counters;
    detector_counters(taps_detector(worlds[1].taps), &counters);
    cr_expect_eq(counters.found[VERDICT_N_PLUS_ONE], 1);
    end();
}

Test(tap_journal, a_client_that_could_not_be_followed_is_followed_again_after_a_rest, .timeout = 60)
{
    size_t findings;
    random_state = 7;
    start(ANALYSIS_FULL);
    statements += OWED_MAX;
    begin();
    frontend_write_parse(&writer, "i", "insert into log values ($1)", NULL, 0);
    for (unsigned i = 0; i < OWED_MAX + 500; i++) {
        frontend_write_bind(&writer, "", "i", (const char *const[]){"5"}, 1);
        frontend_write_execute(&writer, "", 0);
    }
    frontend_write_sync(&writer);
    tell_all(0, true);
    begin();
    for (unsigned i = 0; i < OWED_MAX + 500; i++) backend_write_command_complete(&writer, "INSERT 0 1");
    backend_write_ready_for_query(&writer, 'I');
    tell_all(0, false);
    list(1, 3, false);
    each(tell_rest, 0, NULL);
    now_us += 200000;
    list(0, 20, false);
    look_up(0, 20);
    expect_the_same(&findings);
    struct detector_counters counters;
    detector_counters(taps_detector(worlds[1].taps), &counters);
    cr_expect_eq(counters.found[VERDICT_N_PLUS_ONE], 1, "%u", (unsigned)counters.found[VERDICT_N_PLUS_ONE]);
    end();
}

Test(tap_journal, records_come_back_in_order_and_none_is_cut, .timeout = 60)
{
    static struct tap_journal journal;
    static uint8_t body[300];
    unsigned added = 0, read = 0;
    size_t position = 0;
    for (unsigned i = 0; i < sizeof body; i++) body[i] = (uint8_t)i;
    for (; !tap_journal_is_full(&journal); added++) {
        struct tap_record *record = tap_journal_add(&journal, added % 300);
        *record = (struct tap_record){.now_us = added, .available = added % 300, .size = added};
        memcpy(record + 1, body, record->available);
    }
    cr_expect_gt(added, TAP_JOURNAL_SIZE / 400);
    cr_expect_leq(journal.used, sizeof journal.bytes);
    for (const struct tap_record *record; (record = tap_journal_next(&journal, &position)) != NULL; read++) {
        cr_expect_eq(record->now_us, read);
        cr_expect_eq(record->available, read % 300);
        cr_expect_arr_eq(record + 1, body, record->available);
    }
    cr_expect_eq(read, added);
    tap_journal_clear(&journal);
    position = 0;
    cr_expect_null(tap_journal_next(&journal, &position));
    cr_expect_not(tap_journal_is_full(&journal));
}
