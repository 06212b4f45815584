#include "proxy/tap.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/finding_views.h"

/* A client's messages and its server's replies, on a fake clock; what is asserted are the findings. */

static struct taps *taps;
static struct tap *tap;
static int64_t now_us;
static uint8_t buffer[65536];
static struct bytes_writer writer;
static const struct tap_text text = {.is_scannable = true, .strings = SQL_STRINGS_STANDARD};
static struct finding_view *views;
static size_t view_count;

static struct detector_settings settings_with(int64_t sample_values)
{
    struct detector_settings settings;
    struct settings standard;
    settings_init(&standard);
    standard.sample_values = sample_values;
    detector_settings_from(&standard, &settings);
    settings.analysis = ANALYSIS_FULL;
    settings.sample_every = 1;
    return settings;
}

static void start(void)
{
    struct detector_settings settings = settings_with(0);
    now_us = 1000000;
    taps = taps_new(&settings, &(struct detector_host){0}, 0);
    tap = tap_new(taps, "shop", "web", "127.0.0.1:4711", now_us);
    tap_application_name(tap, "gunicorn", now_us);
}

static void end(void)
{
    tap_free(&tap, now_us);
    taps_free(&taps);
    cr_expect_null(taps);
    free(views);
}

TestSuite(tap, .init = start, .fini = end, .timeout = 60);

static void begin(void)
{
    bytes_writer_init(&writer, buffer, sizeof buffer);
}

/* What the writer holds is sent, message by message. */
static void send_all(void)
{
    for (size_t at = 0; at < writer.size;) {
        size_t size = ((size_t)buffer[at + 1] << 24 | (size_t)buffer[at + 2] << 16 | (size_t)buffer[at + 3] << 8 | buffer[at + 4]) - 4;
        tap_sent(tap, buffer[at], buffer + at + 5, size, size, &text, now_us);
        at += 5 + size;
    }
    now_us += 100;
}

static void receive_all(void)
{
    for (size_t at = 0; at < writer.size;) {
        size_t size = ((size_t)buffer[at + 1] << 24 | (size_t)buffer[at + 2] << 16 | (size_t)buffer[at + 3] << 8 | buffer[at + 4]) - 4;
        tap_received(tap, buffer[at], buffer + at + 5, size, now_us);
        at += 5 + size;
    }
    now_us += 300;
}

static void describe_id_and_name(void)
{
    static const char *const names[] = {"id", "owner_id"};
    static const uint32_t types[] = {23, 23};
    backend_write_row_description(&writer, names, types, 2);
}

static void row(int id, int owner)
{
    char id_text[16], owner_text[16];
    snprintf(id_text, sizeof id_text, "%d", id);
    snprintf(owner_text, sizeof owner_text, "%d", owner);
    backend_write_data_row(&writer, (const char *const[]){id_text, owner_text}, 2);
}

static void query(const char *sql)
{
    begin();
    frontend_write_query(&writer, sql);
    send_all();
}

static void answer(int rows, int first)
{
    char tag[32];
    begin();
    describe_id_and_name();
    for (int i = 0; i < rows; i++) row(first + i, 1000 + (first + i) * 7 % 501);
    snprintf(tag, sizeof tag, "SELECT %d", rows);
    backend_write_command_complete(&writer, tag);
    backend_write_ready_for_query(&writer, 'I');
    receive_all();
}

/* Children of `values`, in a column of `type` behind so many texts; `sql` has a %s for one. */
static void run_wide(uint32_t type, unsigned texts, const char *sql, const char *const *values, unsigned count)
{
    const char *names[32], *cells[32];
    uint32_t types[32];
    for (unsigned i = 0; i < texts; i++) {
        names[i] = "text";
        types[i] = 25;
        cells[i] = "something";
    }
    names[texts] = "key";
    types[texts] = type;
    query("select * from wide");
    begin();
    backend_write_row_description(&writer, names, types, (uint16_t)(texts + 1));
    for (unsigned i = 0; i < count; i++) {
        cells[texts] = values[i];
        backend_write_data_row(&writer, cells, (uint16_t)(texts + 1));
    }
    backend_write_command_complete(&writer, "SELECT 5");
    backend_write_ready_for_query(&writer, 'I');
    receive_all();
    for (unsigned i = 0; i < count; i++) {
        char child[128];
        snprintf(child, sizeof child, sql, values[i]);
        query(child);
        answer(1, 1);
    }
}

