/* The parameters that PostgreSQL reports: names and values, no policy. */
#include "proxy/parameters.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/memory.h"

static const struct {
    const char *name;
    bool is_settable;
} table[] = {
#define X(name, text, settable) [name] = {text, settable},
#include "proxy/parameters.def"
#undef X
};

const char *parameter_name(enum parameter parameter)
{
    return table[parameter].name;
}

bool parameter_is_settable(enum parameter parameter)
{
    return table[parameter].is_settable;
}

enum parameter parameter_find(const char *name)
{
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        if (strcasecmp(table[i].name, name) == 0) return (enum parameter)i;
    return PARAMETER_COUNT;
}

bool parameters_set(struct parameters *parameters, enum parameter parameter, const char *value)
{
    char **place = &parameters->values[parameter];
    if (*place && value && strcmp(*place, value) == 0) return false;
    if (!*place && !value) return false;
    free(*place);
    *place = value ? memory_strdup(value) : NULL;
    return true;
}

void parameters_fini(struct parameters *parameters)
{
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) parameters_set(parameters, (enum parameter)i, NULL);
}
