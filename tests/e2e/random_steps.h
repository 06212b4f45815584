#ifndef TESTS_E2E_RANDOM_STEPS_H
#define TESTS_E2E_RANDOM_STEPS_H

#include "tests/e2e/random_actor.h"

/* What the clients do. Each step stages messages that end with a ReadyForQuery, whatever the transaction status is before it. */

/* random_sql.c */
void step_query(struct actor *actor); /* a query string of one or more statements */
void step_discard_all(struct actor *actor);

/* random_extended.c */
void step_pipeline(struct actor *actor);
void step_extended_transaction(struct actor *actor); /* BEGIN, work, COMMIT or ROLLBACK in one or more pieces */
void step_extended_discard_all(struct actor *actor);

/*
 * random_pins.c: state that cannot move. Nothing may be staged before it; sends, and compares the answer. False: actor->why says why.
 */
bool step_pin(struct actor *actor);

#endif
