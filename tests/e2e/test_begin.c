/*
 * BEGIN holds no server before the first real statement: in all its forms, in both protocols, with the answers that PostgreSQL gives. The patterns are tried on
 * PostgreSQL itself when PGTURNSTILE_E2E_REFERENCE is set.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;
static struct wire *wire;

static void start(void)
{
    proxy = turns_proxy("budget = 1\n");
    wire = wire_session(turns_port(proxy));
    wire->skips_parameters = true;
}

static void finish(void)
{
    wire_close(&wire);
    if (proxy) proxy_finish(&proxy);
}

TestSuite(begin, .init = start, .fini = finish, .timeout = 300);

/* Another client is served by the only server: this one holds it not. */
static void expect_free(void)
{
    if (turns_is_reference()) return;
    struct wire *other = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(other, "select 'free'"), "free");
    wire_close(&other);
    cr_assert_eq(backends_busy(), 0);
}

Test(begin, all_forms_in_the_simple_protocol)
{
    static const struct {
        const char *text, *isolation, *read_only, *deferrable;
    } forms[] = {
        {"begin", "read committed", "off", "off"},
        {"BEGIN;", "read committed", "off", "off"},
        {" ; /* who */ Begin -- what\n Work ; ", "read committed", "off", "off"},
        {"begin transaction isolation level serializable, read only, deferrable", "serializable", "on", "on"},
        {"begin isolation level repeatable read", "repeatable read", "off", "off"},
        {"begin isolation level read uncommitted read write not deferrable", "read uncommitted", "off", "off"},
        {"begin read only read write", "read committed", "off", "off"},
        {"start transaction", "read committed", "off", "off"},
        {"START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY;", "serializable", "on", "off"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        bool is_start = forms[i].text[0] == 's' || forms[i].text[0] == 'S';
        char row[200];
        stage_query(wire, forms[i].text, is_start ? "C:START_TRANSACTION Z:T" : "C:BEGIN Z:T");
        expect_free();
        snprintf(row, sizeof row, "T D:%s|%s|%s C:SELECT_1 Z:T", forms[i].isolation, forms[i].read_only, forms[i].deferrable);
        for (char *c = row + 2; *c; c++)
            if (*c == ' ' && strstr(c, " C:") && !(c[1] == 'D' && c[2] == ':') && strstr(c, " C:") != c) *c = '_';
        stage_query(wire,
                    "select current_setting('transaction_isolation'), current_setting('transaction_read_only'), "
                    "current_setting('transaction_deferrable')",
                    row);
        stage_query(wire, "commit", "C:COMMIT Z:I");
    }
}

Test(begin, ends_with_nothing_in_it)
{
    static const char *const commits[] = {"commit", "END;", "commit work", "Commit Transaction and no chain"};
    int before = postgres_log_count(postgres_shared(), "BEGIN");
    static const char *const rollbacks[] = {"rollback", "ABORT ;", "rollback work /* x */", "abort transaction and no chain"};
    for (size_t i = 0; i < 4; i++) {
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, commits[i], "C:COMMIT Z:I");
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, rollbacks[i], "C:ROLLBACK Z:I");
        stage_query(wire, commits[i], "N:25P01 C:COMMIT Z:I");
        stage_query(wire, rollbacks[i], "N:25P01 C:ROLLBACK Z:I");
    }
    if (proxy) cr_assert_eq(postgres_log_count(postgres_shared(), "BEGIN"), before);
}

