/*
 * From facts to a class. Pure, and without memory of its own; the rules were read by config_match.c.
 */
#include "proxy/classes.h"

#include <assert.h>
#include <string.h>

#include "proxy/glob.h"

struct text {
    const char *start; /* NULL: there is none */
    size_t size;
};

static struct text text_of(const char *string)
{
    return (struct text){.start = string, .size = strlen(string)};
}

static struct text tag_of(const struct sql_tags *tags, unsigned number)
{
    struct text text = {.start = NULL};
    if (tags != NULL) text.start = sql_tags_get(tags, number, &text.size);
    return text;
}

/* Of the facts that are texts. */
static struct text fact_text(const struct class_facts *facts, enum config_fact fact, unsigned tag_number)
{
    switch (fact) {
    case CONFIG_FACT_USER: return text_of(facts->user);
    case CONFIG_FACT_DATABASE: return text_of(facts->database);
    case CONFIG_FACT_APPLICATION_NAME: return text_of(facts->application_name != NULL ? facts->application_name : "");
    case CONFIG_FACT_TAG: return tag_of(facts->tags, tag_number);
    case CONFIG_FACT_NONE:
    case CONFIG_FACT_ADDRESS:
    case CONFIG_FACT_PORT: break;
    }
    return (struct text){.start = NULL};
}

static bool condition_holds(const struct config_condition *condition, const struct class_facts *facts)
{
    struct text text;
    switch (condition->fact) {
    case CONFIG_FACT_ADDRESS: return address_range_holds(&condition->range, &facts->address);
    case CONFIG_FACT_PORT: return condition->port == facts->port;
    case CONFIG_FACT_NONE: return false;
    case CONFIG_FACT_USER:
    case CONFIG_FACT_DATABASE:
    case CONFIG_FACT_APPLICATION_NAME:
    case CONFIG_FACT_TAG:
        text = fact_text(facts, condition->fact, condition->tag_number);
        return text.start != NULL && glob_matches(condition->pattern, text.start, text.size);
    }
    return false;
}

/* The first `count` conditions; those on tags come last. */
static bool conditions_hold(const struct config_match *match, size_t count, const struct class_facts *facts)
{
    for (size_t i = 0; i < count; i++)
        if (!condition_holds(&match->conditions[i], facts)) return false;
    return true;
}

enum fit { FITS_NOT, FITS_BY_TAG, FITS };

static enum fit fit_of(const struct config_class *class, const struct class_facts *facts)
{
    enum fit fit = FITS_NOT;
    for (size_t i = 0; i < class->match_count; i++) {
        const struct config_match *match = &class->matches[i];
        if (!conditions_hold(match, match->condition_count - match->tag_condition_count, facts)) continue;
        if (match->tag_condition_count == 0) return FITS;
        fit = FITS_BY_TAG;
    }
    return fit;
}

struct class_candidates classes_narrow(const struct config *config, const struct class_facts *facts)
{
    struct class_candidates candidates = {.by_tag = 0};
    assert(config->class_count > 0 && config->class_count <= CONFIG_CLASSES_MAX);
    for (; candidates.otherwise < config->class_count - 1; candidates.otherwise++) {
        enum fit fit = fit_of(&config->classes[candidates.otherwise], facts);
        if (fit == FITS) break;
        if (fit == FITS_BY_TAG) candidates.by_tag |= UINT64_C(1) << candidates.otherwise;
    }
    return candidates;
}

bool classes_need_tags(const struct config *config, const struct class_candidates *candidates)
{
    return candidates->by_tag != 0 || config->classes[candidates->otherwise].share_by == CONFIG_FACT_TAG;
}

/* The pattern asks for another first byte than the value has: most values fit no class. */
static inline bool begins_otherwise(const char *pattern, const char *value, size_t size)
{
    char first = *pattern;
    return first != '*' && first != '?' && first != '\\' && (size == 0 ? first != '\0' : first != *value);
}

static bool tags_fit(const struct config_match *match, const struct sql_tags *tags)
{
    if ((match->tags & ~tags->found) != 0) return false;
    const struct config_condition *end = match->conditions + match->condition_count;
    for (const struct config_condition *condition = end - match->tag_condition_count; condition < end; condition++) {
        size_t size;
        const char *value = sql_tags_get(tags, condition->tag_number, &size);
        if (begins_otherwise(condition->pattern, value, size) || !glob_matches(condition->pattern, value, size)) return false;
    }
    return true;
}

/*
 * Those on tags first: they are the ones that most often fail. Lines without conditions on tags do not hold, or the class would not be a candidate by its
 * tags.
 */
static bool matches_by_tag(const struct config_class *class, const struct class_facts *facts)
{
    for (size_t i = 0; i < class->match_count; i++) {
        const struct config_match *match = &class->matches[i];
        if (match->tags != 0 && tags_fit(match, facts->tags) &&
            conditions_hold(match, match->condition_count - match->tag_condition_count, facts))
            return true;
    }
    return false;
}

unsigned classes_settle(const struct config *config, const struct class_candidates *candidates, const struct class_facts *facts)
{
    if (candidates->by_tag == 0 || facts->tags == NULL || facts->tags->found == 0) return candidates->otherwise;
    for (uint64_t left = candidates->by_tag; left != 0; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (matches_by_tag(&config->classes[i], facts)) return i;
    }
    return candidates->otherwise;
}

/* The longest start of a UTF-8 text that is no longer than `most` and ends with a whole character. */
static size_t cut(struct text text, size_t most)
{
    if (text.size <= most) return text.size;
    size_t size = most;
    while (size > 0 && ((unsigned char)text.start[size] & 0xc0) == 0x80) size--;
    return size;
}

size_t classes_share_key(const struct config_class *class, const struct class_facts *facts, char key_out[CLASSES_SHARE_KEY_SIZE])
{
    _Static_assert((int)ADDRESS_TEXT_SIZE <= (int)CLASSES_SHARE_KEY_SIZE, "an address is a key");
    if (class->share_by == CONFIG_FACT_ADDRESS) {
        address_format(&facts->address, key_out);
        return strlen(key_out);
    }
    struct text text = fact_text(facts, class->share_by, class->share_tag_number);
    size_t size = text.start != NULL ? cut(text, CLASSES_SHARE_KEY_SIZE - 1) : 0;
    if (size > 0) memcpy(key_out, text.start, size);
    key_out[size] = '\0';
    return size;
}
