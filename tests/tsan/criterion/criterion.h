#ifndef TESTS_TSAN_CRITERION_H
#define TESTS_TSAN_CRITERION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The part of Criterion that the unit tests use, for builds with ThreadSanitizer: the real one keeps memory at addresses that
 * ThreadSanitizer claims, and crashes. Included by one file of a program, since it holds main. Messages of assertions are not shown.
 */

struct mini_test {
    const char *suite_name;
    const char *name; /* NULL: a suite */
    void (*run)(void);
    void (*init)(void);
    void (*fini)(void);
    int signal;
    int exit_code;
    double timeout;
    bool disabled;
    const char *description;
    struct mini_test *next;
};

static struct mini_test *mini_tests;
static bool mini_has_failed;

static inline void mini_register(struct mini_test *test)
{
    struct mini_test **end = &mini_tests;
    while (*end != NULL) end = &(*end)->next;
    *end = test;
}

#define MINI_REGISTER(test)                                        \
    __attribute__((constructor)) static void test##_register(void) \
    {                                                              \
        mini_register(&test);                                      \
    }

#define Test(SUITE, NAME, ...)                                                                                                       \
    static void SUITE##_##NAME##_run(void);                                                                                          \
    static struct mini_test SUITE##_##NAME##_test = {.suite_name = #SUITE, .name = #NAME, .run = SUITE##_##NAME##_run, __VA_ARGS__}; \
    MINI_REGISTER(SUITE##_##NAME##_test)                                                                                             \
    static void SUITE##_##NAME##_run(void)

#define TestSuite(SUITE, ...)                                                    \
    static struct mini_test SUITE##_suite = {.suite_name = #SUITE, __VA_ARGS__}; \
    MINI_REGISTER(SUITE##_suite)                                                 \
    struct mini_test

/* What a test's process ends with. */
enum { MINI_PASSED, MINI_FAILED, MINI_SKIPPED = 77 };

static inline void mini_check(bool holds, bool is_fatal, const char *text, const char *file, int line)
{
    if (holds) return;
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    mini_has_failed = true;
    if (is_fatal) _exit(MINI_FAILED);
}

#define MINI_CHECK(holds, is_fatal, text) mini_check(holds, is_fatal, text, __FILE__, __LINE__)
#define cr_assert(holds, ...)             MINI_CHECK(holds, true, #holds)
#define cr_assert_not(holds, ...)         MINI_CHECK(!(holds), true, "not " #holds)
#define cr_assert_null(pointer, ...)      MINI_CHECK((pointer) == NULL, true, #pointer " is NULL")
#define cr_assert_not_null(pointer, ...)  MINI_CHECK((pointer) != NULL, true, #pointer " is not NULL")
#define cr_assert_eq(a, b, ...)           MINI_CHECK((a) == (b), true, #a " == " #b)
#define cr_assert_neq(a, b, ...)          MINI_CHECK((a) != (b), true, #a " != " #b)
#define cr_assert_lt(a, b, ...)           MINI_CHECK((a) < (b), true, #a " < " #b)
#define cr_assert_leq(a, b, ...)          MINI_CHECK((a) <= (b), true, #a " <= " #b)
#define cr_assert_gt(a, b, ...)           MINI_CHECK((a) > (b), true, #a " > " #b)
#define cr_assert_geq(a, b, ...)          MINI_CHECK((a) >= (b), true, #a " >= " #b)
#define cr_assert_str_eq(a, b, ...)       MINI_CHECK(strcmp((a), (b)) == 0, true, #a " is " #b)
#define cr_assert_str_neq(a, b, ...)      MINI_CHECK(strcmp((a), (b)) != 0, true, #a " is not " #b)
#define cr_assert_arr_eq(a, b, size, ...) MINI_CHECK(memcmp((a), (b), (size)) == 0, true, #a " is " #b)
#define cr_assert_fail(...)               MINI_CHECK(false, true, "cr_assert_fail")
#define cr_expect(holds, ...)             MINI_CHECK(holds, false, #holds)
#define cr_expect_not(holds, ...)         MINI_CHECK(!(holds), false, "not " #holds)
#define cr_expect_null(pointer, ...)      MINI_CHECK((pointer) == NULL, false, #pointer " is NULL")
#define cr_expect_not_null(pointer, ...)  MINI_CHECK((pointer) != NULL, false, #pointer " is not NULL")
#define cr_expect_eq(a, b, ...)           MINI_CHECK((a) == (b), false, #a " == " #b)
#define cr_expect_neq(a, b, ...)          MINI_CHECK((a) != (b), false, #a " != " #b)
#define cr_expect_lt(a, b, ...)           MINI_CHECK((a) < (b), false, #a " < " #b)
#define cr_expect_leq(a, b, ...)          MINI_CHECK((a) <= (b), false, #a " <= " #b)
#define cr_expect_gt(a, b, ...)           MINI_CHECK((a) > (b), false, #a " > " #b)
#define cr_expect_geq(a, b, ...)          MINI_CHECK((a) >= (b), false, #a " >= " #b)
#define cr_expect_str_eq(a, b, ...)       MINI_CHECK(strcmp((a), (b)) == 0, false, #a " is " #b)
#define cr_expect_arr_eq(a, b, size, ...) MINI_CHECK(memcmp((a), (b), (size)) == 0, false, #a " is " #b)
#define cr_expect_fail(...)               MINI_CHECK(false, false, "cr_expect_fail")
#define cr_skip_test(...)                 _exit(MINI_SKIPPED)
#define cr_log_info(...)                  (printf(__VA_ARGS__), putchar('\n'))
#define cr_log_warn(...)                  (printf(__VA_ARGS__), putchar('\n'))
#define cr_log_error(...)                 (printf(__VA_ARGS__), putchar('\n'))

static inline const struct mini_test *mini_suite_of(const struct mini_test *test)
{
    for (const struct mini_test *suite = mini_tests; suite != NULL; suite = suite->next) {
        if (suite->name == NULL && strcmp(suite->suite_name, test->suite_name) == 0) return suite;
    }
    return test;
}

/* In a process of its own, as Criterion does. */
static inline int mini_run(const struct mini_test *test)
{
    const struct mini_test *suite = mini_suite_of(test);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (suite != test && suite->init != NULL) suite->init();
        if (test->init != NULL) test->init();
        test->run();
        if (test->fini != NULL) test->fini();
        if (suite != test && suite->fini != NULL) suite->fini();
        exit(mini_has_failed ? MINI_FAILED : MINI_PASSED);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return MINI_FAILED;
    int expected_signal = test->signal != 0 ? test->signal : suite->signal;
    if (WIFSIGNALED(status)) return WTERMSIG(status) == expected_signal ? MINI_PASSED : MINI_FAILED;
    if (WEXITSTATUS(status) == MINI_SKIPPED) return MINI_SKIPPED;
    return WEXITSTATUS(status) == test->exit_code && expected_signal == 0 ? MINI_PASSED : MINI_FAILED;
}

int main(void)
{
    int passed = 0;
    int failed = 0;
    int skipped = 0;
    for (const struct mini_test *test = mini_tests; test != NULL; test = test->next) {
        if (test->name == NULL || test->disabled) continue;
        int result = mini_run(test);
        passed += result == MINI_PASSED;
        skipped += result == MINI_SKIPPED;
        failed += result == MINI_FAILED;
        if (result == MINI_FAILED) printf("failed: %s::%s\n", test->suite_name, test->name);
    }
    printf("%d tests passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0 || passed + skipped == 0;
}

#endif
