/*
 * Failing in the runner as well as in a test. Not for threads: there a test's outcome is handed to the main thread.
 */
#include "tests/e2e/support/require.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void require_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (criterion_current_test != NULL) cr_assert_fail("%s:%d: %s:%s", file, line, condition, text);
    fprintf(stderr, "%s:%d: %s:%s\n", file, line, condition, text);
    exit(1);
}