static void look(void)
{
    now_us += 5000000;
    detector_tick(taps_detector(taps), now_us);
    free(views);
    views = NULL;
    view_count = finding_views_rank(detector_findings(taps_detector(taps)), 0, now_us, &views);
}

static const struct finding_view *find(enum verdict verdict)
{
    for (size_t i = 0; i < view_count; i++)
        if (views[i].finding->verdict == verdict) return &views[i];
    return NULL;
}

Test(tap, the_key_of_a_wide_table_stands_behind_its_texts)
{
    static const char *const keys[] = {"71", "32", "55", "18", "93"};
    run_wide(23, 20, "select id from child where id = %s", keys, 5);
    look();
    cr_assert_not_null(find(VERDICT_N_PLUS_ONE));
    cr_expect_eq(find(VERDICT_N_PLUS_ONE)->finding->confidence, CONFIDENCE_PROVEN);
    cr_expect_str_eq(find(VERDICT_N_PLUS_ONE)->finding->parent.label, "key");
}

Test(tap, keys_that_are_numeric)
{
    static const char *const keys[] = {"7100000000000000000001", "32", "55", "18.5", "93"};
    run_wide(1700, 2, "select id from child where id = %s", keys, 5);
    look();
    cr_assert_not_null(find(VERDICT_N_PLUS_ONE));
    cr_expect_eq(find(VERDICT_N_PLUS_ONE)->finding->confidence, CONFIDENCE_PROVEN);
}

Test(tap, keys_that_are_dates)
{
    static const char *const keys[] = {"2026-11-22", "2026-01-05", "2025-03-17", "2026-07-30", "2024-02-29"};
    run_wide(1082, 2, "select id from child where day = '%s'::date", keys, 5);
    look();
    cr_assert_not_null(find(VERDICT_N_PLUS_ONE));
    cr_expect_eq(find(VERDICT_N_PLUS_ONE)->finding->confidence, CONFIDENCE_PROVEN);
}

static void list_query(void)
{
    query("SELECT id, owner_id FROM business ORDER BY id");
    answer(20, 1);
}

static int owner_of(int id)
{
    return 1000 + id * 7 % 501;
}

static void expect_proven(const char *shape)
{
    look();
    const struct finding_view *view = find(VERDICT_N_PLUS_ONE);
    cr_assert_not_null(view, "%zu findings", view_count);
    cr_expect_eq(view->finding->confidence, CONFIDENCE_PROVEN);
    cr_expect_str_eq(view->finding->shape, shape);
    cr_expect_eq(view->n_p50, 20, "%u", view->n_p50);
    cr_expect_str_eq(view->finding->parent.label, "owner_id");
    cr_expect_eq(view->finding->parent.rows, 20);
    cr_expect_eq(view->finding->parent.slot, 0);
    cr_expect_str_eq(view->finding->route, "gunicorn");
}

Test(tap, literals_of_simple_queries_are_compared_with_rows)
{
    list_query();
    for (int id = 1; id <= 20; id++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT * FROM person WHERE id = %d LIMIT 21", owner_of(id));
        query(sql);
        answer(1, 500 + id);
    }
    expect_proven("select * from person where id = $1 limit $2");
}

