#include <criterion/criterion.h>
#include <stdlib.h>

#include "proxy/deadline_heap.h"

enum { COUNT = 500 };

Test(deadline_heap, an_empty_one_has_none)
{
    struct deadline_heap heap = {0};
    struct deadline_heap_entry entry = {0};
    cr_assert_eq(deadline_heap_first(&heap), INT64_MAX);
    cr_assert_null(deadline_heap_pop_due(&heap, INT64_MAX - 1));
    deadline_heap_remove(&heap, &entry);
    deadline_heap_fini(&heap);
}

Test(deadline_heap, is_lazy)
{
    struct deadline_heap heap = {0};
    struct deadline_heap_entry entry = {0};
    deadline_heap_need(&heap, &entry, 20);
    deadline_heap_need(&heap, &entry, 30); /* early enough already */
    cr_assert_eq(deadline_heap_first(&heap), 20);
    deadline_heap_need(&heap, &entry, 10);
    cr_assert_eq(deadline_heap_first(&heap), 10);
    cr_assert_null(deadline_heap_pop_due(&heap, 9));
    cr_assert_eq(deadline_heap_pop_due(&heap, 10), &entry);
    cr_assert_eq(entry.place, 0);
    cr_assert_null(deadline_heap_pop_due(&heap, 100));
    deadline_heap_fini(&heap);
}

/* Against a plain array, with everything that can happen to an entry. */
Test(deadline_heap, random_ones_come_out_in_order)
{
    static struct deadline_heap_entry entries[COUNT];
    static int64_t due[COUNT]; /* 0: not in */
    struct deadline_heap heap = {0};
    unsigned seed = 5;
    for (int step = 0; step < 200000; step++) {
        int i = rand_r(&seed) % COUNT;
        int64_t time = 1 + rand_r(&seed) % 10000, first = INT64_MAX;
        switch (rand_r(&seed) % 4) {
        case 0:
        case 1:
            deadline_heap_need(&heap, &entries[i], time);
            if (due[i] == 0 || time < due[i]) due[i] = time;
            break;
        case 2:
            deadline_heap_remove(&heap, &entries[i]);
            due[i] = 0;
            break;
        default: {
            struct deadline_heap_entry *entry = deadline_heap_pop_due(&heap, time);
            if (entry) {
                cr_assert_leq(entry->due_us, time);
                cr_assert_eq(entry->due_us, due[entry - entries]);
                due[entry - entries] = 0;
            }
        }
        }
        if (step % 100 != 0) continue;
        for (int k = 0; k < COUNT; k++)
            if (due[k] != 0 && due[k] < first) first = due[k];
        cr_assert_eq(deadline_heap_first(&heap), first);
    }
    deadline_heap_fini(&heap);
}
