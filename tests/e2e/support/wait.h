#ifndef TESTS_E2E_SUPPORT_WAIT_H
#define TESTS_E2E_SUPPORT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* Waiting for a condition with a deadline: what the end-to-end tests do instead of sleeping for a fixed time. */

/* How long a condition that must come may take: so long that only what never comes is missed, however busy the machine. */
enum { LONG_MS = 60000 };

/* Monotonic clock. */
int64_t now_ms(void);
int64_t now_us(void);

/* Milliseconds left until `deadline_ms` (a value of now_ms()), never negative. For poll(2). */
int ms_left(int64_t deadline_ms);

/* A nap of a millisecond between two looks at a condition. */
void nap(void);

/* A nap, or the end of the test with `what`, file and line when the deadline has passed. Main thread of a test only. */
void nap_or_fail(int64_t deadline_ms, const char *what, const char *file, int line);

/* Look at `condition` until it holds; the test fails when it does not within `timeout_ms`. */
#define WAIT_FOR(condition, timeout_ms)                                    \
    for (int64_t wait_deadline_ms = now_ms() + (timeout_ms); !(condition); \
         nap_or_fail(wait_deadline_ms, #condition, __FILE__, __LINE__)) {  \
    }

#endif
