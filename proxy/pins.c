/* The reasons of pins: their texts, and which effects bring them about. */
#include "proxy/pins.h"

#include "proxy/statement_effects.h"

const char *pin_text(uint32_t pins)
{
    static const char *const texts[] = {
#define X(name, counter, text) [name##_INDEX] = text,
#include "proxy/pins.def"
#undef X
    };
    for (unsigned i = 0; i < PIN_COUNT; i++)
        if (pins & (1u << i)) return texts[i];
    return "";
}

uint32_t pins_made_by(uint32_t effects)
{
    uint32_t pins = 0;
    if (effects & EFFECT_LISTEN) pins |= PIN_LISTEN;
    if (effects & EFFECT_TEMP) pins |= PIN_TEMPORARY;
    if (effects & EFFECT_CURSOR_HOLD) pins |= PIN_CURSOR;
    if (effects & EFFECT_ADVISORY_LOCK) pins |= PIN_ADVISORY_LOCK;
    if (effects & EFFECT_PREPARE) pins |= PIN_PREPARE;
    if (effects & EFFECT_LOAD) pins |= PIN_LOAD;
    if (effects & EFFECT_OPAQUE_CODE) pins |= PIN_LISTEN | PIN_TEMPORARY | PIN_CURSOR | PIN_ADVISORY_LOCK | PIN_PREPARE;
    return pins;
}
