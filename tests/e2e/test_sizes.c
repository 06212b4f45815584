/*
 * Messages of every size, from around the usual buffers to a gigabyte (with PGTURNSTILE_SOAK), in bounded memory; readers that do not
 * read; both directions full at once.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/session.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;
static struct wire *wire;

static void start(void)
{
    session_start(&proxy, &wire);
}

static void finish(void)
{
    session_finish(&proxy, &wire);
}

TestSuite(sizes, .init = start, .fini = finish, .timeout = 300);

/* What may be in memory for one client, above what was there before; generous, and far below the messages in these tests. */
enum { MEMORY_MAX_KIB = 24 * 1024, LARGE = 110 * 1000 * 1000, HUGE = 1000 * 1000 * 1000 };

static size_t large_size(void)
{
    return getenv("PGTURNSTILE_SOAK") != NULL ? HUGE : LARGE;
}

/* ---- sizes ---- */

/* Every size around the usual buffer sizes, in both directions. */
Test(sizes, messages_around_buffer_sizes)
{
    enum { AROUND = 10 };
    char *text = malloc(300000);
    for (size_t buffer = 2048; buffer <= 262144; buffer *= 2) {
        for (size_t size = buffer - AROUND - 20; size<buffer + AROUND; size += buffer> 16384 ? 5 : 1) {
            size_t used = (size_t)snprintf(text, 300000, "select '");
            memset(text + used, 'x', size);
            snprintf(text + used + size, 300000 - used - size, "'");
            frontend_write_query(&wire->out, text);
            wire_flush(wire);
            wire_expect(wire, "T");
            struct wire_message message = wire_receive(wire);
            cr_assert_eq(message.type, BACKEND_DATA_ROW);
            cr_assert_eq(message.size, size + 6);
            wire_expect(wire, "C:SELECT_1 Z:I");
        }
    }
    free(text);
}

/* Above what was there before, at most MEMORY_MAX_KIB. */
static void expect_bounded(long before_kib)
{
    long peak_kib = proxy_peak_rss_kib(proxy);
    cr_assert_leq(peak_kib - before_kib, MEMORY_MAX_KIB, "memory went from %ld to %ld KiB", before_kib, peak_kib);
}

static void expect_skip(uint8_t type, size_t size_min)
{
    size_t size;
    uint8_t got = wire_skip(wire, &size);
    cr_assert_eq(got, type, "message %c instead of %c", got, type);
    cr_assert_geq(size, size_min, "message %c of %zu bytes", got, size);
}

Test(sizes, a_large_row)
{
    size_t size = large_size();
    char *text = text_format("select repeat('x', %zu)", size);
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    wire_send_query(wire, text);
    wire_expect(wire, "T");
    expect_skip(BACKEND_DATA_ROW, size);
    wire_expect(wire, "C:SELECT_1 Z:I");
    expect_bounded(before_kib);
    free(text);
}

Test(sizes, a_large_copy_data_out)
{
    size_t size = large_size();
    char *text = text_format("copy (select repeat('x', %zu)) to stdout", size);
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    wire_send_query(wire, text);
    wire_expect(wire, "H");
    expect_skip(BACKEND_COPY_DATA, size);
    wire_expect(wire, "c C:COPY_1 Z:I");
    expect_bounded(before_kib);
    free(text);
}

static void send_filler(size_t size)
{
    static char filler[65536];
    memset(filler, 'x', sizeof filler);
    while (size > 0) {
        size_t part = size < sizeof filler ? size : sizeof filler;
        wire_send(wire, filler, part);
        size -= part;
    }
}

