/*
 * Fills a struct error. Not a log and not a message to a client: whoever gets the error back decides what becomes of it.
 */
#include "proxy/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_set(struct error *error, const char *sqlstate, const char *format, ...)
{
    if (sqlstate == NULL) sqlstate = "";
    size_t size = strlen(sqlstate);
    assert(size < sizeof error->sqlstate);
    memcpy(error->sqlstate, sqlstate, size + 1);

    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    assert(written > 0);
    (void)written;
}
