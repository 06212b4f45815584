/*
 * Classes of clients through the whole proxy: which one a client and its statements are in, and that reserve, limit, share_limit and queue_limit hold.
 * Not for the policy itself: tests/proxy/test_turnstile*.c.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(classes, .timeout = 300);

enum { MOMENT_MS = 100 };

static struct proxy *start(const char *settings, const char *classes)
{
    return proxy_start_with(&(struct proxy_options){.settings = settings, .classes = classes});
}

static struct wire *named_session(const struct proxy *proxy, const char *user, const char *application)
{
    struct wire *wire = wire_connect(proxy->port);
    wire_login(wire, user, "app", (const char *const[]){"application_name", application, NULL});
    return wire;
}

/* Begin a transaction that holds a server. */
static void hold(struct wire *wire)
{
    cr_assert_str_eq(wire_query(wire, "begin; select 'held'"), "held");
}

static void let_go(struct wire *wire)
{
    wire_query(wire, "commit");
}

/* The query is answered by nothing: it waits in the queue. */
static void expect_waits(struct wire *wire, int port)
{
    struct wire_message message;
    wire_settle(port);
    cr_expect_not(wire_try_receive(wire, MOMENT_MS, &message), "answered by %c", message.type);
}

static void ask(struct wire *wire, const char *sql)
{
    wire_send_query(wire, sql);
}

static void expect_answer(struct wire *wire, const char *value)
{
    char pattern[128];
    snprintf(pattern, sizeof pattern, "T D:%s C:SELECT_1 Z:I", value);
    wire->skips_parameters = true;
    wire_expect(wire, pattern);
    wire->skips_parameters = false;
}

Test(classes, a_limit_of_a_class_and_not_of_others)
{
    struct proxy *proxy = start("budget = 4\n", "[class slow]\nmatch = application_name=slow*\nlimit = 1\n");
    struct wire *first = named_session(proxy, "app", "slow one"), *second = named_session(proxy, "app", "slow two");
    struct wire *other = named_session(proxy, "app", "quick");
    hold(first);
    ask(second, "select 2");
    cr_expect_str_eq(wire_query(other, "select 3"), "3");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "2");
    wire_close(&first);
    wire_close(&second);
    wire_close(&other);
    proxy_finish(&proxy);
}

Test(classes, set_application_name_moves_a_client)
{
    struct proxy *proxy = start("budget = 4\n", "[class slow]\nmatch = application_name=slow\nlimit = 1\n");
    struct wire *first = named_session(proxy, "app", "slow"), *second = named_session(proxy, "app", "quick");
    hold(first);
    cr_expect_str_eq(wire_query(second, "select 1"), "1");
    cr_expect_str_eq(wire_query(second, "set application_name = 'slow'"), "");
    ask(second, "select 2");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "2");
    hold(first);
    /* The transaction in which it leaves the class still belongs to it. */
    ask(second, "set application_name = 'quick'");
    expect_waits(second, proxy->port);
    let_go(first);
    wire_expect(second, "C:SET S:application_name Z:I");
    hold(first);
    cr_expect_str_eq(wire_query(second, "select 3"), "3");
    let_go(first);
    wire_close(&first);
    wire_close(&second);
    proxy_finish(&proxy);
}

Test(classes, tags_of_the_first_statement_decide)
{
    struct proxy *proxy = start("budget = 4\n", "[class imports]\nmatch = tag.job=import*\nlimit = 1\n");
    struct wire *first = named_session(proxy, "app", "a"), *second = named_session(proxy, "app", "b");
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*job='import_all',route='x'*/"), "held");
    /* No tag, another tag: not in the class. */
    cr_expect_str_eq(wire_query(second, "select 1"), "1");
    cr_expect_str_eq(wire_query(second, "select 2 /*job='export'*/"), "2");
    ask(second, "select 3 /*job:import_some*/");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "3");
    /* The extended protocol: by the text of Parse, and by that of the statement that a Bind names. */
    frontend_write_parse(&second->out, "s", "select 4 /*job='import_all'*/", NULL, 0);
    frontend_write_sync(&second->out);
    wire_flush(second);
    wire_expect(second, "1 Z:I");
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*job='import_all'*/"), "held");
    frontend_write_bind(&second->out, "", "s", NULL, 0);
    frontend_write_execute(&second->out, "", 0);
    frontend_write_sync(&second->out);
    wire_flush(second);
    expect_waits(second, proxy->port);
    let_go(first);
    wire_expect(second, "2 D:4 C:SELECT_1 Z:I");
    wire_close(&first);
    wire_close(&second);
    proxy_finish(&proxy);
}

