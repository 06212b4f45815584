#ifndef TESTS_E2E_RANDOM_STATEMENTS_H
#define TESTS_E2E_RANDOM_STATEMENTS_H

#include "tests/e2e/random_actor.h"

/* Prepared statements of the random test: their texts, and what running one answers and does. */

/* A statement of a random kind, and its text in `text_out` of TEXT_SIZE. `is_sql`: for PREPARE, which takes no SET and wants types. */
void statement_invent(struct actor *actor, bool is_sql, struct random_statement *statement_out, char *text_out);
/* The name of number `i`, shared by all clients: "s0" ..; "" is UNNAMED. */
const char *statement_name(int i);
bool statement_takes_parameter(enum statement_kind kind);
/* A parameter for a run: some are wrong. In `value_out` of VALUE_SIZE. */
void statement_new_parameter(struct actor *actor, const struct random_statement *statement, char *value_out);
/* Whether Bind, or EXECUTE, takes it. */
bool statement_accepts(const struct random_statement *statement, const char *parameter);
/* The RowDescription, DataRow and CommandComplete that a run answers (the first where `is_described`), and its effect. */
void statement_run(struct actor *actor, const struct random_statement *statement, const char *parameter, bool is_described);

#endif
