/* proxy/setting_names.h. */
#include "proxy/setting_names.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static bool add(struct setting_names *names, const char *name)
{
    return setting_names_add(names, name, strlen(name));
}

static bool has(const struct setting_names *names, const char *name)
{
    return setting_names_has(names, name, strlen(name));
}

Test(setting_names, each_once_whatever_its_case)
{
    struct setting_names names = {0};
    cr_assert_not(has(&names, "app.user"));
    cr_assert(add(&names, "app.user"));
    cr_assert(add(&names, "App.USER"));
    cr_assert(add(&names, "app.user_id"));
    cr_assert(setting_names_add(&names, "app.use and more", 7));
    cr_assert_eq(names.count, 3);
    cr_assert(has(&names, "APP.user"));
    cr_assert(has(&names, "app.use"));
    cr_assert_not(has(&names, "app.us"));
    setting_names_clear(&names);
    cr_assert_not(has(&names, "app.user"));
    setting_names_clear(&names);
}

static void fill(struct setting_names *names)
{
    char name[32];
    for (int i = 0; i < SETTING_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "app.n%d", i);
        cr_assert(add(names, name));
    }
}

Test(setting_names, a_full_set_says_so)
{
    struct setting_names names = {0};
    fill(&names);
    cr_assert_not(add(&names, "app.more"));
    cr_assert_not(has(&names, "app.more"));
    cr_assert(add(&names, "app.n7"), "it is there");
    setting_names_clear(&names);
}

Test(setting_names, the_first_makes_room)
{
    struct setting_names names = {0};
    char longest[SQL_SETTING_NAME_MAX];
    memset(longest, 'x', sizeof longest);
    fill(&names);
    setting_names_add_over(&names, longest, sizeof longest);
    setting_names_add_over(&names, "app.more", 8);
    setting_names_add_over(&names, "app.n5", 6);
    cr_assert(setting_names_has(&names, longest, sizeof longest));
    cr_assert(has(&names, "app.more"));
    cr_assert_not(has(&names, "app.n0"));
    cr_assert_not(has(&names, "app.n1"));
    cr_assert(has(&names, "app.n2"));
    cr_assert_eq(names.count, SETTING_NAMES_MAX);
    setting_names_clear(&names);
}
