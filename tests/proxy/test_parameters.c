#include "proxy/parameters.h"

#include <criterion/criterion.h>
#include <string.h>
#include <strings.h>

Test(parameters, names_are_found_without_case)
{
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        char changed[64];
        const char *name = parameter_name((enum parameter)i);
        cr_assert_lt(strlen(name), sizeof changed);
        strcpy(changed, name);
        for (char *c = changed; *c; c++)
            if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z')) *c ^= 'a' ^ 'A';
        cr_expect_eq(parameter_find(name), i);
        cr_expect_eq(parameter_find(changed), i, "%s", changed);
    }
    cr_expect_eq(parameter_find("TIMEZONE"), PARAMETER_TIMEZONE);
}

Test(parameters, other_names_are_none_of_ours)
{
    static const char *const names[] = {"", "time", "timezone ", "TimeZoneX", "work_mem", "client-encoding"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) cr_expect_eq(parameter_find(names[i]), PARAMETER_COUNT, "%s", names[i]);
}

Test(parameters, what_set_can_change)
{
    static const enum parameter fixed[] = {PARAMETER_IN_HOT_STANDBY,  PARAMETER_INTEGER_DATETIMES, PARAMETER_IS_SUPERUSER,
                                           PARAMETER_SERVER_ENCODING, PARAMETER_SERVER_VERSION,    PARAMETER_SESSION_AUTHORIZATION};
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        bool is_fixed = false;
        for (size_t j = 0; j < sizeof fixed / sizeof fixed[0]; j++) is_fixed |= fixed[j] == i;
        cr_expect_eq(parameter_is_settable((enum parameter)i), !is_fixed, "%s", parameter_name((enum parameter)i));
    }
}

Test(parameters, set_tells_what_is_new)
{
    struct parameters parameters = {0};
    char value[] = "UTC";
    cr_expect_not(parameters_set(&parameters, PARAMETER_TIMEZONE, NULL));
    cr_expect(parameters_set(&parameters, PARAMETER_TIMEZONE, value));
    value[0] = 'X'; /* it was copied */
    cr_expect_str_eq(parameters.values[PARAMETER_TIMEZONE], "UTC");
    cr_expect_not(parameters_set(&parameters, PARAMETER_TIMEZONE, "UTC"));
    cr_expect(parameters_set(&parameters, PARAMETER_TIMEZONE, "utc"), "values have a case");
    cr_expect(parameters_set(&parameters, PARAMETER_TIMEZONE, ""));
    cr_expect_str_eq(parameters.values[PARAMETER_TIMEZONE], "");
    cr_expect_not(parameters_set(&parameters, PARAMETER_TIMEZONE, ""));
    cr_expect(parameters_set(&parameters, PARAMETER_TIMEZONE, NULL));
    cr_expect_null(parameters.values[PARAMETER_TIMEZONE]);
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) cr_expect_null(parameters.values[i]);
}

Test(parameters, fini_leaves_none)
{
    struct parameters parameters = {0};
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) parameters_set(&parameters, (enum parameter)i, "value");
    parameters_fini(&parameters);
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) cr_expect_null(parameters.values[i]);
    parameters_fini(&parameters);
}
