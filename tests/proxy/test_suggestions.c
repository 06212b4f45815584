#include "proxy/suggestions.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *suggest(const struct suggestion_subject *subject)
{
    static char text[SUGGESTION_MAX];
    suggestion_write(subject, text, sizeof text);
    return text;
}

#define USER_SHAPE "select biz_user.id, biz_user.name from biz_user where biz_user.id = $1 limit $2"

static struct suggestion_subject to_one(enum framework framework)
{
    return (struct suggestion_subject){.verdict = VERDICT_N_PLUS_ONE,
                                       .link = LINK_TO_ONE,
                                       .framework = framework,
                                       .shape_text = USER_SHAPE,
                                       .slot = 0,
                                       .parent_table = "biz_business",
                                       .parent_column = "owner_id"};
}

Test(suggestions, to_one_names_the_join_and_the_relation)
{
    static const char *const words[FRAMEWORK_COUNT] = {
        [FRAMEWORK_DJANGO] = "select_related('owner')",  [FRAMEWORK_RAILS] = ".includes(:owner)",
        [FRAMEWORK_SQLALCHEMY] = "joinedload(...owner)", [FRAMEWORK_HIBERNATE] = "JOIN FETCH owner",
        [FRAMEWORK_LARAVEL] = "->with('owner')",         [FRAMEWORK_PRISMA] = "include: { owner: true }",
    };
    for (int i = 0; i < FRAMEWORK_COUNT; i++) {
        struct suggestion_subject subject = to_one((enum framework)i);
        const char *text = suggest(&subject);
        cr_expect_eq(strncmp(text, "candidate fix: ", 15), 0, "%s", text);
        cr_expect_not_null(strstr(text, "JOIN biz_user ON biz_user.id = biz_business.owner_id"), "%s", text);
        if (words[i] != NULL) cr_expect_not_null(strstr(text, words[i]), "%s", text);
    }
}

Test(suggestions, to_many_is_one_query_for_all)
{
    struct suggestion_subject subject = to_one(FRAMEWORK_DJANGO);
    subject.link = LINK_TO_MANY;
    subject.shape_text = "select * from biz_address where user_id = $1";
    const char *text = suggest(&subject);
    cr_expect_not_null(strstr(text, "WHERE user_id = ANY($1)"), "%s", text);
    cr_expect_not_null(strstr(text, "prefetch_related()"), "%s", text);
    cr_expect_not_null(strstr(text, "biz_address"), "%s", text);
}

Test(suggestions, the_latest_of_each)
{
    struct suggestion_subject subject = to_one(FRAMEWORK_UNKNOWN);
    subject.shape_text = "select * from address where user_id = $1 order by id desc limit $2";
    cr_expect_not_null(strstr(suggest(&subject), "DISTINCT ON (user_id)"), "%s", suggest(&subject));
}

Test(suggestions, the_column_is_the_one_of_the_slot)
{
    struct suggestion_subject subject = {.verdict = VERDICT_N_PLUS_ONE, .slot = 11};
    subject.shape_text = "select * from t where a = $1 and b = $11 and t.\"C d\" = $12";
    cr_expect_not_null(strstr(suggest(&subject), "WHERE \"C d\" = ANY($1)"), "%s", suggest(&subject));
    subject.slot = 0;
    cr_expect_not_null(strstr(suggest(&subject), "WHERE a = ANY($1)"), "%s", suggest(&subject));
    subject.slot = 10;
    cr_expect_not_null(strstr(suggest(&subject), "WHERE b = ANY($1)"), "%s", suggest(&subject));
    subject.slot = -1;
    cr_expect_not_null(strstr(suggest(&subject), "unnest or VALUES"), "%s", suggest(&subject));
    cr_expect_null(strstr(suggest(&subject), "ANY"), "%s", suggest(&subject));
    subject.shape_text = "select * from t where created > $1 and id in (...)";
    cr_expect_not_null(strstr(suggest(&subject), "WHERE id = ANY($1)"), "%s", suggest(&subject));
    subject.shape_text = "select * from t where id in (...) and b in (...)";
    cr_expect_not_null(strstr(suggest(&subject), "unnest or VALUES"), "%s", suggest(&subject));
    subject.shape_text = "select * from t where a = ($1) and b = ($11)"; /* JDBC, in its simple mode */
    subject.slot = 10;
    cr_expect_not_null(strstr(suggest(&subject), "WHERE b = ANY($1)"), "%s", suggest(&subject));
    subject.shape_text = "select * from t where at >= $1 and at < $2";
    subject.slot = 0;
    cr_expect_not_null(strstr(suggest(&subject), "unnest or VALUES"), "%s", suggest(&subject));
}

Test(suggestions, other_parameters_that_vary_are_said)
{
    struct suggestion_subject subject = to_one(FRAMEWORK_UNKNOWN);
    cr_expect_null(strstr(suggest(&subject), "vary"), "%s", suggest(&subject));
    subject.shape_text = "select * from t where a = $1 and b = $2";
    subject.varies_elsewhere = true;
    cr_expect_not_null(strstr(suggest(&subject), "(other parameters vary, too)"), "%s", suggest(&subject));
}

