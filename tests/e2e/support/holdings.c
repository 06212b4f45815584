/* What tests of session state share. Not for what they assert. */
#include "tests/e2e/support/holdings.h"

#include "tests/e2e/support/postgres.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/turns.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct proxy *holdings_proxy(const char *settings)
{
    static const char *const contents[] = {
        "set client_min_messages = warning",
        "do $$ begin create role boss login superuser; exception when duplicate_object then null; end $$",
        "do $$ begin create role \"We\"\"ird 'role\"; exception when duplicate_object then null; end $$",
        "grant app2, \"We\"\"ird 'role\" to app",
    };
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) sql_run(sql_direct(), "%s", contents[i]);
    char *direct = postgres_direct(postgres_shared(), "app");
    PGconn *super = sql_connect("%s", direct);
    sql_run(super, "create or replace function set_inside(name text, value text) returns text language plpgsql as "
                   "$$ begin perform set_config(name, value, false); return value; end $$");
    sql_run(super, "create or replace function set_outside() returns text language sql set work_mem = '9MB' as "
                   "$$ select current_setting('work_mem') $$");
    PQfinish(super);
    free(direct);
    return turns_proxy(settings);
}

struct wire *holdings_session(int port, const char *user, const char *const *pairs)
{
    struct wire *wire = wire_connect(port);
    wire_login(wire, user != NULL ? user : "app", "app", pairs);
    return wire;
}

const char *holdings_look(struct wire *wire, const char *question, char *pid_out, size_t pid_size)
{
    static char answer[1024];
    snprintf(answer, sizeof answer, "%s", wire_query(wire, "begin"));
    snprintf(pid_out, pid_size, "%s", wire_query(wire, "select pg_backend_pid()"));
    if (answer[0] == '!') return answer;
    snprintf(answer, sizeof answer, "%s", wire_query(wire, question));
    cr_assert_str_eq(wire_query(wire, answer[0] == '!' ? "rollback" : "commit"), "");
    return answer;
}

void holdings_expect_refusal(struct wire *wire, const char *text, const char *needle)
{
    char words[2000] = "";
    struct wire_message message;
    wire_send_query(wire, text);
    while ((message = wire_receive(wire)).type != BACKEND_READY_FOR_QUERY) {
        struct backend_error error;
        cr_assert_neq(message.type, 0, "the connection ended: %s", text);
        if (message.type != BACKEND_ERROR) continue;
        cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
        snprintf(words, sizeof words, "%s %s %s %s", error.sqlstate, error.message, error.detail != NULL ? error.detail : "",
                 error.hint != NULL ? error.hint : "");
    }
    cr_assert_not_null(strstr(words, needle), "\"%s\" is answered with \"%s\", which does not name %s", text, words, needle);
}

bool holdings_are_right(const char *sample, const char *whose, const char *got, const char *wanted)
{
    if (got == NULL) got = "(nothing)";
    cr_expect_str_eq(got, wanted, "%s: %s \"%s\" instead of \"%s\"", sample, whose, got, wanted);
    return strcmp(got, wanted) == 0;
}
