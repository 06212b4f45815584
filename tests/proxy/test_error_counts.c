/* Errors by SQLSTATE and class: told apart, and bounded. */
#include "proxy/error_counts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct error_counts counts;

static void end(void)
{
    error_counts_fini(&counts);
    cr_expect_eq(counts.size, 0);
}

TestSuite(error_counts, .fini = end);

static const struct error_count *find(const char *sqlstate, const char *class)
{
    for (uint32_t i = 0; i < counts.size; i++)
        if (strcmp(counts.counts[i].sqlstate, sqlstate) == 0 && strcmp(counts.counts[i].class, class) == 0) return &counts.counts[i];
    return NULL;
}

/* `count` SQLSTATEs that nobody else makes up. */
static void make_up(const char *class, int count)
{
    for (int i = 0; i < count; i++) {
        char sqlstate[12];
        snprintf(sqlstate, sizeof sqlstate, "%05d", i);
        error_counts_add(&counts, sqlstate, class, ERROR_OF_SERVER, i);
    }
}

Test(error_counts, by_sqlstate_class_and_source)
{
    error_counts_add(&counts, "42601", "web", ERROR_OF_SERVER, 1);
    error_counts_add(&counts, "53300", NULL, ERROR_OF_OURS, 2);
    error_counts_add(&counts, "42601", "web", ERROR_OF_OURS, 3);
    error_counts_add(&counts, NULL, "web", ERROR_OF_SERVER, 4);
    error_counts_add(&counts, "4260100000", "web", ERROR_OF_SERVER, 5);
    error_counts_add(&counts, "42601", "jobs", ERROR_OF_SERVER, 6);
    cr_assert_eq(counts.size, 4);
    cr_expect_str_eq(counts.counts[0].sqlstate, "42601");
    cr_expect_str_eq(counts.counts[0].class, "web");
    cr_expect(counts.counts[0].of_servers == 2 && counts.counts[0].of_ours == 1 && counts.counts[0].last_us == 5);
    cr_expect_str_eq(counts.counts[1].class, "");
    cr_expect(counts.counts[1].of_servers == 0 && counts.counts[1].of_ours == 1);
    cr_expect_str_eq(counts.counts[3].class, "jobs");
    cr_expect(counts.counts[3].of_servers == 1 && counts.counts[3].of_ours == 0);
}

Test(error_counts, a_class_uses_up_its_own_part)
{
    make_up("wild", 1000);
    make_up("wild", 1000);
    error_counts_add(&counts, "40P01", "web", ERROR_OF_SERVER, 1);
    cr_assert_eq(counts.size, ERROR_COUNTS_OF_CLASS_MAX + 1);
    cr_assert_not_null(find("other", "wild"));
    cr_expect_eq(find("other", "wild")->of_servers, 2 * (1000 - (ERROR_COUNTS_OF_CLASS_MAX - 1)));
    cr_expect_eq(find("00003", "wild")->of_servers, 2);
    cr_expect_not_null(find("40P01", "web"));
}

Test(error_counts, all_classes_together_are_bounded)
{
    for (int i = 0; i < 100; i++) {
        char class[16];
        snprintf(class, sizeof class, "class %d", i);
        make_up(class, 200);
    }
    cr_assert_eq(counts.size, ERROR_COUNTS_MAX);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < counts.size; i++) sum += counts.counts[i].of_servers;
    cr_expect_eq(sum, 100 * 200, "none is lost");
    cr_expect_not_null(find("other", ""));
    cr_expect_null(find("other", "class 99"));
}

Test(error_counts, a_long_class_name_is_cut)
{
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    error_counts_add(&counts, "42601", name, ERROR_OF_SERVER, 1);
    error_counts_add(&counts, "42601", name, ERROR_OF_SERVER, 2);
    cr_assert_eq(counts.size, 1);
    cr_expect_eq(strlen(counts.counts[0].class), ERROR_CLASS_SIZE - 1);
}

Test(error_counts, a_copy_is_its_own)
{
    struct error_counts copy;
    error_counts_copy(&counts, &copy);
    cr_expect_eq(copy.size, 0);
    error_counts_fini(&copy);
    error_counts_add(&counts, "42601", "web", ERROR_OF_SERVER, 1);
    error_counts_copy(&counts, &copy);
    error_counts_add(&counts, "42601", "web", ERROR_OF_SERVER, 2);
    error_counts_add(&counts, "42602", "web", ERROR_OF_SERVER, 2);
    cr_assert_eq(copy.size, 1);
    cr_expect_eq(copy.counts[0].of_servers, 1);
    error_counts_add(&copy, "42603", "web", ERROR_OF_SERVER, 3);
    cr_expect_eq(copy.size, 2);
    error_counts_fini(&copy);
}