/* PDO sends one behind each of its statements. */
Test(tap, what_a_driver_deallocates_is_no_statement_of_the_unit)
{
    list_query();
    for (int id = 1; id <= 20; id++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT * FROM person WHERE id = %d", owner_of(id));
        query(sql);
        answer(1, 500 + id);
        snprintf(sql, sizeof sql, "DEALLOCATE pdo_stmt_%08x", (unsigned)id);
        query(sql);
        begin();
        backend_write_command_complete(&writer, "DEALLOCATE");
        backend_write_ready_for_query(&writer, 'I');
        receive_all();
    }
    expect_proven("select * from person where id = $1");
    cr_expect_eq(find(VERDICT_N_PLUS_ONE)->totals.statements, 21, "%u", (unsigned)find(VERDICT_N_PLUS_ONE)->totals.statements);
}

static void stage_execute(const char *statement, int value)
{
    char value_text[16];
    snprintf(value_text, sizeof value_text, "%d", value);
    frontend_write_bind(&writer, "", statement, (const char *const[]){value_text}, 1);
    frontend_write_execute(&writer, "", 0);
    frontend_write_sync(&writer);
}

static void answer_execute(bool is_parsed)
{
    begin();
    if (is_parsed) backend_write_bare(&writer, BACKEND_PARSE_COMPLETE);
    backend_write_bare(&writer, BACKEND_BIND_COMPLETE);
    row(5, 6);
    backend_write_command_complete(&writer, "SELECT 1");
    backend_write_ready_for_query(&writer, 'I');
    receive_all();
}

Test(tap, parameters_of_a_named_statement)
{
    list_query();
    for (int id = 1; id <= 20; id++) {
        begin();
        if (id == 1) frontend_write_parse(&writer, "s", "select * from person where id = $1", NULL, 0);
        stage_execute("s", owner_of(id));
        send_all();
        answer_execute(id == 1);
    }
    expect_proven("select * from person where id = $1");
}

Test(tap, comments_that_differ_each_time_and_a_route)
{
    list_query();
    for (int id = 1; id <= 20; id++) {
        char sql[160];
        begin();
        snprintf(sql, sizeof sql, "select * from person where id = $1 /*route='/people',traceparent='00-%032x-%016x-01'*/", 77, id);
        frontend_write_parse(&writer, "", sql, NULL, 0);
        stage_execute("", 4);
        send_all();
        answer_execute(true);
    }
    look();
    const struct finding_view *view = find(VERDICT_EXACT_DUPLICATE);
    cr_assert_not_null(view, "%zu findings", view_count);
    cr_expect_str_eq(view->finding->route, "/people");
    cr_expect_eq(view->finding->unit_kind, UNIT_TAG);
    cr_expect_str_eq(view->finding->sample_unit, "0000000000000000000000000000004d");
}

Test(tap, statements_that_a_server_skips_behind_an_error_do_not_count)
{
    for (int round = 0; round < 12; round++) {
        begin();
        frontend_write_parse(&writer, "", "select bad", NULL, 0);
        for (int i = 0; i < 3; i++) {
            frontend_write_bind(&writer, "", "", NULL, 0);
            frontend_write_execute(&writer, "", 0);
        }
        frontend_write_sync(&writer);
        send_all();
        begin();
        backend_write_error(&writer, &(struct backend_error){.severity = "ERROR", .sqlstate = "42703", .message = "no"});
        backend_write_ready_for_query(&writer, 'I');
        receive_all();
    }
    look();
    for (size_t i = 0; i < view_count; i++) cr_expect_lt(views[i].n_max, 30, "%s", views[i].finding->shape);
    /* And the next answer is taken for what it is. */
    list_query();
    for (int id = 1; id <= 20; id++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT * FROM person WHERE id = %d LIMIT 21", owner_of(id));
        query(sql);
        answer(1, 500 + id);
    }
    look();
    const struct finding_view *view = find(VERDICT_N_PLUS_ONE);
    cr_assert_not_null(view);
    cr_expect_eq(view->finding->confidence, CONFIDENCE_PROVEN);
}

