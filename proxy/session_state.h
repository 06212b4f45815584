#ifndef PROXY_SESSION_STATE_H
#define PROXY_SESSION_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The settings (GUCs) in force in a session, beyond what the server connection had at its login: an immutable map of name -> value.
 * Maps are interned: two equal maps are the same pointer, so "does this server fit this client?" is one comparison, and ten thousand clients with
 * the same settings share one map. Names are compared without case and kept in lower case; values are the raw text as set_config() takes it.
 * Counted references; a table and its states belong to one thread.
 */
struct session_states; /* the table */
struct session_state;

struct session_states *session_states_new(void);
void session_states_free(struct session_states **states); /* all states must be released by then: asserted */
size_t session_states_count(const struct session_states *states);

struct session_state *session_state_empty(struct session_states *states); /* a new reference */
struct session_state *session_state_ref(struct session_state *state);
void session_state_unref(struct session_state **state); /* NULL accepted; clears the caller's pointer */

/* The map with `name` set to `value`, or without it when `value` is NULL. Consumes the caller's reference to `state`, returns a new one. */
struct session_state *session_state_with(struct session_state *state, const char *name, const char *value);
const char *session_state_get(const struct session_state *state, const char *name); /* NULL: not in the map */
size_t session_state_size(const struct session_state *state);
/* The i-th pair in order of name, i < size. */
void session_state_pair(const struct session_state *state, size_t i, const char **name_out, const char **value_out);

/*
 * The SQL that takes a session from `from` to `to`, as the one statement of a simple Query:
 * "SELECT pg_catalog.set_config(E'name',E'value',false),pg_catalog.set_config(E'other',NULL,false)"; NULL, which is RESET, for what only `from`
 * has; client_encoding last. Plain ASCII whatever the values are, so it means the same in every client_encoding, and right whatever
 * standard_conforming_strings says. Values are taken to be in the client_encoding of `to`. "" when the two are equal.
 * Returns the size without the NUL that it needs; nothing is written unless `capacity` is larger than that.
 */
size_t session_state_difference(const struct session_state *from, const struct session_state *to, char *sql_out, size_t capacity);

/* Whether the two act as different users (role, session_authorization). */
bool session_state_acts_otherwise(const struct session_state *a, const struct session_state *b);

/* A number that follows from the map, kept with it by whoever works it out; it lasts as long as the map. False: none was set yet. */
bool session_state_note(const struct session_state *state, uint64_t *note_out);
void session_state_set_note(struct session_state *state, uint64_t note);

#endif