/* A comment like the one before is known by its bytes: it has to mean the same. */
Test(classes, the_same_tags_again_are_the_same_class)
{
    struct proxy *proxy = start("budget = 4\n", "[class imports]\nmatch = tag.job=import application_name=a\nlimit = 1\n");
    struct wire *first = named_session(proxy, "app", "a"), *second = named_session(proxy, "app", "a");
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*job='import',traceparent='1'*/"), "held");
    cr_expect_str_eq(wire_query(second, "select 1 /*job='export',traceparent='1'*/"), "1");
    cr_expect_str_eq(wire_query(second, "select 2 /*job='export',traceparent='2'*/"), "2");
    ask(second, "select 3 /*job='import',traceparent='3'*/");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "3");
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*job='import',traceparent='2'*/"), "held");
    ask(second, "select 4 /*job='import',traceparent='4'*/");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "4");
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*job='import',traceparent='2'*/"), "held");
    /* Without tags in between; and when something else decides too. */
    cr_expect_str_eq(wire_query(second, "select 5"), "5");
    ask(second, "select 6 /*job='import',traceparent='4'*/");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "6");
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*job='import',traceparent='2'*/"), "held");
    cr_expect_str_eq(wire_query(second, "set application_name = 'b'"), "");
    cr_expect_str_eq(wire_query(second, "select 7 /*job='import',traceparent='4'*/"), "7");
    cr_expect_str_eq(wire_query(second, "set application_name = 'a'"), "");
    ask(second, "select 8 /*job='import',traceparent='4'*/");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "8");
    wire_close(&first);
    wire_close(&second);
    proxy_finish(&proxy);
}

Test(classes, a_reload_gives_the_same_tags_another_class)
{
    struct proxy *proxy = start("budget = 4\n", "[class imports]\nmatch = tag.job=import\nlimit = 1\n");
    struct wire *first = named_session(proxy, "app", "a"), *second = named_session(proxy, "app", "b");
    cr_expect_str_eq(wire_query(second, "select 1 /*job='import',route='x'*/"), "1");
    char config[1024];
    snprintf(
        config, sizeof config,
        "[databases]\n* = host=%s port=%d\n[pgturnstile]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir = %s\nauth_type "
        "= trust\n"
        "pool_mode = transaction\nbudget = 4\n[class routes]\nmatch = tag.route=x\nlimit = 1\n[class imports]\nmatch = tag.job=import\n",
        postgres_shared()->directory, postgres_shared()->port, proxy->port, proxy->directory);
    proxy_reload_raw(proxy, config);
    WAIT_FOR(proxy_log_count(proxy, " config_reloaded") == 1, LONG_MS);
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*route='x'*/"), "held");
    ask(second, "select 2 /*job='import',route='x'*/");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "2");
    wire_close(&first);
    wire_close(&second);
    proxy_finish(&proxy);
}

