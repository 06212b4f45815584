#ifndef PROTOCOL_SQL_TAGS_REPEAT_H
#define PROTOCOL_SQL_TAGS_REPEAT_H

#include "protocol/sql_tags.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A comment that was read, to know the next one by: the statements of one request have the same tags, but for the last one that sqlcommenter writes, which is
 * the trace's. So what was concluded from the tags once need not be concluded again.
 *
 * This is about texts that have one comment, of this size at most; nothing else is noted, and of nothing else anything is said.
 */
enum { SQL_TAGS_REPEAT_SIZE_MAX = 496 };
struct sql_tags_repeat {
    bool is_noted;
    uint16_t size, settled;                /* of the comment; and up to where it must be the same */
    uint64_t settled_found, changed_found; /* which tags were found up to there, and behind that only */
    char text[SQL_TAGS_REPEAT_SIZE_MAX];
};

/* Note the comment that `tags` were read from. */
void sql_tags_repeat_note(struct sql_tags_repeat *repeat, const struct sql_tags *tags, const char *text,
                          const struct sql_comments *comments);
/*
 * True: a reading of this comment would find the keys that were found in the one noted, by the same set of keys, and the same values but for those in
 * `changed_out`, which replace what they were. False: it has to be read, and `changed_out` is not to be used.
 */
bool sql_tags_repeat_holds(const struct sql_tags_repeat *repeat, struct sql_tags *changed_out, const struct sql_tag_keys *keys,
                           const char *text, const struct sql_comments *comments);

#endif
