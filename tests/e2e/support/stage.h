#ifndef TESTS_E2E_SUPPORT_STAGE_H
#define TESTS_E2E_SUPPORT_STAGE_H

#include "tests/e2e/support/wire.h"

/* Short forms of the extended protocol on a `struct wire`: what is staged leaves with stage_sync, or with wire_flush. */

/* Parse without parameter types. */
void stage_parse(struct wire *wire, const char *statement, const char *text);
/* Bind to the unnamed portal and Execute; `value` is the only parameter, NULL: none. */
void stage_run(struct wire *wire, const char *statement, const char *value);
/* Close of a statement. */
void stage_close(struct wire *wire, const char *statement);

/* Sync, send all, and compare the answer with a pattern of wire_expect. */
void stage_sync_at(struct wire *wire, const char *pattern, const char *file, int line);
#define stage_sync(wire, pattern) stage_sync_at(wire, pattern, __FILE__, __LINE__)

/* A simple query whose whole answer matches the pattern. */
void stage_query_at(struct wire *wire, const char *text, const char *pattern, const char *file, int line);
#define stage_query(wire, text, pattern) stage_query_at(wire, text, pattern, __FILE__, __LINE__)

#endif
