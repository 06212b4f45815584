#ifndef PROXY_PINS_H
#define PROXY_PINS_H

#include <stdint.h>

/* Sets of reasons why a client's lease outlives its transactions. The list stands in pins.def. */
enum pin_index {
#define X(name, counter, text) name##_INDEX,
#include "proxy/pins.def"
#undef X
    PIN_COUNT
};
enum pin {
#define X(name, counter, text) name = 1 << name##_INDEX,
#include "proxy/pins.def"
#undef X
};

/* Of the lowest reason in the set; "" for none. */
const char *pin_text(uint32_t pins);
/* The reasons that statements with these effects (sql_effect.h) may bring about, and those they may end. */
uint32_t pins_made_by(uint32_t effects);

#endif