Test(tap, a_described_portal_names_its_columns)
{
    static const char *const names[] = {"id", "owner_id"};
    static const uint32_t types[] = {23, 23};
    begin();
    frontend_write_parse(&writer, "", "select id, owner_id from business", NULL, 0);
    frontend_write_bind(&writer, "", "", NULL, 0);
    frontend_write_describe(&writer, 'P', "");
    frontend_write_execute(&writer, "", 0);
    frontend_write_sync(&writer);
    send_all();
    begin();
    backend_write_bare(&writer, BACKEND_PARSE_COMPLETE);
    backend_write_bare(&writer, BACKEND_BIND_COMPLETE);
    backend_write_row_description(&writer, names, types, 2);
    for (int id = 1; id <= 20; id++) row(id, owner_of(id));
    backend_write_command_complete(&writer, "SELECT 20");
    backend_write_ready_for_query(&writer, 'I');
    receive_all();
    for (int id = 1; id <= 20; id++) {
        begin();
        if (id == 1) frontend_write_parse(&writer, "s", "select * from person where id = $1", NULL, 0);
        stage_execute("s", owner_of(id));
        send_all();
        answer_execute(id == 1);
    }
    expect_proven("select * from person where id = $1");
}

/* As Django's iterator() and psycopg2's named cursors do. The text is the same each time, so at last it is known by its bytes. */
Test(tap, a_list_behind_a_cursor)
{
    for (int visit = 0; visit < 5; visit++) {
        query("declare \"c_1\" no scroll cursor with hold for select id, owner_id from business");
        begin();
        backend_write_command_complete(&writer, "DECLARE CURSOR");
        backend_write_ready_for_query(&writer, 'I');
        receive_all();
        query("fetch forward 20 from \"c_1\"");
        answer(20, 1);
        for (int id = 1; id <= 20; id++) {
            char sql[64];
            snprintf(sql, sizeof sql, "select * from person where id = %d", owner_of(id));
            query(sql);
            answer(1, 700 + id);
        }
        query("close \"c_1\"");
        begin();
        backend_write_command_complete(&writer, "CLOSE CURSOR");
        backend_write_ready_for_query(&writer, 'I');
        receive_all();
        now_us += 5000000;
    }
    look();
    const struct finding_view *view = find(VERDICT_N_PLUS_ONE);
    cr_assert_not_null(view);
    cr_expect_eq(view->finding->confidence, CONFIDENCE_PROVEN);
    cr_expect_eq(view->totals.units, 5);
    cr_assert_not_null(view->finding->parent.shape);
    cr_expect_str_eq(view->finding->parent.shape, "select id, owner_id from business");
    cr_expect_eq(view->finding->parent.rows, 20);
}

/* As JDBC does with a fetch size: each portion of the list is worked on before the next one comes. */
Test(tap, a_list_in_portions)
{
    enum { PORTION = 10 };
    static const char *const names[] = {"id", "owner_id"};
    static const uint32_t types[] = {23, 23};
    for (int first = 1; first <= 60; first += PORTION) {
        begin();
        if (first == 1) {
            frontend_write_parse(&writer, "list", "select id, owner_id from business", NULL, 0);
            frontend_write_bind(&writer, "p", "list", NULL, 0);
            frontend_write_describe(&writer, 'P', "p");
        }
        frontend_write_execute(&writer, "p", PORTION);
        frontend_write_sync(&writer);
        send_all();
        begin();
        if (first == 1) {
            backend_write_bare(&writer, BACKEND_PARSE_COMPLETE);
            backend_write_bare(&writer, BACKEND_BIND_COMPLETE);
            backend_write_row_description(&writer, names, types, 2);
        }
        for (int id = first; id < first + PORTION; id++) row(id, owner_of(id));
        backend_write_bare(&writer, BACKEND_PORTAL_SUSPENDED);
        backend_write_ready_for_query(&writer, 'T');
        receive_all();
        for (int id = first; id < first + PORTION; id++) {
            begin();
            if (id == 1) frontend_write_parse(&writer, "s", "select * from person where id = $1", NULL, 0);
            stage_execute("s", owner_of(id));
            send_all();
            answer_execute(id == 1);
        }
    }
    look();
    const struct finding_view *view = find(VERDICT_N_PLUS_ONE);
    cr_assert_not_null(view);
    cr_expect_eq(view->finding->confidence, CONFIDENCE_PROVEN);
    cr_expect_eq(view->n_max, 60);
}

