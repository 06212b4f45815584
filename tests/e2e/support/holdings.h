#ifndef TESTS_E2E_SUPPORT_HOLDINGS_H
#define TESTS_E2E_SUPPORT_HOLDINGS_H

#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/wire.h"

#include <stdbool.h>
#include <stddef.h>

/* What the tests of settings that follow their client, and of state that pins it, have in common. */

/* As turns_proxy, with a superuser boss, roles for app to take on, and functions that change settings. */
struct proxy *holdings_proxy(const char *settings);
/* A session in database app, of this user (NULL: app) and with these startup parameters (NULL: none; as wire_login's). */
struct wire *holdings_session(int port, const char *user, const char *const *pairs);
/* A query in a transaction of its own that says on which server it ran. The answer lasts until the next call. */
const char *holdings_look(struct wire *wire, const char *question, char *pid_out, size_t pid_size);
/* A statement that must be refused with a text that has `needle`. The connection stays in step. */
void holdings_expect_refusal(struct wire *wire, const char *text, const char *needle);
/* Whether an answer is as it should be; if not, the test has failed, but goes on with the next sample. `whose` is for people. */
bool holdings_are_right(const char *sample, const char *whose, const char *got, const char *wanted);

#endif
