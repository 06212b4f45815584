/* The patterns of analysis_ignore. Not for: when they are asked, which is detector.c's. */
#include "proxy/ignore_list.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/glob.h"
#include "proxy/memory.h"

static const char blanks[] = " \t";
static const char route_prefix[] = "route:";

struct ignore_list {
    char *source;
    char *words; /* the same, with each comma a NUL */
    size_t count;
    struct {
        const char *glob;
        bool is_route;
    } patterns[];
};

static void add(struct ignore_list *list, char *word)
{
    word += strspn(word, blanks);
    size_t size = strlen(word);
    while (size > 0 && strchr(blanks, word[size - 1])) word[--size] = '\0';
    bool is_route = strncmp(word, route_prefix, sizeof route_prefix - 1) == 0;
    if (is_route) word += sizeof route_prefix - 1;
    word += strspn(word, blanks);
    if (*word == '\0') return;
    list->patterns[list->count].glob = word;
    list->patterns[list->count].is_route = is_route;
    list->count++;
}

struct ignore_list *ignore_list_new(const char *patterns)
{
    size_t words = 1;
    for (const char *at = patterns; *at; at++) words += *at == ',';
    struct ignore_list *list = memory_zalloc(sizeof *list + words * sizeof list->patterns[0]);
    list->source = memory_strdup(patterns);
    list->words = memory_strdup(patterns);
    for (char *word = list->words, *next; word; word = next) {
        next = strchr(word, ',');
        if (next) *next++ = '\0';
        add(list, word);
    }
    return list;
}

void ignore_list_free(struct ignore_list **list)
{
    if (!*list) return;
    free((*list)->source);
    free((*list)->words);
    free(*list);
    *list = NULL;
}

bool ignore_list_is_of(const struct ignore_list *list, const char *patterns)
{
    return strcmp(list->source, patterns) == 0;
}

static bool has(const struct ignore_list *list, bool is_route, const char *text, size_t size)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->patterns[i].is_route == is_route && glob_matches(list->patterns[i].glob, text, size)) return true;
    return false;
}

bool ignore_list_has_shape(const struct ignore_list *list, const char *text, size_t size)
{
    return has(list, false, text, size);
}

bool ignore_list_has_route(const struct ignore_list *list, const char *route)
{
    return has(list, true, route, strlen(route));
}