Test(tap, execute_of_a_statement_made_by_prepare)
{
    list_query();
    query("PREPARE who (int) AS SELECT * FROM person WHERE id = $1");
    begin();
    backend_write_command_complete(&writer, "PREPARE");
    backend_write_ready_for_query(&writer, 'I');
    receive_all();
    for (int id = 1; id <= 20; id++) {
        char sql[64];
        snprintf(sql, sizeof sql, "EXECUTE who(%d)", owner_of(id));
        query(sql);
        answer(1, 700 + id);
    }
    expect_proven("select * from person where id = $1");
}

Test(tap, what_cannot_be_read_is_left_out_and_followed)
{
    static const struct tap_text opaque = {.is_scannable = false};
    static const char sql[] = "select 1";
    for (int i = 0; i < 40; i++) {
        tap_sent(tap, FRONTEND_QUERY, (const uint8_t *)sql, sizeof sql, sizeof sql, &opaque, now_us);
        answer(1, 1);
    }
    list_query();
    look();
    cr_expect_eq(view_count, 0);
}

/* 99 numbers, then the last one. */
static void write_list(char *sql, unsigned last)
{
    size_t size = (size_t)sprintf(sql, "SELECT * FROM person WHERE id IN (");
    for (unsigned i = 1; i < 100; i++) size += (size_t)sprintf(sql + size, "%u, ", 1000 + i);
    sprintf(sql + size, "%u)", last);
}

static void send_lists(bool is_same)
{
    char sql[2048];
    for (unsigned i = 0; i < 20; i++) {
        write_list(sql, is_same ? 7 : 7 + i);
        query(sql);
        answer(1, 500);
    }
    look();
}

Test(tap, long_lists_that_are_equal_to_the_last_number)
{
    send_lists(true);
    const struct finding_view *view = find(VERDICT_EXACT_DUPLICATE);
    cr_assert_not_null(view, "%zu findings", view_count);
    cr_expect_eq(view->n_p50, 20, "%u", view->n_p50);
}

Test(tap, long_lists_that_differ_in_the_last_number)
{
    send_lists(false);
    cr_expect_null(find(VERDICT_EXACT_DUPLICATE));
}

/* 60 numbers in the text and behind them 20 parameters, most of which have no place among the literals. */
static void send_mixed_lists(bool is_same)
{
    char sql[2048];
    char last[16];
    const char *values[20];
    size_t size = (size_t)sprintf(sql, "SELECT * FROM person WHERE id IN (1");
    for (unsigned i = 2; i <= 60; i++) size += (size_t)sprintf(sql + size, ", %u", i);
    for (unsigned i = 1; i <= 20; i++) size += (size_t)sprintf(sql + size, ", $%u", i);
    strcpy(sql + size, ")");
    for (unsigned i = 0; i < 20; i++) values[i] = "5";
    values[19] = last;
    for (unsigned i = 0; i < 20; i++) {
        snprintf(last, sizeof last, "%u", is_same ? 7 : 7 + i);
        begin();
        if (i == 0) frontend_write_parse(&writer, "s", sql, NULL, 0);
        frontend_write_bind(&writer, "", "s", values, 20);
        frontend_write_execute(&writer, "", 0);
        frontend_write_sync(&writer);
        send_all();
        answer_execute(i == 0);
    }
    look();
}

