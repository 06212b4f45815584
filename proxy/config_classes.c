/*
 * The [class NAME] sections: their keys, and what classes mean together. What a `match` line says is config_match.c's; which class a client
 * is in, classes.c's.
 */
#include "proxy/config_classes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/config_text.h"
#include "proxy/memory.h"

#define COUNT(name, standard, low, high, text) {#name, #standard, text, offsetof(struct config_class, name), false, low, high},
#define SECONDS(name, standard, text)          {#name, #standard, text, offsetof(struct config_class, name##_us), true, 0, 0},
#define TIMEOUT(name, text)                    {#name, "", text, offsetof(struct config_class, name##_us), true, 0, 0},
#define CLASS_COUNT                            COUNT
#define CLASS_SECONDS                          SECONDS
#define CLASS_TIMEOUT                          TIMEOUT
static const struct config_class_key keys[] = {
#include "proxy/class_keys.def"
};
enum { KEY_COUNT = sizeof keys / sizeof *keys };

struct config_class_draft {
    struct config_class class;
    struct config_match *matches; /* until the end on the heap, for it grows */
    unsigned *match_lines;
    size_t match_count;
    bool has_bad_match; /* so that a class with nothing else is not told that it has no match */
    bool has_bad_share_by;
    unsigned line, share_by_line;
    unsigned key_lines[KEY_COUNT]; /* 0: not said */
};

#define PROBLEM(origin, line, ...) config_problems_add((origin)->problems, CONFIG_ERROR, (origin)->file, line, __VA_ARGS__)
#define WARNING(origin, line, ...) config_problems_add((origin)->problems, CONFIG_WARNING, (origin)->file, line, __VA_ARGS__)

const struct config_class_key *config_class_keys(size_t *count_out)
{
    *count_out = KEY_COUNT;
    return keys;
}

static int64_t *member(struct config_class *class, const struct config_class_key *key)
{
    return (int64_t *)(void *)((char *)class + key->offset);
}

/* A key without a default may be said to be nothing. */
static bool set_value(struct config_class *class, const struct config_class_key *key, const char *value)
{
    if (*value == '\0' && *key->standard == '\0') {
        *member(class, key) = -1;
        return true;
    }
    if (key->is_seconds) return config_text_seconds(value, member(class, key));
    return config_text_number(value, 10, key->low, key->high, member(class, key));
}

static struct config_class class_with_defaults(const char *name)
{
    struct config_class class = {.name = name};
    for (size_t i = 0; i < KEY_COUNT; i++) {
        bool is_set = set_value(&class, &keys[i], keys[i].standard);
        assert(is_set);
        (void)is_set;
    }
    return class;
}

static bool is_default(const struct config_class_draft *draft)
{
    return strcmp(draft->class.name, CONFIG_CLASS_DEFAULT) == 0;
}

/* ---- a section ---- */

static struct config_class_draft *add(struct config_classes_draft *draft, const struct config_origin *origin, const char *name)
{
    draft->classes = memory_realloc(draft->classes, (draft->count + 1) * sizeof *draft->classes);
    draft->classes[draft->count] =
        (struct config_class_draft){.class = class_with_defaults(text_store_add(origin->store, name)), .line = origin->line};
    return &draft->classes[draft->count++];
}

static bool is_acceptable(const struct config_classes_draft *draft, const struct config_origin *origin, const char *name)
{
    if (name == NULL || *name == '\0') {
        PROBLEM(origin, origin->line, "[class] lacks the name: write [class NAME]");
        return false;
    }
    if (strlen(name) > CONFIG_NAME_SIZE_MAX) {
        PROBLEM(origin, origin->line, "class \"%s\" is longer than %d bytes", name, CONFIG_NAME_SIZE_MAX);
        return false;
    }
    for (size_t i = 0; i < draft->count; i++) {
        if (strcmp(draft->classes[i].class.name, name) != 0) continue;
        PROBLEM(origin, origin->line, "class \"%s\" is said twice, first on line %u: keep one", name, draft->classes[i].line);
        return false;
    }
    return true;
}

void config_classes_begin(struct config_classes_draft *draft, const struct config_origin *origin, const char *name)
{
    draft->is_skipping = !is_acceptable(draft, origin, name);
    if (!draft->is_skipping) add(draft, origin, name);
}

static void read_match(struct config_class_draft *class, const struct config_origin *origin, const char *value)
{
    struct config_match match;
    if (is_default(class)) {
        PROBLEM(origin, origin->line, "the default class takes what no other class matches: remove the match, or give the class a name");
        return;
    }
    if (!config_match_read(origin, value, &match)) {
        class->has_bad_match = true;
        return;
    }
    class->matches = memory_realloc(class->matches, (class->match_count + 1) * sizeof *class->matches);
    class->match_lines = memory_realloc(class->match_lines, (class->match_count + 1) * sizeof *class->match_lines);
    class->match_lines[class->match_count] = origin->line;
    class->matches[class->match_count++] = match;
}

