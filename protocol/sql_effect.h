#ifndef PROTOCOL_SQL_EFFECT_H
#define PROTOCOL_SQL_EFFECT_H

#include "protocol/sql_identifier.h"
#include "protocol/sql_lex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What SQL text may do to the session it runs in, from its tokens alone; and where its statements are.
 *
 * An effect that is not reported does not happen, with these exceptions, which no text shows: functions, rules, triggers and operators that are
 * defined in the database (extensions' included), and a single-byte database encoding under a locale that lowers a letter above ASCII to an ASCII one.
 * An effect that is reported may not happen: the statement fails, a column is called set_config, PREPARE only names what EXECUTE does later.
 * Text that PostgreSQL refuses as a whole for its syntax may get any answer: nothing of it runs.
 *
 * What a prepared statement does, it does when it is executed: keep the effects of its text with it (for EXECUTE and for Bind).
 *
 * The text must be in an encoding that sql_lex_can_read(), and must be read with the setting of standard_conforming_strings that is in force when
 * the server receives the message. One pass, no allocation, linear time, any bytes.
 */

/* From sql_effects.def: bits. */
enum sql_effect_index {
#define X(name, text) name##_INDEX,
#include "protocol/sql_effects.def"
#undef X
    SQL_EFFECT_COUNT
};
enum sql_effect {
#define X(name, text) name = 1 << name##_INDEX,
#include "protocol/sql_effects.def"
#undef X
};
/* "advisory lock" */
const char *sql_effect_name(enum sql_effect effect);

/* The effects of all statements of the text together. `*statement_count_out` says how many there are, the empty ones not counted. */
uint32_t sql_effect_of(const char *text, size_t size, enum sql_strings strings, size_t *statement_count_out);

/*
 * The statements one by one, cut at the semicolons that are in no parentheses and in no BEGIN ATOMIC .. END of a CREATE FUNCTION. What stands
 * between those that do not cut is read as statements too, for its effects.
 */
struct sql_statement {
    uint32_t effects;
    size_t start, end;          /* from its first token to the end of its last; neither comments around it nor the semicolon */
    struct sql_identifier name; /* of the effects that have one (sql_effects.def); text is NULL when there is none */
    bool is_all;                /* CLOSE, DEALLOCATE ALL; UNLISTEN * */
    size_t body;                /* EFFECT_PREPARE: where the text behind AS begins. EFFECT_EXECUTE: what follows the name. Or `end` */
};

struct sql_effect_scan {
    struct sql_lex lex;
    struct sql_token_span token; /* the one at hand; no comment */
    uint8_t word, previous_word; /* what it is, and the one before it: enum word in sql_effect.c */
    enum sql_token previous_kind;
    bool is_semicolon;                      /* it is one */
    size_t end;                             /* of the token before it */
    size_t depth;                           /* open parentheses, it included */
    size_t atomic_depth;                    /* BEGIN ATOMIC and the CASEs within that wait for their END */
    bool is_create, is_routine, is_declare; /* what the statement at hand is */
    bool has_as;                            /* its first AS has been seen */
    bool has_update, has_settings;          /* the words UPDATE and pg_settings have been seen in it */
    bool is_thorough;                       /* no token is spared; what is found is the same. To be set behind sql_effect_init */
    struct sql_statement *statement;        /* where to write; the caller's */
};

void sql_effect_init(struct sql_effect_scan *scan, const char *text, size_t size, enum sql_strings strings);
/* The next statement that is not empty. False at the end of the text. */
bool sql_effect_next(struct sql_effect_scan *scan, struct sql_statement *statement_out);

#endif