Test(tap, long_lists_with_parameters_that_are_equal)
{
    send_mixed_lists(true);
    cr_expect_not_null(find(VERDICT_EXACT_DUPLICATE), "%zu findings", view_count);
}

Test(tap, long_lists_with_parameters_that_differ_in_the_last_one)
{
    send_mixed_lists(false);
    cr_expect_null(find(VERDICT_EXACT_DUPLICATE));
}

/* The first is read, the second is learnt as a template, the others match it: all are one group. */
Test(tap, a_text_is_the_same_read_and_recognised)
{
    for (int i = 0; i < 12; i++) {
        query("SELECT * FROM person WHERE name = 'O''Neil' AND rank > 1.50 AND id = 4711 LIMIT 21");
        answer(1, 500);
    }
    look();
    const struct finding_view *view = find(VERDICT_EXACT_DUPLICATE);
    cr_assert_not_null(view, "%zu findings", view_count);
    cr_expect_eq(view->n_p50, 12, "%u", view->n_p50);
    cr_expect_eq(view->n_max, 12, "%u", view->n_max);
}

static size_t heap_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* One question of each protocol, rows and all; then nothing is owed, and the unit is over. */
static void ask_and_rest(void)
{
    list_query();
    begin();
    frontend_write_parse(&writer, "", "SELECT id, owner_id FROM business WHERE id = $1 AND owner_id = $2", NULL, 0);
    frontend_write_bind(&writer, "", "", (const char *const[]){"4711", "4712"}, 2);
    frontend_write_execute(&writer, "", 0);
    frontend_write_sync(&writer);
    send_all();
    answer(1, 4711);
    tap_rest(tap);
    now_us += 5000000;
    detector_tick(taps_detector(taps), now_us);
}

Test(tap, a_client_at_rest_takes_few_bytes)
{
    enum { CLIENTS = 1000, BYTES_MAX = 300 };
    static struct tap *clients[CLIENTS];
    struct tap *first = tap;
    ask_and_rest();
    size_t before = heap_bytes();
    for (unsigned i = 0; i < CLIENTS; i++) {
        tap = clients[i] = tap_new(taps, "shop", "web", "127.0.0.1:44711", now_us);
        tap_application_name(tap, "gunicorn", now_us);
        ask_and_rest();
    }
    cr_expect_leq(heap_bytes(), before + CLIENTS * BYTES_MAX, "%zu bytes a client", (heap_bytes() - before) / CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) tap_free(&clients[i], now_us);
    (void)taps_detector(taps);
    cr_expect_leq(heap_bytes(), before + 4096, "%zu bytes more when they are gone", heap_bytes() - before);
    tap = first;
}

/* Texts and names that never come again; each millionfold in test_detector_bounds, where nothing is read. */
Test(tap, texts_without_end_take_no_memory)
{
    enum { ROUNDS = 100000 };
    size_t early = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT a%u FROM person WHERE id = %u", i, i);
        query(sql);
        answer(0, 0);
        snprintf(sql, sizeof sql, "SAVEPOINT \"s%u_x%u\"", i * 7919, i);
        query(sql);
        answer(0, 0);
        snprintf(sql, sizeof sql, "SELECT b FROM person WHERE name = E'%u' AND c = %u", i, i);
        query(sql);
        answer(0, 0);
        if (i == ROUNDS / 4) early = heap_bytes();
    }
    cr_expect_leq(heap_bytes(), early + 4 * 1024 * 1024, "%zu bytes after a quarter, %zu at the end", early, heap_bytes());
}

