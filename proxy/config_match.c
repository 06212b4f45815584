/*
 * The `match` lines of classes: what conditions there are, how each is written, and which line lies within which. Whether a client fits is
 * classes.c's.
 */
#include "proxy/config_match.h"

#include <string.h>

#include "proxy/config_pairs.h"
#include "proxy/config_text.h"
#include "proxy/glob.h"

enum { PORT_MAX = 65535 };

static const char tag_prefix[] = "tag.";

static const struct {
    const char *name;
    enum config_fact fact;
} facts[] = {
    {"user", CONFIG_FACT_USER},       {"database", CONFIG_FACT_DATABASE}, {"application_name", CONFIG_FACT_APPLICATION_NAME},
    {"address", CONFIG_FACT_ADDRESS}, {"port", CONFIG_FACT_PORT},         {"listener", CONFIG_FACT_PORT},
};
enum { FACT_COUNT = sizeof facts / sizeof *facts };

#define PROBLEM(origin, ...) config_problems_add((origin)->problems, CONFIG_ERROR, (origin)->file, (origin)->line, __VA_ARGS__)

enum config_fact config_match_find_fact(const char *name, const char **tag_out)
{
    *tag_out = NULL;
    for (size_t i = 0; i < FACT_COUNT; i++)
        if (strcmp(facts[i].name, name) == 0) return facts[i].fact;
    size_t prefix_size = sizeof tag_prefix - 1;
    if (strncmp(name, tag_prefix, prefix_size) != 0 || name[prefix_size] == '\0') return CONFIG_FACT_NONE;
    *tag_out = name + prefix_size;
    return CONFIG_FACT_TAG;
}

/* ---- reading ---- */

static void explain_condition(const struct config_origin *origin, const char *name)
{
    struct config_nearest nearest = {.word = NULL};
    for (size_t i = 0; i < FACT_COUNT; i++) config_nearest_offer(&nearest, name, facts[i].name);
    if (nearest.word != NULL)
        PROBLEM(origin, "unknown condition \"%.60s\": did you mean %s?", name, nearest.word);
    else
        PROBLEM(origin,
                "unknown condition \"%.60s\": there are user, database, application_name, address, port, and tag.KEY for a tag of the SQL "
                "comment, such as tag.job",
                name);
}

static bool read_pattern(const struct config_origin *origin, const char *name, const char *value, struct config_condition *condition)
{
    if (strlen(value) > CONFIG_PATTERN_SIZE_MAX) {
        PROBLEM(origin, "%s: the pattern is longer than %d bytes", name, CONFIG_PATTERN_SIZE_MAX);
        return false;
    }
    condition->pattern = value;
    return true;
}

static bool read_address(const struct config_origin *origin, const char *value, struct config_condition *condition)
{
    char meant[ADDRESS_TEXT_SIZE];
    switch (address_range_parse(value, &condition->range)) {
    case ADDRESS_RANGE_OK: return true;
    case ADDRESS_RANGE_BAD:
        PROBLEM(origin,
                "address must be an address or a network in numbers, such as 10.1.2.3, 10.0.0.0/8 or fd00::/8, or unix, not \"%.60s\"",
                value);
        return false;
    case ADDRESS_RANGE_HAS_HOST_BITS:
        address_range_format(&condition->range, meant);
        PROBLEM(origin, "address %.60s is no network, for it has bits behind its prefix: did you mean %s?", value, meant);
        return false;
    }
    return false;
}

static bool read_port(const struct config_origin *origin, const char *name, const char *value, struct config_condition *condition)
{
    int64_t port = 0;
    if (strcmp(value, "unix") != 0 && !config_text_number(value, 10, 1, PORT_MAX, &port)) {
        PROBLEM(origin, "%s must be the number of a port that pgturnstile listens on, or unix, not \"%.60s\"", name, value);
        return false;
    }
    condition->port = (uint16_t)port;
    return true;
}

unsigned config_match_number_tag(const struct config_origin *origin, const char *key)
{
    unsigned number = sql_tag_keys_add(origin->tag_keys, key);
    if (number < SQL_TAG_KEYS_MAX) return number;
    PROBLEM(origin, "tag.%.60s: classes can ask for %d different tags at most", key, SQL_TAG_KEYS_MAX);
    return 0;
}

