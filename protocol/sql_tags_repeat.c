/*
 * Comments that go on as the one before. What makes the comparison of bytes enough: tags are read from left to right, and those that are settled would have
 * been read the same whatever follows (sql_tags.h); no decoded value can lack room, because all of the comment would fit.
 */
#include "protocol/sql_tags_repeat.h"

#include <string.h>

_Static_assert((int)SQL_TAGS_REPEAT_SIZE_MAX <= (int)SQL_TAGS_TEXT_MAX, "what is noted was never full");

/* The only comment; false: there are two, or none, or it is too large. */
static bool find_only(const struct sql_comments *comments, size_t *start_out, size_t *size_out)
{
    size_t start = comments->has_last ? comments->last_start : comments->first_start;
    size_t end = comments->has_last ? comments->last_end : comments->first_end;
    bool are_two = comments->has_last && comments->has_first && comments->first_start != start;
    if (are_two || (!comments->has_last && !comments->has_first) || end - start > SQL_TAGS_REPEAT_SIZE_MAX) return false;
    *start_out = start;
    *size_out = end - start;
    return true;
}

void sql_tags_repeat_note(struct sql_tags_repeat *repeat, const struct sql_tags *tags, const char *text,
                          const struct sql_comments *comments)
{
    size_t start, size;
    repeat->is_noted = find_only(comments, &start, &size);
    if (!repeat->is_noted) return;
    repeat->size = (uint16_t)size;
    repeat->settled = (uint16_t)tags->settled;
    repeat->settled_found = tags->settled_found;
    repeat->changed_found = tags->found & ~tags->settled_found;
    memcpy(repeat->text, text + start, size);
}

bool sql_tags_repeat_holds(const struct sql_tags_repeat *repeat, struct sql_tags *changed_out, const struct sql_tag_keys *keys,
                           const char *text, const struct sql_comments *comments)
{
    size_t start, size;
    if (!repeat->is_noted || !find_only(comments, &start, &size)) return false;
    if (size < repeat->settled || memcmp(text + start, repeat->text, repeat->settled) != 0) return false;
    changed_out->found = 0;
    if (size == repeat->size && memcmp(text + start + repeat->settled, repeat->text + repeat->settled, size - repeat->settled) == 0)
        return true;
    if (repeat->settled == 0) return false;
    struct sql_comments rest = {.has_last = true, .last_start = start + repeat->settled, .last_end = start + size};
    sql_tags_read(changed_out, keys, text, &rest);
    changed_out->found &= ~repeat->settled_found;
    return changed_out->found == repeat->changed_found;
}
