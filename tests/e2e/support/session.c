/*
 * The fixture of the protocol tests. Not for tests with settings of their own: those start their proxy themselves.
 */
#include "tests/e2e/support/session.h"

#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>

void session_start(struct proxy **proxy_out, struct wire **wire_out)
{
    *proxy_out = proxy_start("budget = 2\n");
    *wire_out = wire_session((*proxy_out)->port);
    const char *answer = wire_query(*wire_out, "drop table if exists target; create table target (n int primary key, t text)");
    cr_assert_str_eq(answer, "");
}

void session_finish(struct proxy **proxy, struct wire **wire)
{
    wire_send_query(*wire, "select 'in step'");
    wire_expect(*wire, "T D:in_step C:SELECT_1 Z:I");
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    wire_close(wire);
    proxy_finish(proxy);
}

void session_stage_extended(struct wire *wire, const char *statement, const char *text, const char *value)
{
    frontend_write_parse(&wire->out, statement, text, NULL, 0);
    frontend_write_bind(&wire->out, "", statement, (const char *const[]){value}, value != NULL);
    frontend_write_execute(&wire->out, "", 0);
}
