#ifndef PROXY_PREPARED_SET_H
#define PROXY_PREPARED_SET_H

#include <stdint.h>

#include "proxy/statements.h"

/* What is prepared on one server, in order of use, with a reference to each statement. A zeroed struct is an empty set; it has no memory while it is empty. */
struct prepared_set {
    struct prepared *by_statement;
    struct prepared *latest, *oldest;
    uint32_t count;
    uint32_t segment; /* of the pipeline: what lies between two Syncs stands or falls together */
};
enum prepared_state {
    PREPARED_NOT, /* the server lacks it */
    PREPARED_YES,
    PREPARED_MAYBE /* it may be there, or be out of date: close it before preparing it again */
};
enum prepared_state prepared_set_use(struct prepared_set *set, struct statement *statement);              /* marks it as used just now */
enum prepared_state prepared_set_look(const struct prepared_set *set, const struct statement *statement); /* without marking */
/*
 * Its Parse was sent: PREPARED_YES for what follows in this segment, most recently used. In later segments it is PREPARED_MAYBE until confirmed, since an error
 * may have made the server skip the Parse.
 */
void prepared_set_add(struct prepared_set *set, struct statement *statement);
/* The Parse that was sent in that segment was done; harmless when it is not there, or was sent again. */
void prepared_set_confirm(struct prepared_set *set, const struct statement *statement, uint32_t segment);
static inline void prepared_set_next_segment(struct prepared_set *set)
{
    set->segment++;
}
void prepared_set_remove(struct prepared_set *set, const struct statement *statement); /* harmless when it is not there */
/* Its Parse of that segment was refused; one that was sent in a later segment may not be. */
void prepared_set_refuse(struct prepared_set *set, const struct statement *statement, uint32_t segment);
struct statement *prepared_set_oldest(const struct prepared_set *set); /* the least recently used, borrowed; NULL: empty */
/* PREPARED_MAYBE from now on, until added again. Entered as the least recently used one when it is not there. */
void prepared_set_doubt(struct prepared_set *set, struct statement *statement);
void prepared_set_doubt_all(struct prepared_set *set); /* all are PREPARED_MAYBE, until added again */
void prepared_set_clear(struct prepared_set *set);

#endif