Test(classes, a_reserve_is_kept_for_its_class)
{
    enum { WORKERS = 6 };
    struct proxy *proxy = start("budget = 4\n", "[class web]\nmatch = user=app\nreserve = 2\n[class worker]\nmatch = user=app2\n");
    struct wire *workers[WORKERS], *web[3];
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = named_session(proxy, "app2", "worker");
        ask(workers[i], "begin; select 'held'");
    }
    for (int i = 0; i < 3; i++) web[i] = named_session(proxy, "app", "web");
    /* Two workers hold servers, the other four wait, though two slots are free: those are web's. */
    WAIT_FOR(backends_busy() == 2, LONG_MS);
    for (int i = 0; i < 2; i++) hold(web[i]);
    cr_expect_eq(backends_busy(), 4);
    ask(web[2], "select 5");
    expect_waits(web[2], proxy->port);
    let_go(web[0]);
    /* Its slot comes back to its class, not to the workers, who have waited for longer. */
    expect_answer(web[2], "5");
    let_go(web[1]);
    int held = backends_busy();
    cr_expect_eq(held, 2, "%d", held);
    for (int i = 0; i < WORKERS; i++) wire_close(&workers[i]);
    for (int i = 0; i < 3; i++) wire_close(&web[i]);
    proxy_finish(&proxy);
}

Test(classes, share_limit_throttles_each_key_over_all_clients)
{
    struct proxy *proxy = start("budget = 5\n", "[class jobs]\nmatch = user=app\nshare_by = tag.job\nshare_limit = 1\n");
    struct wire *first = named_session(proxy, "app", "w1"), *second = named_session(proxy, "app", "w2"),
                *third = named_session(proxy, "app", "w3");
    cr_assert_str_eq(wire_query(first, "begin; select 'held' /*job='mail'*/"), "held");
    ask(second, "select 2 /*job='mail'*/");
    cr_expect_str_eq(wire_query(third, "select 3 /*job='report'*/"), "3");
    expect_waits(second, proxy->port);
    let_go(first);
    expect_answer(second, "2");
    wire_close(&first);
    wire_close(&second);
    wire_close(&third);
    proxy_finish(&proxy);
}

Test(classes, a_full_queue_refuses_at_once_and_says_why)
{
    struct proxy *proxy = start("budget = 4\n", "[class small]\nmatch = application_name=small\nlimit = 1\nqueue_limit = 1\n");
    struct wire *first = named_session(proxy, "app", "small"), *second = named_session(proxy, "app", "small"),
                *third = named_session(proxy, "app", "small");
    hold(first);
    ask(second, "select 2");
    expect_waits(second, proxy->port);
    cr_expect_str_eq(wire_query(third, "select 3"), "!53300");
    cr_expect_eq(proxy_log_count(proxy, "class \\\"small\\\" is full"), 1);
    let_go(first);
    expect_answer(second, "2");
    cr_expect_str_eq(wire_query(third, "select 3"), "3");
    wire_close(&first);
    wire_close(&second);
    wire_close(&third);
    proxy_finish(&proxy);
}

Test(classes, a_reload_takes_effect_for_clients_that_are_there)
{
    struct proxy *proxy = start("budget = 4\n", "[class slow]\nmatch = application_name=slow\nlimit = 1\n");
    struct wire *first = named_session(proxy, "app", "slow"), *second = named_session(proxy, "app", "slow");
    hold(first);
    ask(second, "select 2");
    expect_waits(second, proxy->port);
    char config[1024];
    snprintf(config, sizeof config,
             "[databases]\n* = host=%s port=%d\n[pgturnstile]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir = %s\nauth_type "
             "= trust\n"
             "pool_mode = transaction\nbudget = 4\n[class slow]\nmatch = application_name=slow\nlimit = 2\n",
             postgres_shared()->directory, postgres_shared()->port, proxy->port, proxy->directory);
    proxy_reload_raw(proxy, config);
    expect_answer(second, "2");
    hold(second);
    /* And away with it. */
    *strstr(config, "[class slow]") = '\0';
    proxy_reload_raw(proxy, config);
    WAIT_FOR(proxy_log_count(proxy, " config_reloaded") == 2, LONG_MS);
    struct wire *third = named_session(proxy, "app", "slow");
    cr_expect_str_eq(wire_query(third, "select 3"), "3");
    let_go(first);
    let_go(second);
    wire_close(&first);
    wire_close(&second);
    wire_close(&third);
    proxy_finish(&proxy);
}
