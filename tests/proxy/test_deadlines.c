#include <criterion/criterion.h>

#include "proxy/deadlines.h"

enum { COUNT = 200 };

Test(deadlines, an_empty_list_has_none)
{
    struct deadline_list list;
    deadline_list_init(&list);
    cr_assert_null(deadline_first(&list));
    cr_assert_null(deadline_pop_due(&list, INT64_MAX));
}

Test(deadlines, come_out_in_order_of_time_and_not_before)
{
    struct deadline_list list;
    struct deadline late, early, middle;
    deadline_list_init(&list);
    deadline_init(&late);
    deadline_init(&early);
    deadline_init(&middle);
    deadline_set(&list, &late, 30);
    deadline_set(&list, &early, 10);
    deadline_set(&list, &middle, 20);

    cr_assert_eq(deadline_first(&list), &early);
    cr_assert_null(deadline_pop_due(&list, 9));
    cr_assert_eq(deadline_pop_due(&list, 10), &early);
    cr_assert_null(deadline_pop_due(&list, 19));
    cr_assert_eq(deadline_pop_due(&list, 100), &middle);
    cr_assert_eq(deadline_pop_due(&list, 100), &late);
    cr_assert_null(deadline_pop_due(&list, 100));
    cr_assert_not(deadline_is_set(&late));
}

Test(deadlines, equal_times_keep_their_order)
{
    struct deadline_list list;
    struct deadline deadlines[3];
    deadline_list_init(&list);
    for (int i = 0; i < 3; i++) {
        deadline_init(&deadlines[i]);
        deadline_set(&list, &deadlines[i], 7);
    }
    for (int i = 0; i < 3; i++) cr_assert_eq(deadline_pop_due(&list, 7), &deadlines[i]);
}

Test(deadlines, set_again_moves)
{
    struct deadline_list list;
    struct deadline a, b;
    deadline_list_init(&list);
    deadline_init(&a);
    deadline_init(&b);
    deadline_set(&list, &a, 1);
    deadline_set(&list, &b, 2);
    deadline_set(&list, &a, 3);
    cr_assert_eq(deadline_pop_due(&list, 5), &b);
    cr_assert_eq(deadline_pop_due(&list, 5), &a);
    cr_assert_null(deadline_pop_due(&list, 5));
}

Test(deadlines, may_move_to_another_list)
{
    struct deadline_list first, second;
    struct deadline a;
    deadline_list_init(&first);
    deadline_list_init(&second);
    deadline_init(&a);
    deadline_set(&first, &a, 1);
    deadline_set(&second, &a, 2);
    cr_assert_null(deadline_first(&first));
    cr_assert_eq(deadline_first(&second), &a);
}

Test(deadlines, clear_takes_off_and_is_harmless_twice)
{
    struct deadline_list list;
    struct deadline a, b;
    deadline_list_init(&list);
    deadline_init(&a);
    deadline_init(&b);
    deadline_clear(&a);
    cr_assert_not(deadline_is_set(&a));
    deadline_set(&list, &a, 1);
    deadline_set(&list, &b, 2);
    cr_assert(deadline_is_set(&a));
    deadline_clear(&a);
    deadline_clear(&a);
    cr_assert_not(deadline_is_set(&a));
    cr_assert_eq(deadline_first(&list), &b);
}

Test(deadlines, any_order_of_insertion_comes_out_sorted)
{
    static struct deadline deadlines[COUNT];
    struct deadline_list list;
    deadline_list_init(&list);
    for (int i = 0; i < COUNT; i++) {
        deadline_init(&deadlines[i]);
        deadline_set(&list, &deadlines[i], (i * 7919) % 101 - 50);
    }
    for (int i = 0; i < COUNT; i += 3) deadline_clear(&deadlines[i]);
    int64_t last = INT64_MIN;
    int left = 0;
    for (struct deadline *deadline; (deadline = deadline_pop_due(&list, INT64_MAX)) != NULL; left++) {
        cr_assert_geq(deadline->due_us, last);
        last = deadline->due_us;
    }
    cr_assert_eq(left, COUNT - (COUNT + 2) / 3);
}

Test(deadlines, all_may_be_put_off)
{
    struct deadline deadlines[3];
    struct deadline_list list;
    deadline_list_init(&list);
    deadline_list_delay(&list, 5); /* none */
    for (int i = 0; i < 3; i++) {
        deadline_init(&deadlines[i]);
        deadline_set(&list, &deadlines[i], 10 * (3 - i));
    }
    deadline_list_delay(&list, 100);
    cr_assert_null(deadline_pop_due(&list, 109));
    cr_assert_eq(deadline_pop_due(&list, 110), &deadlines[2]);
    deadline_set(&list, &deadlines[2], 0);
    cr_assert_eq(deadline_pop_due(&list, 0), &deadlines[2]);
    cr_assert_eq(deadlines[0].due_us, 130);
}
