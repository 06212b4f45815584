/* A few lines, each once. */
#include "proxy/value_samples.h"

#include <stdio.h>
#include <string.h>

void value_samples_add(struct value_samples *samples, const char *line, size_t most)
{
    if (most > VALUE_SAMPLES_MAX) most = VALUE_SAMPLES_MAX;
    if (samples->count >= most) return;
    for (size_t i = 0; i < samples->count; i++)
        if (strcmp(samples->lines[i], line) == 0) return;
    snprintf(samples->lines[samples->count++], VALUE_TEXT_SIZE, "%s", line);
}

void value_samples_wipe(struct value_samples *samples)
{
    if (samples) explicit_bzero(samples, sizeof *samples);
}
