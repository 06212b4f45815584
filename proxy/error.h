#ifndef PROXY_ERROR_H
#define PROXY_ERROR_H

/* What went wrong in a setup call that returned -1: a sentence for a person, and the SQLSTATE where a client will be told. */
struct error {
    char sqlstate[6]; /* "" when none applies */
    char text[512];   /* never empty after a failure, never holds a secret */
};

void error_set(struct error *error, const char *sqlstate, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