Test(tap, what_runs_now_is_known_by_its_shape)
{
    cr_expect_null(tap_running(tap));
    query("update a set n = 7 where id = 4711; delete from b where t = 'secret'");
    cr_assert_not_null(tap_running(tap));
    cr_expect_str_eq(tap_running(tap), "update a set n = $1 where id = $2");
    begin();
    backend_write_command_complete(&writer, "UPDATE 1");
    receive_all();
    cr_assert_not_null(tap_running(tap));
    cr_expect_str_eq(tap_running(tap), "delete from b where t = $1");
    begin();
    backend_write_error(&writer, &(struct backend_error){.severity = "ERROR", .sqlstate = "40P01", .message = "no"});
    backend_write_ready_for_query(&writer, 'I');
    receive_all();
    cr_expect_null(tap_running(tap));
    begin();
    frontend_write_parse(&writer, "s", "select * from person where id = $1", NULL, 0);
    frontend_write_describe(&writer, 'S', "s");
    frontend_write_bind(&writer, "", "s", (const char *const[]){"1"}, 1);
    frontend_write_execute(&writer, "", 0);
    frontend_write_sync(&writer);
    send_all();
    cr_assert_not_null(tap_running(tap), "it is being described");
    cr_expect_str_eq(tap_running(tap), "select * from person where id = $1");
    tap_received(tap, BACKEND_NO_DATA, NULL, 0, now_us);
    cr_assert_not_null(tap_running(tap), "it is being executed");
    cr_expect_str_eq(tap_running(tap), "select * from person where id = $1");
    tap_received(tap, BACKEND_COMMAND_COMPLETE, (const uint8_t *)"SELECT 0", 9, now_us);
    cr_expect_null(tap_running(tap));
}

Test(tap, what_cannot_be_read_runs_without_a_shape)
{
    static const struct tap_text opaque = {.is_scannable = false};
    static const char sql[] = "select 'secret'";
    tap_sent(tap, FRONTEND_QUERY, (const uint8_t *)sql, sizeof sql, sizeof sql, &opaque, now_us);
    cr_expect_null(tap_running(tap));
    answer(1, 1);
    query("select 2 from behind");
    cr_assert_not_null(tap_running(tap));
    cr_expect_str_eq(tap_running(tap), "select $1 from behind");
}

/* ---- sample_values ---- */

static void sample(int64_t count)
{
    struct detector_settings settings = settings_with(count);
    taps_configure(taps, &settings);
}

static const struct value_samples *samples_of(enum verdict verdict)
{
    look();
    const struct finding_view *view = find(verdict);
    cr_assert_not_null(view, "%zu findings", view_count);
    return view->finding->sample_values;
}

static void walk_by_literals(void)
{
    list_query();
    for (int id = 1; id <= 20; id++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT * FROM person WHERE id = %d AND secret = 'pass\nword' LIMIT 21", owner_of(id));
        query(sql);
        answer(1, 500 + id);
    }
}

Test(tap, no_value_is_kept_unless_asked_for)
{
    walk_by_literals();
    cr_expect_null(samples_of(VERDICT_N_PLUS_ONE));
}

Test(tap, the_first_values_are_kept_when_asked_for)
{
    sample(3);
    walk_by_literals();
    const struct value_samples *samples = samples_of(VERDICT_N_PLUS_ONE);
    cr_assert_not_null(samples);
    cr_assert_eq(samples->count, 3);
    cr_expect_str_eq(samples->lines[0], "$1 = 1007, $2 = 'pass\\x0aword', $3 = 21");
    cr_expect_str_eq(samples->lines[2], "$1 = 1021, $2 = 'pass\\x0aword', $3 = 21");
}

Test(tap, values_are_dropped_when_they_are_not_asked_for_any_more)
{
    sample(10);
    walk_by_literals();
    cr_assert_not_null(samples_of(VERDICT_N_PLUS_ONE));
    walk_by_literals(); /* a unit that is open */
    sample(0);
    cr_expect_null(find(VERDICT_N_PLUS_ONE)->finding->sample_values);
    cr_expect_null(samples_of(VERDICT_N_PLUS_ONE));
    cr_expect_eq(find(VERDICT_N_PLUS_ONE)->totals.units, 2);
}

