#include "proxy/shapes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct shapes *shapes;

static void end(void)
{
    shapes_free(&shapes);
    cr_expect_null(shapes);
}

TestSuite(shapes, .fini = end);

static struct shape *learn(const struct scope *scope, uint64_t fingerprint, const char *text)
{
    return shapes_learn(
        shapes, scope, fingerprint,
        &(struct shape_description){.text = text, .text_size = strlen(text), .class = SHAPE_READ, .tables = {7}, .table_count = 1}, 5);
}

Test(shapes, scopes_are_interned)
{
    shapes = shapes_new(10, 100000);
    const struct scope *scope = shapes_scope(shapes, "shop", "web");
    cr_expect_eq(shapes_scope(shapes, "shop", "web"), scope);
    cr_expect_neq(shapes_scope(shapes, "sho", "pweb"), scope);
    cr_expect_neq(shapes_scope(shapes, "shop", "other"), scope);
    cr_expect_str_eq(scope->database, "shop");
    cr_expect_str_eq(scope->user, "web");
    cr_expect_neq(shapes_key(scope, 1), shapes_key(shapes_scope(shapes, "shop", "other"), 1));
    cr_expect_neq(shapes_key(scope, 1), shapes_key(scope, 2));
}

Test(shapes, what_was_learned_is_found)
{
    shapes = shapes_new(10, 100000);
    const struct scope *scope = shapes_scope(shapes, "shop", "web");
    cr_expect_null(shapes_find(shapes, shapes_key(scope, 1)));
    struct shape *shape = learn(scope, 1, "select $1");
    cr_expect_eq(shapes_find(shapes, shapes_key(scope, 1)), shape);
    cr_expect_eq(learn(scope, 1, "another text for the same hash"), shape);
    cr_expect_str_eq(shape->text, "select $1");
    cr_expect_eq(shape->class, SHAPE_READ);
    cr_expect_eq(shape->tables[0], 7);
    cr_expect_eq(shape->first_seen_us, 5);
    cr_expect_eq(shapes_count(shapes), 1);
}

Test(shapes, one_in_use_outlives_those_that_are_not)
{
    shapes = shapes_new(8, 1000000);
    const struct scope *scope = shapes_scope(shapes, "shop", "web");
    struct shape *kept = learn(scope, 1, "kept");
    for (uint64_t i = 2; i < 1000; i++) {
        char text[20];
        snprintf(text, sizeof text, "select %d", (int)i);
        learn(scope, i, text);
        cr_assert_eq(shapes_find(shapes, shapes_key(scope, 1)), kept);
        const struct shape *latest = shapes_find(shapes, shapes_key(scope, i));
        cr_assert_not_null(latest);
        cr_assert_str_eq(latest->text, text);
    }
    cr_expect_eq(shapes_count(shapes), 8);
    cr_expect_eq(shapes_evicted(shapes), 999 - 8);
    size_t position = 0, count = 0;
    for (const struct shape *shape; (shape = shapes_next(shapes, &position)) != NULL; count++)
        cr_expect_eq(shapes_find(shapes, shape->key), shape);
    cr_expect_eq(count, 8);
}

Test(shapes, texts_are_bounded_one_by_one_and_together)
{
    static char text[100001];
    shapes = shapes_new(1000, 10 * SHAPE_TEXT_MAX);
    const struct scope *scope = shapes_scope(shapes, "shop", "web");
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "ü", 2);
    for (uint64_t i = 1; i < 100; i++) {
        struct shape *shape = learn(scope, i, text);
        cr_assert_leq(shape->text_size, SHAPE_TEXT_MAX);
        cr_assert_eq(strlen(shape->text), shape->text_size);
        cr_assert_str_eq(shape->text + shape->text_size - 4, " ...");
        cr_assert_eq((uint8_t)shape->text[shape->text_size - 5], 0xbc, "cut between characters");
        cr_assert_leq(shapes_text_bytes(shapes), 10 * SHAPE_TEXT_MAX);
    }
    cr_expect_leq(shapes_count(shapes), 10);
    cr_expect_geq(shapes_count(shapes), 9);
}
