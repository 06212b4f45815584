#ifndef PROXY_CLOCK_H
#define PROXY_CLOCK_H

#include <stdint.h>

/* Microseconds of the monotonic clock. Policy never calls this: it takes `now_us` as an argument. */
int64_t clock_now_us(void);

#endif