Test(begin, what_makes_it_real)
{
    static const struct {
        const char *text, *pattern, *end;
    } samples[] = {
        {"begin", "N:25001 C:BEGIN Z:T", "C:COMMIT Z:I"},
        {"savepoint s", "C:SAVEPOINT Z:T", "C:COMMIT Z:I"},
        {"set local TimeZone = 'UTC'", "C:SET Z:T", "C:COMMIT Z:I"},
        {"set transaction isolation level serializable", "C:SET Z:T", "C:COMMIT Z:I"},
        {"", "I Z:T", "C:COMMIT Z:I"},
        {"select 1/0", "T* E:22012 Z:E", "C:ROLLBACK Z:I"},
        {"selectt", "E:42601 Z:E", "C:ROLLBACK Z:I"},
        {"begin foo", "E:42601 Z:E", "C:ROLLBACK Z:I"},
        {"rollback to s", "E:3B001 Z:E", "C:ROLLBACK Z:I"},
        {"vacuum", "E:25001 Z:E", "C:ROLLBACK Z:I"},
        {"discard all", "E:25001 Z:E", "C:ROLLBACK Z:I"},
        {"commit and chain", "C:COMMIT Z:T", "C:COMMIT Z:I"},
        {"rollback and chain", "C:ROLLBACK Z:T", "C:COMMIT Z:I"},
        {"select 'a'; commit; select 'b'", "T D:a C:SELECT_1 C:COMMIT T D:b C:SELECT_1 Z:I", "N:25P01 C:COMMIT Z:I"},
        {"copy (select 1) to stdout", "H d:1 c C:COPY_1 Z:T", "C:COMMIT Z:I"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        stage_query(wire, "begin", "C:BEGIN Z:T");
        stage_query(wire, samples[i].text, samples[i].pattern);
        stage_query(wire, "commit", samples[i].end);
        expect_free();
    }
}

Test(begin, what_is_no_begin)
{
    stage_query(wire, "begin; select 'x'", "C:BEGIN T D:x C:SELECT_1 Z:T");
    stage_query(wire, "commit", "C:COMMIT Z:I");
    stage_query(wire, "begin isolation level wrong", "E:42601 Z:I");
    stage_query(wire, "begin read only,", "E:42601 Z:I");
    stage_query(wire, "begin /* open", "E:42601 Z:I");
    stage_query(wire, "begin; commit", "C:BEGIN C:COMMIT Z:I");
}

/* One message after the other, a Sync behind each step, and all in one. */
Test(begin, in_the_extended_protocol)
{
    stage_parse(wire, "", "begin isolation level serializable");
    stage_run(wire, "", NULL);
    stage_sync(wire, "1 2 C:BEGIN Z:T");
    expect_free();
    stage_parse(wire, "", "select current_setting('transaction_isolation')");
    stage_run(wire, "", NULL);
    stage_sync(wire, "1 2 D:serializable C:SELECT_1 Z:T");
    stage_parse(wire, "", "commit");
    stage_run(wire, "", NULL);
    stage_sync(wire, "1 2 C:COMMIT Z:I");

    stage_parse(wire, "b", "BEGIN");
    frontend_write_describe(&wire->out, 'S', "b");
    stage_sync(wire, "1 t n Z:I");
    stage_parse(wire, "c", "COMMIT");
    stage_sync(wire, "1 Z:I");
    for (int i = 0; i < 3; i++) {
        stage_run(wire, "b", NULL);
        stage_sync(wire, "2 C:BEGIN Z:T");
        expect_free();
        if (i == 1) stage_query(wire, "select 'simple'", "T D:simple C:SELECT_1 Z:T");
        if (i == 2) stage_query(wire, "select 1/0", "T* E:22012 Z:E");
        stage_run(wire, "c", NULL);
        stage_sync(wire, i == 2 ? "2 C:ROLLBACK Z:I" : "2 C:COMMIT Z:I");
    }
    frontend_write_bind(&wire->out, "p", "b", NULL, 0);
    frontend_write_describe(&wire->out, 'P', "p");
    frontend_write_execute(&wire->out, "p", 0);
    frontend_write_close(&wire->out, 'P', "p");
    stage_sync(wire, "2 n C:BEGIN 3 Z:T");
    expect_free();
    stage_sync(wire, "Z:T");
    stage_query(wire, "rollback", "C:ROLLBACK Z:I");
}

Test(begin, in_pipelines)
{
    /* BEGIN, a statement and COMMIT in one unit, as JDBC does. */
    stage_parse(wire, "", "begin");
    stage_run(wire, "", NULL);
    stage_parse(wire, "", "select $1");
    stage_run(wire, "", "one");
    stage_parse(wire, "", "commit");
    stage_run(wire, "", NULL);
    stage_sync(wire, "1 2 C:BEGIN 1 2 D:one C:SELECT_1 1 2 C:COMMIT Z:I");
    /* The same in units of their own, in one write. */
    stage_parse(wire, "", "begin");
    stage_run(wire, "", NULL);
    frontend_write_sync(&wire->out);
    stage_parse(wire, "", "select $1");
    stage_run(wire, "", "two");
    frontend_write_sync(&wire->out);
    stage_parse(wire, "", "commit");
    stage_run(wire, "", NULL);
    stage_sync(wire, "1 2 C:BEGIN Z:T 1 2 D:two C:SELECT_1 Z:T 1 2 C:COMMIT Z:I");
    expect_free();
    /* Queries in one write. */
    frontend_write_query(&wire->out, "begin");
    frontend_write_query(&wire->out, "select 'three'");
    frontend_write_query(&wire->out, "select 'four'");
    frontend_write_query(&wire->out, "commit");
    wire_flush(wire);
    wire_expect(wire, "C:BEGIN Z:T T D:three C:SELECT_1 Z:T T D:four C:SELECT_1 Z:T C:COMMIT Z:I");
    expect_free();
    /* Byte by byte. */
    frontend_write_query(&wire->out, "begin");
    stage_parse(wire, "", "select 'five'");
    stage_run(wire, "", NULL);
    frontend_write_sync(&wire->out);
    stage_parse(wire, "", "rollback");
    stage_run(wire, "", NULL);
    frontend_write_sync(&wire->out);
    wire_flush_slowly(wire);
    wire_expect(wire, "C:BEGIN Z:T 1 2 D:five C:SELECT_1 Z:T 1 2 C:ROLLBACK Z:I");
    /* An error in the pipeline, and what comes behind its Sync. */
    frontend_write_query(&wire->out, "begin");
    stage_parse(wire, "", "select 1/0");
    stage_run(wire, "", NULL);
    frontend_write_sync(&wire->out);
    frontend_write_query(&wire->out, "select 'not reached'");
    frontend_write_query(&wire->out, "commit");
    wire_flush(wire);
    wire_expect(wire, "C:BEGIN Z:T 1 2* E:22012 Z:E E:25P02 Z:E C:ROLLBACK Z:I");
    expect_free();
}

/* The unnamed statement that was there before BEGIN; names, through SQL. */
Test(begin, prepared_statements_outlive_it)
{
    stage_parse(wire, "s", "select 'named'");
    stage_sync(wire, "1 Z:I");
    stage_query(wire, "begin", "C:BEGIN Z:T");
    stage_query(wire, "execute s", "T D:named C:SELECT_1 Z:T");
    stage_query(wire, "commit", "C:COMMIT Z:I");
    stage_parse(wire, "b", "begin");
    stage_parse(wire, "", "select 'unnamed'");
    stage_sync(wire, "1 1 Z:I");
    stage_run(wire, "b", NULL);
    stage_sync(wire, "2 C:BEGIN Z:T");
    stage_run(wire, "", NULL);
    stage_sync(wire, "2 D:unnamed C:SELECT_1 Z:T");
    stage_query(wire, "rollback", "C:ROLLBACK Z:I");
    expect_free();
}

Test(begin, with_settings_of_its_own)
{
    stage_query(wire, "set application_name = 'mine'", "C:SET Z:I");
    stage_query(wire, "set statement_timeout = '77s'", "C:SET Z:I");
    struct wire *other = wire_session(turns_port(proxy));
    cr_assert_str_eq(wire_query(other, "select 1"), "1");
    stage_query(wire, "begin read only", "C:BEGIN Z:T");
    stage_query(wire, "select current_setting('statement_timeout'), current_setting('transaction_read_only')", "T D:77s|on C:SELECT_1 Z:T");
    stage_query(wire, "rollback", "C:ROLLBACK Z:I");
    wire_close(&other);
}

/* What is done to a client that has only said BEGIN. */
Test(begin, a_thousand_of_them_cost_nothing)
{
    enum { COUNT = 300 };
    static struct wire *wires[COUNT];
    if (turns_is_reference()) return;
    for (int i = 0; i < COUNT; i++) {
        wires[i] = wire_session(proxy->port);
        stage_query(wires[i], "begin", "C:BEGIN Z:T");
    }
    expect_free();
    for (int i = 0; i < COUNT; i++) {
        if (i % 3 == 0) {
            wire_abort(&wires[i]);
            continue;
        }
        stage_query(wires[i], "select 'x'", "T D:x C:SELECT_1 Z:T");
        stage_query(wires[i], "commit", "C:COMMIT Z:I");
        wire_close(&wires[i]);
    }
    expect_free();
}

/* A wait that ends without a server is an error in the transaction, which goes on as a failed one. */
Test(begin, cancelled_in_the_queue)
{
    if (turns_is_reference()) return;
    struct wire *holder = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin; select 'held'"), "held");
    for (int is_extended = 0; is_extended < 2; is_extended++) {
        stage_query(wire, "begin", "C:BEGIN Z:T");
        if (is_extended) {
            stage_parse(wire, "", "select 'never'");
            stage_run(wire, "", NULL);
            frontend_write_sync(&wire->out);
            wire_flush(wire);
        } else {
            wire_send_query(wire, "select 'never'");
        }
        wire_settle(proxy->port);
        wire_cancel(proxy->port, wire->pid, wire->key, wire->key_size);
        wire_expect(wire, "E:57014 Z:E");
        stage_query(wire, "select 'no'", "E:25P02 Z:E");
        stage_query(wire, "", "I Z:E");
        stage_parse(wire, "", "select 'no'");
        stage_run(wire, "", NULL);
        stage_sync(wire, "E:25P02 Z:E");
        stage_sync(wire, "Z:E");
        if (is_extended) {
            stage_parse(wire, "", "rollback");
            stage_run(wire, "", NULL);
            stage_sync(wire, "1 2 C:ROLLBACK Z:I");
        } else {
            stage_query(wire, "commit", "C:ROLLBACK Z:I");
        }
    }
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    stage_query(wire, "select 'after'", "T D:after C:SELECT_1 Z:I");
    wire_close(&holder);
}

/* A cancel request that was late may hit this, as it may on PostgreSQL: once more then. */
static void roll_back_with(const char *command)
{
    for (;;) {
        wire_send_query(wire, command);
        struct wire_message message = wire_receive(wire);
        if (message.type != BACKEND_ERROR) {
            cr_assert_eq(message.type, BACKEND_COMMAND_COMPLETE);
            cr_assert_str_eq((const char *)message.body, "ROLLBACK");
            break;
        }
        wire_expect(wire, "Z:E");
    }
    wire_expect(wire, "Z:I");
}

/* Should the BEGIN itself fail, nothing behind it is carried out: cancel requests hit it now and then. */
Test(begin, cancelled_itself)
{
    if (turns_is_reference()) return;
    cr_assert_str_eq(wire_query(wire, "drop table if exists begun; create table begun (n int)"), "");
    struct wire *watcher = wire_session(proxy->port);
    for (int i = 0; i < 200; i++) {
        frontend_write_query(&wire->out, "begin");
        frontend_write_query(&wire->out, "insert into begun values (1)");
        wire_flush(wire);
        wire_cancel(proxy->port, wire->pid, wire->key, wire->key_size);
        char why[512];
        wire_expect(wire, "C:BEGIN Z:T");
        struct wire_message message = wire_receive(wire);
        if (message.type == BACKEND_ERROR) {
            wire_expect(wire, "Z:E");
            stage_query(wire, "select 'no'", "E Z:E");
            roll_back_with("commit");
        } else {
            cr_assert(wire_match(wire, "Z:T", why, sizeof why), "%s", why);
            roll_back_with("rollback");
        }
    }
    cr_assert_str_eq(wire_query(watcher, "select count(*) from begun"), "0");
    wire_close(&watcher);
}

Test(begin, in_statement_mode_it_is_refused)
{
    if (turns_is_reference()) return;
    struct proxy *strict = proxy_start("pool_mode = statement\n");
    struct wire *other = wire_session(strict->port);
    wire_send_query(other, "begin");
    wire_expect(other, "C:BEGIN Z:T E:0A000 -");
    wire_close(&other);
    proxy_finish(&strict);
}

Test(begin, in_session_mode_it_is_the_servers)
{
    if (turns_is_reference()) return;
    struct proxy *sessions = proxy_start("pool_mode = session\n");
    struct wire *other = wire_session(sessions->port);
    stage_query(other, "begin", "C:BEGIN Z:T");
    cr_assert_eq(backends_busy(), 1);
    stage_query(other, "commit", "C:COMMIT Z:I");
    wire_close(&other);
    proxy_finish(&sessions);
}
