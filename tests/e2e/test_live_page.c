/*
 * The live page in a real browser, headless: it draws what there is. Skipped where Chromium is not installed.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(live_page, .timeout = 300);

/* The page after its script has run, as HTML. */
static char *open_page(int port)
{
    char *profile = run_directory_file("profile"), *output = run_directory_file("page.html");
    char *profile_option = text_format("--user-data-dir=%s", profile), *url = text_format("http://127.0.0.1:%d/", port);
    const char *argv[] = {"timeout",
                          "120",
                          "chromium",
                          "--headless=new",
                          "--no-sandbox",
                          "--disable-gpu",
                          "--disable-dev-shm-usage",
                          profile_option,
                          "--window-size=1200,1000",
                          "--virtual-time-budget=4000",
                          "--dump-dom",
                          url,
                          NULL};
    process_run(argv, &(struct process_options){.output_path = output});
    char *html = file_read(output);
    directory_remove(profile);
    free(profile);
    free(output);
    free(profile_option);
    free(url);
    return html;
}

static int count(const char *text, const char *needle)
{
    int found = 0;
    for (const char *at = text; (at = strstr(at, needle)); at += strlen(needle)) found++;
    return found;
}

Test(live_page, draws_seats_queues_and_holders)
{
    if (system("command -v chromium >/dev/null") != 0) return; /* cr_skip_test leaks */
    int port = process_free_port();
    struct proxy *proxy = proxy_start("budget = 3\nhttp_listen = 127.0.0.1:%d\n", port);
    struct wire *running = wire_session(proxy->port), *idle = wire_session(proxy->port), *pinned = wire_session(proxy->port);
    struct wire *waiter = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(idle, "begin"), "");
    cr_assert_str_eq(wire_query(idle, "select 1"), "1");
    cr_assert_str_eq(wire_query(pinned, "listen x"), "");
    cr_assert_eq(strncmp(wire_query(idle, "select 1/0"), "!22012", 6), 0);
    cr_assert_str_eq(wire_query(idle, "rollback; begin; select 1"), "1");
    wire_send_query(running, "select pg_sleep(200)");
    WAIT_FOR(backends_find("pg_sleep(200)") != 0, LONG_MS);
    wire_send_query(waiter, "select 1");
    wire_settle(proxy->port);
    char *html = open_page(port);
    cr_expect_eq(count(html, "<div class=\"seat running\""), 1, "%s", html);
    cr_expect_eq(count(html, "<div class=\"seat idle-in-transaction\""), 1);
    cr_expect_eq(count(html, "<div class=\"seat pinned\""), 1);
    cr_expect_eq(count(html, "<div class=\"seat free\""), 0);
    cr_expect_not_null(strstr(html, "pinned: LISTEN"));
    cr_expect_not_null(strstr(html, ">22012</td>"));
    cr_expect_not_null(strstr(html, "1 waiting, longest "));
    cr_expect_not_null(strstr(html, "of 3 connections in use"));
    cr_expect_not_null(strstr(html, "class=\"state good\">running<"));
    cr_expect_eq(count(html, "<svg viewBox=\"0 0 "), 3, "two charts, and the script that draws them");
    free(html);
    wire_close(&waiter);
    wire_close(&running);
    wire_close(&idle);
    wire_close(&pinned);
    proxy_finish(&proxy);
}