Test(tap, values_of_an_exact_duplicate_are_kept_once)
{
    sample(10);
    for (int i = 0; i < 5; i++) {
        query("SELECT * FROM person WHERE name = 'Anna'");
        answer(1, 1);
    }
    const struct value_samples *samples = samples_of(VERDICT_EXACT_DUPLICATE);
    cr_assert_not_null(samples);
    cr_assert_eq(samples->count, 1);
    cr_expect_str_eq(samples->lines[0], "$1 = 'Anna'");
}

Test(tap, values_of_binds_are_those_of_the_right_client)
{
    struct tap *other = tap_new(taps, "shop", "web", "127.0.0.1:4712", now_us);
    static const uint8_t others[] = {0, 's', 0, 0, 0, 0, 1, 0, 0, 0, 5, 'o', 't', 'h', 'e', 'r', 0, 0};
    sample(10);
    begin();
    frontend_write_parse(&writer, "s", "select * from person where id = $1", NULL, 0);
    send_all();
    size_t parse_size = writer.size - 5;
    tap_sent(other, FRONTEND_PARSE, buffer + 5, parse_size, parse_size, &text, now_us);
    for (int id = 1; id <= 20; id++) {
        char value[16];
        snprintf(value, sizeof value, "%d", owner_of(id));
        begin();
        frontend_write_bind(&writer, "", "s", (const char *const[]){value}, 1);
        send_all();
        if (id % 2) tap_sent(other, FRONTEND_BIND, others, sizeof others, sizeof others, &text, now_us);
        begin();
        frontend_write_execute(&writer, "", 0);
        frontend_write_sync(&writer);
        send_all();
        answer_execute(id == 1);
    }
    const struct value_samples *samples = samples_of(VERDICT_N_PLUS_ONE);
    cr_assert_not_null(samples);
    cr_assert_eq(samples->count, 10);
    cr_expect_str_eq(samples->lines[0], "$1 = 1014");
    cr_expect_str_eq(samples->lines[1], "$1 = 1028");
    tap_free(&other, now_us);
}

Test(tap, values_of_execute)
{
    sample(10);
    query("PREPARE who (int, text) AS SELECT * FROM person WHERE name = $2 AND id = $1 AND is_old = false");
    begin();
    backend_write_command_complete(&writer, "PREPARE");
    backend_write_ready_for_query(&writer, 'I');
    receive_all();
    for (int id = 1; id <= 7; id++) {
        char sql[64];
        snprintf(sql, sizeof sql, "EXECUTE who(%d, 'Anna')", id);
        query(sql);
        answer(1, 700 + id);
    }
    const struct value_samples *samples = samples_of(VERDICT_N_PLUS_ONE);
    cr_assert_not_null(samples);
    cr_assert_eq(samples->count, 7);
    cr_expect_str_eq(samples->lines[6], "$1 = 'Anna', $2 = 7");
}

Test(tap, any_messages_in_any_order_do_no_harm)
{
    static const uint8_t sent[] = "QPBEDCSFHdcfX", received[] = "TDCIsnt123ZENAGVH";
    uint32_t state = 12345;
    for (int i = 0; i < 200000; i++) {
        uint8_t body[64];
        state = state * 1664525 + 1013904223;
        size_t size = state >> 26;
        for (size_t j = 0; j < size; j++) body[j] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24) % 4 ? 's' : 0;
        if (state & 1)
            tap_sent(tap, sent[(state >> 8) % (sizeof sent - 1)], body, size, size + (state >> 30), &text, now_us);
        else
            tap_received(tap, received[(state >> 8) % (sizeof received - 1)], body, size, now_us);
        const char *running = tap_running(tap);
        cr_assert(!running || strlen(running) < SHAPE_TEXT_MAX);
        if ((state >> 4) % 1000 == 0) tap_rest(tap);
        now_us += 10;
    }
    tap_rest(tap);
    for (size_t i = 0; i < sizeof received; i++) tap_received(tap, received[i], NULL, 0, now_us);
}
