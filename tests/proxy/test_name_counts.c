#include "proxy/name_counts.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(name_counts, up_to_a_limit_and_down_to_nothing)
{
    struct name_counts counts = {.by_name = NULL};
    struct name_count *a = name_counts_add(&counts, "shop", 2);
    struct name_count *b = name_counts_add(&counts, "shop", 2);
    struct name_count *other = name_counts_add(&counts, "reports", 2);
    cr_assert_not_null(a);
    cr_assert_eq(a, b);
    cr_assert_neq(a, other);
    cr_assert_null(name_counts_add(&counts, "shop", 2));
    cr_assert_eq(name_counts_of(&counts, "shop"), 2);
    cr_assert_eq(name_counts_of(&counts, "reports"), 1);
    cr_assert_eq(name_counts_of(&counts, "none"), 0);

    name_counts_remove(&counts, &b);
    cr_assert_null(b);
    name_counts_remove(&counts, &b);
    cr_assert_eq(name_counts_of(&counts, "shop"), 1);
    b = name_counts_add(&counts, "shop", 2);
    cr_assert_not_null(b);

    name_counts_remove(&counts, &a);
    name_counts_remove(&counts, &b);
    name_counts_remove(&counts, &other);
    cr_assert_eq(name_counts_of(&counts, "shop"), 0);
    cr_assert_null(counts.by_name);
}

Test(name_counts, without_a_limit_and_below_what_there_is)
{
    struct name_counts counts = {.by_name = NULL};
    struct name_count *all[5];
    for (int i = 0; i < 5; i++) all[i] = name_counts_add(&counts, "a", 0);
    cr_assert_eq(name_counts_of(&counts, "a"), 5);
    cr_assert_null(name_counts_add(&counts, "a", 3));
    for (int i = 0; i < 5; i++) name_counts_remove(&counts, &all[i]);
    struct name_count *first = name_counts_add(&counts, "a", 1);
    cr_assert_not_null(first);
    name_counts_remove(&counts, &first);
    cr_assert_null(counts.by_name);
}

Test(name_counts, many_names)
{
    enum { COUNT = 2000 };
    static struct name_count *all[COUNT];
    struct name_counts counts = {.by_name = NULL};
    char name[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "name %d", i);
        all[i] = name_counts_add(&counts, name, 1);
        cr_assert_not_null(all[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "name %d", i);
        cr_assert_null(name_counts_add(&counts, name, 1));
        name_counts_remove(&counts, &all[i]);
        cr_assert_eq(name_counts_of(&counts, name), 0);
    }
    cr_assert_null(counts.by_name);
}
