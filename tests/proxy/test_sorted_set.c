/* The sorted set against an array. */
#include "proxy/sorted_set.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { NODES = 300, STEPS = 20000 };

static struct sorted_set set;
static struct sorted_node nodes[NODES];
static bool is_in[NODES];

static uint32_t pick(uint32_t n)
{
    static uint64_t state = 3;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

/* The one that comes after `node`, or first. */
static struct sorted_node *find_next(const struct sorted_node *node)
{
    struct sorted_node *found = NULL;
    for (int i = 0; i < NODES; i++) {
        struct sorted_node *other = &nodes[i];
        if (!is_in[i] || (node && (other->major < node->major || (other->major == node->major && other->minor <= node->minor)))) continue;
        if (!found || other->major < found->major || (other->major == found->major && other->minor < found->minor)) found = other;
    }
    return found;
}

Test(sorted_set, is_in_order_whatever_comes_and_goes)
{
    cr_expect_null(sorted_set_first(&set));
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = pick(NODES);
        if (is_in[i])
            sorted_set_remove(&set, &nodes[i]);
        else
            sorted_set_add(&set, &nodes[i], pick(10), i);
        is_in[i] = !is_in[i];
        struct sorted_node *first = find_next(NULL);
        cr_assert_eq(sorted_set_first(&set), first);
        if (is_in[i]) cr_assert_eq(sorted_set_next(&nodes[i]), find_next(&nodes[i]));
        if (step % 500 > 0) continue;
        for (struct sorted_node *node = first; node; node = sorted_set_next(node)) cr_assert_eq(sorted_set_next(node), find_next(node));
    }
}

static int depth_of(const struct sorted_node *node)
{
    if (!node) return 0;
    int left = depth_of(node->left), right = depth_of(node->right);
    return 1 + (left > right ? left : right);
}

Test(sorted_set, stays_shallow_when_things_come_in_order)
{
    enum { MANY = 100000 };
    struct sorted_node *many = calloc(MANY, sizeof *many);
    for (uint64_t i = 0; i < MANY; i++) sorted_set_add(&set, &many[i], 1, i);
    int depth = depth_of(set.root);
    cr_expect_leq(depth, 60, "%d", depth);
    for (uint64_t i = 0; i < MANY; i += 2) sorted_set_remove(&set, &many[i]);
    cr_expect_eq(sorted_set_first(&set), &many[1]);
    free(many);
}