static bool read_condition(const struct config_origin *origin, const char *name, const char *value, struct config_condition *condition_out)
{
    *condition_out = (struct config_condition){.fact = CONFIG_FACT_NONE};
    condition_out->fact = config_match_find_fact(name, &condition_out->tag);
    switch (condition_out->fact) {
    case CONFIG_FACT_NONE: explain_condition(origin, name); return false;
    case CONFIG_FACT_USER:
    case CONFIG_FACT_DATABASE:
    case CONFIG_FACT_APPLICATION_NAME: return read_pattern(origin, name, value, condition_out);
    case CONFIG_FACT_TAG:
        condition_out->tag_number = config_match_number_tag(origin, condition_out->tag);
        return read_pattern(origin, name, value, condition_out);
    case CONFIG_FACT_ADDRESS: return read_address(origin, value, condition_out);
    case CONFIG_FACT_PORT: return read_port(origin, name, value, condition_out);
    }
    return false;
}

static bool is_same_fact(const struct config_condition *a, const struct config_condition *b)
{
    return a->fact == b->fact && (a->fact != CONFIG_FACT_TAG || strcmp(a->tag, b->tag) == 0);
}

static bool is_said(const struct config_condition *conditions, size_t count, const struct config_condition *condition)
{
    for (size_t i = 0; i < count; i++)
        if (is_same_fact(&conditions[i], condition)) return true;
    return false;
}

/* Those on tags last. */
static void keep(const struct config_origin *origin, const struct config_condition *conditions, size_t count,
                 struct config_match *match_out)
{
    struct config_condition *kept = text_store_alloc(origin->store, count * sizeof *kept);
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (conditions[i].fact != CONFIG_FACT_TAG) kept[used++] = conditions[i];
    *match_out = (struct config_match){.conditions = kept, .condition_count = count, .tag_condition_count = count - used};
    for (size_t i = 0; i < count; i++) {
        if (conditions[i].fact != CONFIG_FACT_TAG) continue;
        kept[used++] = conditions[i];
        match_out->tags |= UINT64_C(1) << conditions[i].tag_number;
    }
}

bool config_match_read(const struct config_origin *origin, const char *value, struct config_match *match_out)
{
    struct config_condition conditions[CONFIG_CONDITIONS_MAX];
    size_t count = 0;
    bool is_good = true;
    char *rest = text_store_add(origin->store, value);
    for (;;) {
        char *name, *pair_value;
        const char *why;
        struct config_condition condition;
        switch (config_pairs_next(&rest, &name, &pair_value, &why)) {
        case CONFIG_PAIRS_BAD: PROBLEM(origin, "match: %s", why); return false;
        case CONFIG_PAIRS_END:
            if (is_good && count == 0) PROBLEM(origin, "match is empty: write a condition, such as user=web");
            if (!is_good || count == 0) return false;
            keep(origin, conditions, count, match_out);
            return true;
        case CONFIG_PAIR: break;
        }
        if (!read_condition(origin, name, pair_value, &condition)) {
            is_good = false;
        } else if (is_said(conditions, count, &condition)) {
            PROBLEM(origin, "%s is said twice in one match, and both would have to hold: write two match lines, of which one is enough",
                    name);
            is_good = false;
        } else if (count == CONFIG_CONDITIONS_MAX) {
            PROBLEM(origin, "a match has at most %d conditions", CONFIG_CONDITIONS_MAX);
            return false;
        } else {
            conditions[count++] = condition;
        }
    }
}

/* ---- one within another ---- */

static bool is_pattern_within(const char *inner, const char *outer)
{
    if (glob_is_anything(outer) || strcmp(inner, outer) == 0) return true;
    return glob_is_literal(inner) && glob_matches(outer, inner, strlen(inner));
}

/* `inner` and `outer` are on the same fact. */
static bool is_condition_within(const struct config_condition *inner, const struct config_condition *outer)
{
    switch (outer->fact) {
    case CONFIG_FACT_NONE: return false;
    case CONFIG_FACT_USER:
    case CONFIG_FACT_DATABASE:
    case CONFIG_FACT_APPLICATION_NAME:
    case CONFIG_FACT_TAG: return is_pattern_within(inner->pattern, outer->pattern);
    case CONFIG_FACT_ADDRESS: return address_range_is_within(&inner->range, &outer->range);
    case CONFIG_FACT_PORT: return inner->port == outer->port;
    }
    return false;
}

/* Every client has a user, a database and an application_name, if an empty one; not every statement has a tag. */
static bool holds_always(const struct config_condition *condition)
{
    return condition->pattern != NULL && condition->fact != CONFIG_FACT_TAG && glob_is_anything(condition->pattern);
}

static bool implies(const struct config_match *inner, const struct config_condition *outer)
{
    for (size_t i = 0; i < inner->condition_count; i++)
        if (is_same_fact(&inner->conditions[i], outer) && is_condition_within(&inner->conditions[i], outer)) return true;
    return holds_always(outer);
}

bool config_match_is_within(const struct config_match *inner, const struct config_match *outer)
{
    for (size_t i = 0; i < outer->condition_count; i++)
        if (!implies(inner, &outer->conditions[i])) return false;
    return true;
}
