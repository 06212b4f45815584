#ifndef TESTS_E2E_RANDOM_ACTOR_H
#define TESTS_E2E_RANDOM_ACTOR_H

#include "tests/e2e/random_model.h"
#include "tests/e2e/support/wire.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * One client of the random test. A step stages messages and, beside them, the pattern of their answers (wire.h), which the model knows. Runs in a thread of its
 * own: nothing here fails the test, `why` says what went wrong.
 */
enum { PATTERN_SIZE = 65536, HISTORY_SIZE = 8192, TEXT_SIZE = 1024 };

struct actor {
    int port, number;
    unsigned seed;
    struct wire *wire;
    struct model model;
    int counter;          /* makes values unique */
    bool has_failed;      /* the rest of the query string is not carried out */
    bool is_skipping;     /* what is staged up to the next Sync is not carried out */
    bool brings_settings; /* in its startup packet */
    char pattern[PATTERN_SIZE];
    size_t pattern_size;
    char history[HISTORY_SIZE]; /* what was sent, the newest last */
    atomic_int steps;
    int departures, refusals;
    char why[HISTORY_SIZE + 2048];
};

/* 0 .. sides - 1 */
unsigned dice(struct actor *actor, unsigned sides);
/* A value that nobody else and no earlier query has. In `value_out` of VALUE_SIZE. */
void new_value(struct actor *actor, char *value_out);
/* One that the setting takes, spelled as PostgreSQL shows it; where it can be, nobody else has it. */
void new_setting_value(struct actor *actor, enum random_setting setting, char *value_out);
/* 'value' in quotes, as SQL wants it. In `quoted_out` of 2 * VALUE_SIZE. */
void quote(const char *value, char *quoted_out);

/* More of the pattern; blanks in `expect_row` match any character, so that they do not part words. */
void expect(struct actor *actor, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The statement at hand fails. */
void expect_error(struct actor *actor, const char *sqlstate);
void expect_row(struct actor *actor, const char *text);
/* ReadyForQuery, and what is reported before it. */
void expect_ready(struct actor *actor);
/* For the history. */
void note(struct actor *actor, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A query string: the unnamed statement is gone, and a group begins. */
void stage_query_text(struct actor *actor, const char *text);
/* A Sync, and the end of the group before it. */
void stage_sync_message(struct actor *actor);

/*
 * Whether this is the reference run, on PostgreSQL itself. Some things are left out or not looked at in others, which a proxy, that works on messages before it knows what
 * became of those before them, may do otherwise:
 * - Describe in a failed transaction
 * - EXECUTE in the query string that ends a failed transaction
 * - anything between an Execute of DISCARD ALL and its Sync, where the client came with startup settings
 * - a date in a text, which is read with the DateStyle at the time of a Parse
 * - when a changed setting is reported, as long as it is before ReadyForQuery
 */
bool is_reference(void);

/* Connect and log in, some with startup parameters. */
bool actor_enter(struct actor *actor);
/* Leave with what is staged sent in part, in whole and unread, or half read. */
void actor_depart(struct actor *actor);
/* Send what is staged and compare the answer, and what was reported with what the model says. False: `why` is filled. */
bool actor_settle(struct actor *actor);
/*
 * The same for one query string that a proxy may refuse, because too many clients hold state that cannot move: then nothing of it was carried out, and the model
 * goes on from what it was `before`.
 */
bool actor_settle_pin(struct actor *actor, const struct model *before);

#endif