static bool is_first(const struct config_origin *origin, const char *key, unsigned *line)
{
    if (*line != 0) {
        PROBLEM(origin, origin->line, "%s is said twice, first on line %u: keep one", key, *line);
        return false;
    }
    *line = origin->line;
    return true;
}

static void read_share_by(struct config_class_draft *draft, const struct config_origin *origin, const char *value)
{
    struct config_class *class = &draft->class;
    if (!is_first(origin, "share_by", &draft->share_by_line) || *value == '\0') return;
    enum config_fact fact = config_match_find_fact(text_store_add(origin->store, value), &class->share_tag);
    if (fact == CONFIG_FACT_NONE || fact == CONFIG_FACT_PORT) {
        PROBLEM(origin, origin->line,
                "share_by must be one of user, database, application_name, address, or tag.KEY for a tag of the SQL comment, such as "
                "tag.job, not \"%.60s\"",
                value);
        draft->has_bad_share_by = true;
        return;
    }
    class->share_by = fact;
    if (fact == CONFIG_FACT_TAG) class->share_tag_number = config_match_number_tag(origin, class->share_tag);
}

static void read_value(struct config_class_draft *class, const struct config_origin *origin, const struct config_class_key *key,
                       const char *value)
{
    if (!is_first(origin, key->name, &class->key_lines[key - keys]) || set_value(&class->class, key, value)) return;
    if (key->is_seconds)
        PROBLEM(origin, origin->line, "%s must be a time in seconds from 0 to %d, such as 15 or 0.5, not \"%.60s\"", key->name,
                CONFIG_SECONDS_MAX, value);
    else
        PROBLEM(origin, origin->line, "%s must be a number from %lld to %lld, not \"%.60s\"", key->name, (long long)key->low,
                (long long)key->high, value);
}

static void explain_key(const struct config_origin *origin, const char *name)
{
    struct config_nearest nearest = {.word = NULL};
    const char *tag;
    config_nearest_offer(&nearest, name, "match");
    config_nearest_offer(&nearest, name, "share_by");
    for (size_t i = 0; i < KEY_COUNT; i++) config_nearest_offer(&nearest, name, keys[i].name);
    if (config_match_find_fact(name, &tag) != CONFIG_FACT_NONE)
        PROBLEM(origin, origin->line, "\"%s\" is a condition: write match = %s=...", name, name);
    else if (strcmp(name, "query_wait_timeout") == 0)
        PROBLEM(origin, origin->line, "unknown key \"query_wait_timeout\": in a class it is wait_timeout");
    else if (nearest.word != NULL)
        PROBLEM(origin, origin->line, "unknown key \"%s\": did you mean %s?", name, nearest.word);
    else
        PROBLEM(origin, origin->line, "unknown key \"%s\": remove it", name);
}

void config_classes_key(struct config_classes_draft *draft, const struct config_origin *origin, const char *key, const char *value)
{
    if (draft->is_skipping) return;
    struct config_class_draft *class = &draft->classes[draft->count - 1];
    if (strcmp(key, "match") == 0) {
        read_match(class, origin, value);
        return;
    }
    if (strcmp(key, "share_by") == 0) {
        read_share_by(class, origin, value);
        return;
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, key) != 0) continue;
        read_value(class, origin, &keys[i], value);
        return;
    }
    explain_key(origin, key);
}

/* ---- each by itself ---- */

static unsigned line_of(const struct config_class_draft *draft, const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i].name, name) == 0) return draft->key_lines[i];
    return 0;
}

static void check_class(const struct config_class_draft *draft, const struct config_origin *origin)
{
    const struct config_class *class = &draft->class;
    if (draft->match_count == 0 && !draft->has_bad_match && !is_default(draft))
        PROBLEM(origin, draft->line,
                "class \"%s\" has no match, so nobody comes into it: add one, such as match = user=web, or make it [class default]",
                class->name);
    if (class->limit > 0 && class->reserve > class->limit)
        PROBLEM(origin, line_of(draft, "reserve"), "class \"%s\": its reserve of %lld is more than its limit of %lld", class->name,
                (long long)class->reserve, (long long)class->limit);
    if (class->share_limit > 0 && class->share_by == CONFIG_FACT_NONE && !draft->has_bad_share_by)
        PROBLEM(
            origin, line_of(draft, "share_limit"),
            "class \"%s\": share_limit needs share_by, which says what is limited: add one, such as share_by = tag.job, or use limit for "
            "the whole class",
            class->name);
}

static void check_ports(const struct config_class_draft *draft, const struct config_origin *origin, int64_t listen_port)
{
    for (size_t i = 0; i < draft->match_count; i++) {
        for (size_t j = 0; j < draft->matches[i].condition_count; j++) {
            const struct config_condition *condition = &draft->matches[i].conditions[j];
            if (condition->fact == CONFIG_FACT_PORT && condition->port != 0 && condition->port != listen_port)
                WARNING(origin, draft->match_lines[i], "class \"%s\": nobody comes by port %u, because listen_port is %lld",
                        draft->class.name, condition->port, (long long)listen_port);
        }
    }
}

