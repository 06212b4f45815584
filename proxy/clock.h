#ifndef PROXY_CLOCK_H
#define PROXY_CLOCK_H

#include <stdint.h>

/* Microseconds of the monotonic clock. Policy never calls this: it takes `now_us` as an argument. */
int64_t clock_now_us(void);
/* Microseconds since 1970, of the wall clock: for what people read and what outlives the process. */
int64_t clock_wall_us(void);

#endif
