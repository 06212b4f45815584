#ifndef TESTS_E2E_SUPPORT_REQUIRE_H
#define TESTS_E2E_SUPPORT_REQUIRE_H

/*
 * An assertion that works in a test and in the runner: Criterion's own cannot be used before a test runs. In a test it fails the
 * test, in the runner it prints the message and ends the program. Main thread only.
 */
#define require(condition, ...)                                                            \
    do {                                                                                   \
        if (!(condition)) require_failed(__FILE__, __LINE__, #condition, " " __VA_ARGS__); \
    } while (0)

void require_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((noreturn, format(printf, 4, 5)));

#endif
