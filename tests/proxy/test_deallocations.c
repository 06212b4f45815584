#include "proxy/deallocations.h"

#include <criterion/criterion.h>
#include <string.h>

static struct deallocations deallocations;

static void end(void)
{
    deallocations_end(&deallocations);
    cr_expect_null(deallocations.names);
}

TestSuite(deallocations, .fini = end);

/* "-": the tag is none of these; "*": all. */
static void expect_taken(const char *tag, const char *expected)
{
    const char *name = "-";
    bool is_taken = deallocations_take(&deallocations, tag, &name);
    if (!is_taken) name = "-";
    cr_expect_str_eq(name ? name : "*", expected, "%s took %s", tag, name ? name : "*");
}

Test(deallocations, tags_tell_in_order)
{
    char name[] = "b";
    deallocations_add(&deallocations, "a");
    deallocations_add(&deallocations, name);
    deallocations_add(&deallocations, NULL);
    deallocations_add(&deallocations, "c");
    deallocations_add(&deallocations, "d");
    *name = 'x'; /* it was copied */
    cr_expect_not(deallocations_are_running(&deallocations));
    cr_assert(deallocations_run(&deallocations, NULL));
    cr_expect(deallocations_are_running(&deallocations));
    expect_taken("SELECT 1", "-");
    expect_taken("DEALLOCATE", "a");
    expect_taken("SET", "-");
    expect_taken("DEALLOCATE", "b");
    expect_taken("DEALLOCATE ALL", "*");
    expect_taken("DEALLOCATE", "c");
    deallocations_end(&deallocations);
    cr_expect_not(deallocations_are_running(&deallocations));
    expect_taken("DEALLOCATE", "-");
}

Test(deallocations, a_tag_that_does_not_fit_takes_nothing)
{
    deallocations_add(&deallocations, "a");
    deallocations_add(&deallocations, NULL);
    cr_assert(deallocations_run(&deallocations, NULL));
    expect_taken("DISCARD ALL", "-");
    expect_taken("DEALLOCATE", "a");
    expect_taken("DEALLOCATE", "-");
    expect_taken("DISCARD ALL", "*");
    expect_taken("DISCARD ALL", "-");
}

Test(deallocations, have_what_is_named_or_all)
{
    cr_expect_not(deallocations_have(&deallocations, "a"));
    deallocations_add(&deallocations, "a");
    cr_expect(deallocations_have(&deallocations, "a"));
    cr_expect_not(deallocations_have(&deallocations, "b"));
    deallocations_add(&deallocations, NULL);
    cr_expect(deallocations_have(&deallocations, "b"));
}

Test(deallocations, nothing_runs_where_nothing_is_deallocated)
{
    cr_expect_not(deallocations_run(&deallocations, NULL));
    cr_expect_not(deallocations_run(&deallocations, ""));
}

Test(deallocations, a_portal_runs_when_it_is_executed)
{
    deallocations_add(&deallocations, "a");
    deallocations_bind(&deallocations, "p");
    cr_expect_not(deallocations_are_running(&deallocations));
    cr_expect_not(deallocations_run(&deallocations, "q"));
    cr_expect_not(deallocations_run(&deallocations, NULL), "a Query is no portal");
    cr_expect(deallocations_run(&deallocations, "p"));
    cr_expect(deallocations_are_running(&deallocations));
    expect_taken("DEALLOCATE", "a");
}

Test(deallocations, another_statement_in_the_portal)
{
    deallocations_add(&deallocations, "a");
    deallocations_bind(&deallocations, "");
    deallocations_rebind(&deallocations, "p");
    cr_expect_eq(deallocations.state, DEALLOCATIONS_BOUND);
    deallocations_rebind(&deallocations, "");
    cr_expect_not(deallocations_run(&deallocations, ""));
}

Test(deallocations, a_portal_whose_name_is_too_long)
{
    char name[2 * DEALLOCATIONS_PORTAL_SIZE];
    memset(name, 'p', sizeof name);
    name[DEALLOCATIONS_PORTAL_SIZE] = '\0';
    deallocations_add(&deallocations, "a");
    deallocations_bind(&deallocations, name);
    cr_expect_not(deallocations_run(&deallocations, name));
    name[DEALLOCATIONS_PORTAL_SIZE - 1] = '\0';
    deallocations_add(&deallocations, "a");
    deallocations_bind(&deallocations, name);
    cr_expect(deallocations_run(&deallocations, name));
}
