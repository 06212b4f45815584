/* The extended protocol in a word or two. Not for parameter types, portals by name or row limits: protocol/frontend.h has them. */
#include "tests/e2e/support/stage.h"

void stage_parse(struct wire *wire, const char *statement, const char *text)
{
    frontend_write_parse(&wire->out, statement, text, NULL, 0);
}

void stage_run(struct wire *wire, const char *statement, const char *value)
{
    frontend_write_bind(&wire->out, "", statement, (const char *const[]){value}, value != NULL);
    frontend_write_execute(&wire->out, "", 0);
}

void stage_close(struct wire *wire, const char *statement)
{
    frontend_write_close(&wire->out, 'S', statement);
}

void stage_sync_at(struct wire *wire, const char *pattern, const char *file, int line)
{
    frontend_write_sync(&wire->out);
    wire_flush(wire);
    wire_expect_at(wire, pattern, file, line);
}

void stage_query_at(struct wire *wire, const char *text, const char *pattern, const char *file, int line)
{
    wire_send_query(wire, text);
    wire_expect_at(wire, pattern, file, line);
}
