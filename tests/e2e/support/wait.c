/*
 * Deadlines and naps for tests. Not for the proxy: it has its own clock.
 * Invariant: nothing here waits longer than the deadline it was given.
 */
#include "tests/e2e/support/wait.h"

#include "tests/e2e/support/require.h"

#include <limits.h>
#include <time.h>

int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t now_ms(void)
{
    return now_us() / 1000;
}

int ms_left(int64_t deadline_ms)
{
    int64_t left = deadline_ms - now_ms();
    if (left < 0) return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void nap_or_fail(int64_t deadline_ms, const char *what, const char *file, int line)
{
    require(now_ms() < deadline_ms, "%s:%d: waited in vain for: %s", file, line, what);
    nap();
}
