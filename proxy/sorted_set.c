/*
 * A treap: a binary search tree by the two numbers that is at the same time a heap by priorities that look random, which keeps its depth
 * near the logarithm of its size.
 */
#include "proxy/sorted_set.h"

#include <stddef.h>

static bool is_before(const struct sorted_node *a, const struct sorted_node *b)
{
    return a->major != b->major ? a->major < b->major : a->minor < b->minor;
}

static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

/* Put `node`, which may be NULL, where `old` hangs. */
static void replace(struct sorted_set *set, struct sorted_node *old, struct sorted_node *node)
{
    struct sorted_node *parent = old->parent;
    if (!parent)
        set->root = node;
    else if (parent->left == old)
        parent->left = node;
    else
        parent->right = node;
    if (node) node->parent = parent;
}

/* The child takes its parent's place. */
static void rotate_up(struct sorted_set *set, struct sorted_node *child)
{
    struct sorted_node *parent = child->parent, *inner;
    replace(set, parent, child);
    if (parent->left == child) {
        inner = child->right;
        parent->left = inner;
        child->right = parent;
    } else {
        inner = child->left;
        parent->right = inner;
        child->left = parent;
    }
    if (inner) inner->parent = parent;
    parent->parent = child;
}

void sorted_set_add(struct sorted_set *set, struct sorted_node *node, uint64_t major, uint64_t minor)
{
    *node = (struct sorted_node){.major = major, .minor = minor, .priority = mix(mix(major) + minor)};
    struct sorted_node **link = &set->root;
    while (*link) {
        node->parent = *link;
        link = is_before(node, *link) ? &(*link)->left : &(*link)->right;
    }
    *link = node;
    while (node->parent && node->parent->priority < node->priority) rotate_up(set, node);
}

void sorted_set_remove(struct sorted_set *set, struct sorted_node *node)
{
    while (node->left && node->right) rotate_up(set, node->left->priority > node->right->priority ? node->left : node->right);
    replace(set, node, node->left ? node->left : node->right);
    node->parent = node->left = node->right = NULL;
}

struct sorted_node *sorted_set_first(const struct sorted_set *set)
{
    struct sorted_node *node = set->root;
    while (node && node->left) node = node->left;
    return node;
}

struct sorted_node *sorted_set_next(const struct sorted_node *node)
{
    if (node->right) {
        struct sorted_node *next = node->right;
        while (next->left) next = next->left;
        return next;
    }
    while (node->parent && node->parent->right == node) node = node->parent;
    return node->parent;
}