/* ---- all together ---- */

/* The earlier class that takes everything that this line would; NULL: none. */
static const struct config_class_draft *find_taker(const struct config_classes_draft *draft, size_t end, const struct config_match *match)
{
    for (size_t i = 0; i < end; i++)
        for (size_t j = 0; j < draft->classes[i].match_count; j++)
            if (config_match_is_within(match, &draft->classes[i].matches[j])) return &draft->classes[i];
    return NULL;
}

/* Classes whose every line is taken by earlier ones; the default class comes after all others, wherever it stands. */
static void check_shadows(const struct config_classes_draft *draft, const struct config_origin *origin)
{
    for (size_t i = 0; i < draft->count; i++) {
        const struct config_class_draft *class = &draft->classes[i];
        const struct config_class_draft *taker = NULL;
        size_t taken = 0;
        for (; taken < class->match_count; taken++) {
            const struct config_class_draft *found = find_taker(draft, i, &class->matches[taken]);
            if (found == NULL) break;
            if (taker == NULL) taker = found;
        }
        if (taken < class->match_count || class->match_count == 0 || class->has_bad_match) continue;
        WARNING(origin, class->line,
                "class \"%s\" never matches: class \"%s\" of line %u comes before it and takes all of it; put the narrower class first",
                class->class.name, taker->class.name, taker->line);
    }
}

/* "web 60, worker 30" */
static void list_reserves(const struct config_classes_draft *draft, char *text_out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < draft->count && used < size; i++) {
        const struct config_class *class = &draft->classes[i].class;
        if (class->reserve > 0)
            used +=
                (size_t)snprintf(text_out + used, size - used, "%s%s %lld", used > 0 ? ", " : "", class->name, (long long)class->reserve);
    }
}

static void check_reserves(const struct config_classes_draft *draft, const struct config_origin *origin,
                           const struct config_classes_limits *limits)
{
    char list[512] = "";
    int64_t sum = 0;
    unsigned last_line = limits->budget_line;
    const char *without = NULL;
    for (size_t i = 0; i < draft->count; i++) {
        const struct config_class_draft *class = &draft->classes[i];
        sum += class->class.reserve;
        if (class->class.reserve > 0) last_line = line_of(class, "reserve");
        if (class->class.reserve == 0 && without == NULL) without = class->class.name;
    }
    list_reserves(draft, list, sizeof list);
    if (sum > limits->budget)
        PROBLEM(origin, last_line,
                "the reserves of the classes add up to %lld, and the budget is %lld: lower a reserve (%s), or raise budget", (long long)sum,
                (long long)limits->budget, list);
    else if (sum == limits->budget && without != NULL)
        WARNING(
            origin, last_line,
            "the reserves of the classes are the whole budget of %lld, so class \"%s\" gets only what is lent to it: lower a reserve (%s), "
            "or raise budget",
            (long long)sum, without, list);
}

static const struct config_class *settle(const struct config_classes_draft *draft, struct text_store *store)
{
    struct config_class *classes = text_store_alloc(store, draft->count * sizeof *classes);
    size_t used = 0;
    for (size_t i = 0; i < draft->count; i++) {
        const struct config_class_draft *from = &draft->classes[i];
        struct config_class *to = &classes[is_default(from) ? draft->count - 1 : used++];
        struct config_match *matches = text_store_alloc(store, from->match_count * sizeof *matches);
        if (from->match_count > 0) memcpy(matches, from->matches, from->match_count * sizeof *matches);
        *to = from->class;
        to->matches = matches;
        to->match_count = from->match_count;
    }
    return classes;
}

static void free_draft(struct config_classes_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++) {
        free(draft->classes[i].matches);
        free(draft->classes[i].match_lines);
    }
    free(draft->classes);
    *draft = (struct config_classes_draft){.classes = NULL};
}

const struct config_class *config_classes_finish(struct config_classes_draft *draft, const struct config_origin *origin,
                                                 const struct config_classes_limits *limits, size_t *count_out)
{
    bool has_default = false;
    for (size_t i = 0; i < draft->count; i++) has_default |= is_default(&draft->classes[i]);
    if (!has_default) add(draft, origin, CONFIG_CLASS_DEFAULT);
    if (draft->count > CONFIG_CLASSES_MAX)
        PROBLEM(origin, draft->classes[draft->count - 1].line,
                "there are %zu classes, the default class included, and at most %d are possible", draft->count, CONFIG_CLASSES_MAX);
    for (size_t i = 0; i < draft->count; i++) {
        check_class(&draft->classes[i], origin);
        check_ports(&draft->classes[i], origin, limits->listen_port);
    }
    check_shadows(draft, origin);
    check_reserves(draft, origin, limits);
    const struct config_class *classes = settle(draft, origin->store);
    *count_out = draft->count;
    free_draft(draft);
    return classes;
}
