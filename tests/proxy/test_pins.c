#include "proxy/pins.h"

#include <criterion/criterion.h>
#include <string.h>

#include "proxy/statement_effects.h"

Test(pins, each_reason_is_a_bit_with_a_text_of_its_own)
{
    for (unsigned i = 0; i < PIN_COUNT; i++) {
        cr_assert_gt(strlen(pin_text(1u << i)), 0);
        for (unsigned j = 0; j < i; j++) cr_assert_str_neq(pin_text(1u << i), pin_text(1u << j));
    }
    cr_expect_str_eq(pin_text(PIN_LISTEN), "LISTEN");
    cr_expect_str_eq(pin_text(PIN_UNKNOWN), "session state that could not be inquired");
}

Test(pins, of_several_reasons_the_first_is_told)
{
    cr_expect_str_eq(pin_text(0), "");
    cr_expect_str_eq(pin_text(PIN_TEMPORARY | PIN_LISTEN | PIN_LOAD), "LISTEN");
    cr_expect_str_eq(pin_text(PIN_LOAD | PIN_CURSOR), "cursor WITH HOLD");
    cr_expect_str_eq(pin_text(1u << PIN_COUNT), "");
}

Test(pins, effects_make_pins)
{
    static const struct {
        uint32_t effects, pins;
    } cases[] = {
        {0, 0},
        {EFFECT_LISTEN, PIN_LISTEN},
        {EFFECT_TEMP, PIN_TEMPORARY},
        {EFFECT_CURSOR_HOLD, PIN_CURSOR},
        {EFFECT_ADVISORY_LOCK, PIN_ADVISORY_LOCK},
        {EFFECT_PREPARE, PIN_PREPARE},
        {EFFECT_LOAD, PIN_LOAD},
        {EFFECT_OPAQUE_CODE, PIN_LISTEN | PIN_TEMPORARY | PIN_CURSOR | PIN_ADVISORY_LOCK | PIN_PREPARE},
        {EFFECT_LISTEN | EFFECT_SET | EFFECT_LOAD, PIN_LISTEN | PIN_LOAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) cr_expect_eq(pins_made_by(cases[i].effects), cases[i].pins, "case %zu", i);
}

/* What can be moved, and what only ends state, pins nobody. */
Test(pins, other_effects_make_none)
{
    uint32_t making =
        EFFECT_LISTEN | EFFECT_TEMP | EFFECT_CURSOR_HOLD | EFFECT_ADVISORY_LOCK | EFFECT_PREPARE | EFFECT_LOAD | EFFECT_OPAQUE_CODE;
    cr_expect_eq(pins_made_by(~making), 0);
}
