#ifndef PROXY_PARAMETERS_H
#define PROXY_PARAMETERS_H

#include <stdbool.h>

/* The reported parameters of a session: one value for each line of parameters.def, NULL where the server does not report it. */
enum parameter {
#define X(name, text, settable) name,
#include "proxy/parameters.def"
#undef X
    PARAMETER_COUNT
};

struct parameters {
    char *values[PARAMETER_COUNT]; /* owned */
};

const char *parameter_name(enum parameter parameter);
bool parameter_is_settable(enum parameter parameter);
/* Without case; PARAMETER_COUNT when it is none of ours. */
enum parameter parameter_find(const char *name);

/* Copies the value. True when it differs from what was there. */
bool parameters_set(struct parameters *parameters, enum parameter parameter, const char *value);
void parameters_fini(struct parameters *parameters);

#endif
