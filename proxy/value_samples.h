#ifndef PROXY_VALUE_SAMPLES_H
#define PROXY_VALUE_SAMPLES_H

#include "proxy/value_text.h"

/* The first parameters of a statement that repeats, as lines of value_text.h: evidence for people, kept only with the setting sample_values. */
enum { VALUE_SAMPLES_MAX = 10 };

struct value_samples {
    size_t count;
    char lines[VALUE_SAMPLES_MAX][VALUE_TEXT_SIZE];
};

/* Copied, unless it is there already or there are `most` (at most VALUE_SAMPLES_MAX). */
void value_samples_add(struct value_samples *samples, const char *line, size_t most);
/* No byte of them stays. NULL accepted. */
void value_samples_wipe(struct value_samples *samples);

#endif
