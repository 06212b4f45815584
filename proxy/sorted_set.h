#ifndef PROXY_SORTED_SET_H
#define PROXY_SORTED_SET_H

#include <stdbool.h>
#include <stdint.h>

/* Things in order of two numbers, the nodes embedded in the things: add, remove, first and next take O(log n), and nothing is allocated. */
struct sorted_node {
    struct sorted_node *parent, *left, *right;
    uint64_t major, minor; /* not to be changed while it is in a set */
    uint64_t priority;
};

struct sorted_set { /* zero is empty */
    struct sorted_node *root;
};

/* No two of one set may have both numbers in common. */
void sorted_set_add(struct sorted_set *set, struct sorted_node *node, uint64_t major, uint64_t minor);
void sorted_set_remove(struct sorted_set *set, struct sorted_node *node);
struct sorted_node *sorted_set_first(const struct sorted_set *set); /* NULL: it is empty */
struct sorted_node *sorted_set_next(const struct sorted_node *node);

#endif