static void send_header(uint8_t type, size_t body_size)
{
    uint32_t length = (uint32_t)body_size + 4;
    uint8_t header[] = {type, (uint8_t)(length >> 24), (uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
    wire_send(wire, header, sizeof header);
}

Test(sizes, a_large_copy_data_in)
{
    size_t size = large_size();
    char number[20];
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    snprintf(number, sizeof number, "%zu", size);
    wire_send_query(wire, "begin; create temp table big (t text) on commit drop");
    wire_expect(wire, "C:BEGIN C:CREATE_TABLE Z:T");
    wire_send_query(wire, "alter table big alter t set storage external; copy big from stdin");
    wire_expect(wire, "C:ALTER_TABLE G");
    send_header(FRONTEND_COPY_DATA, size + 1);
    send_filler(size);
    wire_send(wire, "\n", 1);
    frontend_write_copy_done(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "C:COPY_1 Z:T");
    cr_assert_str_eq(wire_query(wire, "select length(t) from big"), number);
    cr_assert_str_eq(wire_query(wire, "rollback"), "");
    expect_bounded(before_kib);
}

Test(sizes, large_query_and_bind)
{
    enum { SIZE = 30 * 1000 * 1000 };
    static const char head[] = "select length('", tail[] = "')";
    char pattern[60];
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    snprintf(pattern, sizeof pattern, "T D:%d C:SELECT_1 Z:I", SIZE);
    send_header(FRONTEND_QUERY, sizeof head - 1 + SIZE + sizeof tail);
    wire_send(wire, head, sizeof head - 1);
    send_filler(SIZE);
    wire_send(wire, tail, sizeof tail);
    wire_expect(wire, pattern);
    /* Bind with one text parameter: names, no formats, one value, no result formats. */
    frontend_write_parse(&wire->out, "", "select length($1)", NULL, 0);
    wire_flush(wire);
    send_header(FRONTEND_BIND, 2 + 2 + 2 + 4 + SIZE + 2);
    uint8_t start_of_bind[] = {
        0, 0, 0, 0, 0, 1, (uint8_t)(SIZE >> 24), (uint8_t)(SIZE >> 16), (uint8_t)(SIZE >> 8), (uint8_t)(SIZE & 0xff)};
    wire_send(wire, start_of_bind, sizeof start_of_bind);
    send_filler(SIZE);
    wire_send(wire, "\0\0", 2);
    frontend_write_execute(&wire->out, "", 0);
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    snprintf(pattern, sizeof pattern, "1 2 D:%d C:SELECT_1 Z:I", SIZE);
    wire_expect(wire, pattern);
    expect_bounded(before_kib);
}

/* ---- back-pressure ---- */

/* A backend of the proxy that waits until its client, the proxy, takes more. */
static bool is_server_blocked(void)
{
    return sql_int(sql_direct(), "select count(*) from pg_stat_activity where wait_event = 'ClientWrite'") > 0;
}

Test(sizes, a_reader_that_does_not_read)
{
    enum { ROWS = 4000, WIDTH = 10000 };
    struct wire *other = wire_session(proxy->port);
    char *text = text_format("select repeat('x', %d) from generate_series(1, %d)", WIDTH, ROWS);
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    wire_shrink_buffers(wire, 200000);
    wire_send_query(wire, text);
    WAIT_FOR(is_server_blocked(), LONG_MS);
    for (int i = 0; i < 50; i++) cr_assert_str_eq(wire_query(other, "select 'unharmed'"), "unharmed");
    cr_assert(is_server_blocked());
    wire_expect(wire, "T");
    for (int i = 0; i < ROWS; i++) expect_skip(BACKEND_DATA_ROW, WIDTH);
    wire_expect(wire, "C:SELECT_4000 Z:I");
    expect_bounded(before_kib);
    wire_close(&other);
    free(text);
}

/* The client sends until nothing more is taken, without reading; the server answers until nothing more is taken. Then both drain. */
Test(sizes, both_directions_full)
{
    enum { QUERIES = 3000, ANSWER = 20000, PADDING = 3000 };
    char *text = text_format("select repeat('x', %d) /* %0*d */", ANSWER, PADDING, 0);
    uint8_t *message = malloc(PADDING + 200);
    struct bytes_writer writer;
    bytes_writer_init(&writer, message, PADDING + 200);
    frontend_write_query(&writer, text);
    size_t total = writer.size * QUERIES, sent = 0;
    long before_kib = proxy_rss_kib(proxy);
    proxy_reset_peak(proxy);
    wire_shrink_buffers(wire, 200000);
    int64_t moved_ms = now_ms();
    /* Nothing taken for a while, and the server is stuck as well. */
    while (sent < total && !(now_ms() - moved_ms > 100 && is_server_blocked())) {
        size_t offset = sent % writer.size;
        size_t taken = wire_send_some(wire, message + offset, writer.size - offset);
        if (taken == 0)
            nap();
        else
            moved_ms = now_ms();
        sent += taken;
    }
    cr_assert_lt(sent, total, "everything was swallowed");
    int answers = 0;
    while (answers < QUERIES) {
        size_t size;
        while (sent < total) {
            size_t offset = sent % writer.size;
            size_t taken = wire_send_some(wire, message + offset, writer.size - offset);
            sent += taken;
            if (taken == 0) break;
        }
        uint8_t type = wire_skip(wire, &size);
        if (type == BACKEND_DATA_ROW)
            cr_assert_eq(size, ANSWER + 6);
        else
            cr_assert_not_null(strchr("TCZ", type), "message %c", type);
        if (type == BACKEND_READY_FOR_QUERY) answers++;
    }
    cr_assert_eq(sent, total);
    expect_bounded(before_kib);
    free(message);
    free(text);
}