/* The rows of a list's own key, one each by chance: no relation that can be joined, and nothing of that name in Django. */
Test(suggestions, a_foreign_key_of_the_child_is_to_many)
{
    struct suggestion_subject subject = to_one(FRAMEWORK_DJANGO);
    subject.shape_text = "select book.id, book.author_id from book where book.author_id = $1";
    subject.parent_table = "author";
    subject.parent_column = "id";
    cr_expect_not_null(strstr(suggest(&subject), "WHERE author_id = ANY($1), in Django prefetch_related()"), "%s", suggest(&subject));
    cr_expect_null(strstr(suggest(&subject), "JOIN"), "%s", suggest(&subject));
}

Test(suggestions, counts_are_grouped_and_not_joined)
{
    static const char *const texts[] = {"select count(*) as __count from book where book.author_id = $1",
                                        "select exists (select $1 from book where author_id = $2)"};
    for (int i = 0; i < 2; i++) {
        struct suggestion_subject subject = to_one(FRAMEWORK_DJANGO);
        subject.shape_text = texts[i];
        subject.slot = i;
        subject.parent_column = "id";
        cr_expect_not_null(strstr(suggest(&subject), "WHERE author_id = ANY($1) GROUP BY author_id, in Django annotate()"), "%s",
                           suggest(&subject));
        cr_expect_null(strstr(suggest(&subject), "JOIN"), "%s", suggest(&subject));
    }
}

Test(suggestions, rows_are_deleted_together)
{
    struct suggestion_subject subject = {
        .verdict = VERDICT_WRITE_LOOP, .framework = FRAMEWORK_DJANGO, .shape_text = "delete from t where id = $1"};
    cr_expect_str_eq(suggest(&subject), "candidate fix: one statement for all rows, DELETE ... WHERE id = ANY($1), or pipelining");
}

Test(suggestions, without_a_parent_no_relation_is_named)
{
    struct suggestion_subject subject = to_one(FRAMEWORK_DJANGO);
    subject.link = LINK_NONE;
    subject.parent_table = subject.parent_column = NULL;
    cr_expect_not_null(strstr(suggest(&subject), "select_related() or prefetch_related() if they come from a list"), "%s",
                       suggest(&subject));
}

Test(suggestions, every_verdict_has_one_and_none_overflows)
{
    for (int verdict = 0; verdict < VERDICT_COUNT; verdict++) {
        for (int framework = 0; framework < FRAMEWORK_COUNT; framework++) {
            struct suggestion_subject subject = to_one((enum framework)framework);
            char text[40];
            subject.verdict = (enum verdict)verdict;
            subject.link = LINK_NONE;
            subject.parent_table = subject.parent_column = NULL;
            cr_expect_neq(suggest(&subject)[0], '\0');
            cr_expect_not_null(strstr(suggest(&subject), "candidate fix"), "%s", suggest(&subject));
            memset(text, 'x', sizeof text);
            suggestion_write(&subject, text, 20);
            cr_expect_eq(strlen(text), 19);
            cr_expect_eq(text[20], 'x');
        }
    }
}

Test(suggestions, frameworks_by_their_tag)
{
    cr_expect_eq(framework_of_tag("django:4.2", 10), FRAMEWORK_DJANGO);
    cr_expect_eq(framework_of_tag("Ruby on Rails", 13), FRAMEWORK_RAILS);
    cr_expect_eq(framework_of_tag("django", 3), FRAMEWORK_UNKNOWN);
    cr_expect_eq(framework_of_tag("", 0), FRAMEWORK_UNKNOWN);
}

Test(suggestions, frameworks_by_their_habits)
{
    cr_expect_eq(framework_of_text(USER_SHAPE), FRAMEWORK_DJANGO);
    cr_expect_eq(framework_of_text("select users.* from users where users.id = $1 limit $2"), FRAMEWORK_RAILS);
    cr_expect_eq(framework_of_text("select users.id as users_id, users.name as users_name from users where users.id = $1"),
                 FRAMEWORK_SQLALCHEMY);
    cr_expect_eq(framework_of_text("select u1_0.id, u1_0.name from users u1_0 where u1_0.id = $1"), FRAMEWORK_HIBERNATE);
    cr_expect_eq(framework_of_text("select * from users where users.id = $1 limit $2"), FRAMEWORK_LARAVEL);
    cr_expect_eq(
        framework_of_text("select public.\"User\".id from public.\"User\" where (public.\"User\".id = $1 and $2 = $3) limit $4 offset $5"),
        FRAMEWORK_PRISMA);
    cr_expect_eq(framework_of_text("select count(*) as __count from book where book.author_id = $1"), FRAMEWORK_DJANGO);
    cr_expect_eq(framework_of_text("select $1 as a from book where book.author_id = $2 limit $3"), FRAMEWORK_DJANGO);
    cr_expect_eq(framework_of_text("select $1 as one from book where book.author_id = $2 limit $3"), FRAMEWORK_RAILS);
    cr_expect_eq(framework_of_text("select count(*) as aggregate from book where book.author_id = $1"), FRAMEWORK_LARAVEL);
    static const char *const plain[] = {
        "", "select", "select * from t where id = $1", "select a, b from t", "update t set a = $1", "_1.", "select x from", "begin"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) cr_expect_eq(framework_of_text(plain[i]), FRAMEWORK_UNKNOWN, "%s", plain[i]);
}
