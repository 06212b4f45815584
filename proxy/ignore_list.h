#ifndef PROXY_IGNORE_LIST_H
#define PROXY_IGNORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What the search for duplicate queries leaves out: patterns (glob.h) separated by commas, blanks around them do not count. One that begins with "route:" is about the
 * route of a unit of work, any other about the canonical text of a statement. A comma cannot be written; `?` stands for it.
 */
struct ignore_list;

struct ignore_list *ignore_list_new(const char *patterns); /* copied */
void ignore_list_free(struct ignore_list **list);          /* NULL accepted */
/* It was made of this text. */
bool ignore_list_is_of(const struct ignore_list *list, const char *patterns);
bool ignore_list_has_shape(const struct ignore_list *list, const char *text, size_t size);
bool ignore_list_has_route(const struct ignore_list *list, const char *route);

#endif
