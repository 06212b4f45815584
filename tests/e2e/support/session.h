#ifndef TESTS_E2E_SUPPORT_SESSION_H
#define TESTS_E2E_SUPPORT_SESSION_H

#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/wire.h"

/*
 * One proxy (budget 2), one client in step with it, and an empty table target (n int primary key, t text): what the tests of the
 * protocol start from and end with.
 */
void session_start(struct proxy **proxy_out, struct wire **wire_out);

/* The next answer on the wire must be that of a query sent now, and no server may be left busy. Ends both. */
void session_finish(struct proxy **proxy, struct wire **wire);

/* Parse, Bind and Execute of a statement with one text parameter, or none when `value` is NULL; no Sync. Answered by "1 2 D* C". */
void session_stage_extended(struct wire *wire, const char *statement, const char *text, const char *value);

#endif
