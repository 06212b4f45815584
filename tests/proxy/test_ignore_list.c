#include "proxy/ignore_list.h"

#include <criterion/criterion.h>
#include <string.h>

static bool has_shape(const char *patterns, const char *text)
{
    struct ignore_list *list = ignore_list_new(patterns);
    bool has = ignore_list_has_shape(list, text, strlen(text));
    ignore_list_free(&list);
    cr_expect_null(list);
    return has;
}

static bool has_route(const char *patterns, const char *route)
{
    struct ignore_list *list = ignore_list_new(patterns);
    bool has = ignore_list_has_route(list, route);
    ignore_list_free(&list);
    return has;
}

Test(ignore_list, shapes)
{
    cr_expect(has_shape("select * from health", "select * from health"));
    cr_expect(has_shape("*from health*", "select x from health where id = $1"));
    cr_expect(has_shape(" a ,\t*from health* , b", "select x from health where id = $1"));
    cr_expect(has_shape("select a? b from t", "select a, b from t"));
    cr_expect_not(has_shape("select a, b from t", "select a, b from t"), "a comma ends a pattern");
    cr_expect_not(has_shape("from health", "select x from health"));
    cr_expect_not(has_shape("SELECT*", "select 1"));
}

Test(ignore_list, routes)
{
    cr_expect(has_route("route:/admin/*", "/admin/users"));
    cr_expect(has_route("x, route: nightly", "nightly"));
    cr_expect_not(has_route("/admin/*", "/admin/users"));
    cr_expect_not(has_shape("route:*", "select 1"));
    cr_expect_not(has_route("*", "/"));
}

Test(ignore_list, nothing)
{
    static const char *const empty[] = {"", " ", ",", " , ,, ", "route:", "route: ,"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        cr_expect_not(has_shape(empty[i], ""), "'%s'", empty[i]);
        cr_expect_not(has_shape(empty[i], "select"), "'%s'", empty[i]);
        cr_expect_not(has_route(empty[i], ""), "'%s'", empty[i]);
        cr_expect_not(has_route(empty[i], "/"), "'%s'", empty[i]);
    }
    struct ignore_list *none = NULL;
    ignore_list_free(&none);
}

Test(ignore_list, knows_what_it_was_made_of)
{
    struct ignore_list *list = ignore_list_new(" a, route:b");
    cr_expect(ignore_list_is_of(list, " a, route:b"));
    cr_expect_not(ignore_list_is_of(list, "a, route:b"));
    ignore_list_free(&list);
}
