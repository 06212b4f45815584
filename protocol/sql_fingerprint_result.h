#ifndef PROTOCOL_SQL_FINGERPRINT_RESULT_H
#define PROTOCOL_SQL_FINGERPRINT_RESULT_H

#include "protocol/sql_class.h"
#include "protocol/sql_identifier.h"
#include "protocol/sql_lex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What sql_fingerprint says of a statement.
 *
 * A list (IN, ARRAY[..] or VALUES) of more than SQL_LITERALS_MAX literals, none of them a parameter, is one literal: SQL_LITERAL_LIST. But not among
 * the arguments of EXECUTE.
 */

enum { SQL_LITERALS_MAX = 64 };

/* The main verb of reads and writes. */
enum sql_verb { SQL_VERB_OTHER, SQL_VERB_SELECT, SQL_VERB_INSERT, SQL_VERB_UPDATE, SQL_VERB_DELETE, SQL_VERB_MERGE };

/* How the text says it. But for SQL_FORM_EXECUTE, hash, class and literals are those of the inner query. */
enum sql_form {
    SQL_FORM_PLAIN,
    SQL_FORM_PREPARE, /* PREPARE name AS query: nothing runs yet */
    SQL_FORM_EXECUTE, /* EXECUTE name(args): class other, the shape is "execute name"; the literals are the arguments */
    SQL_FORM_DECLARE, /* DECLARE name CURSOR FOR query */
};

enum sql_literal_kind {
    SQL_LITERAL_INTEGER,
    SQL_LITERAL_DECIMAL,
    SQL_LITERAL_STRING,   /* '..' in all its spellings, with or without a type in front of it (date '..') */
    SQL_LITERAL_BITS,     /* B'..', X'..' */
    SQL_LITERAL_INTERVAL, /* interval '..' */
    SQL_LITERAL_BOOLEAN,  /* true, false */
    SQL_LITERAL_NULL,
    SQL_LITERAL_PARAMETER, /* $n: the value comes with Bind or EXECUTE */
    SQL_LITERAL_LIST,      /* all that is between the parentheses or brackets of a long list; of VALUES, from the first row into the last */
};

/* What stands directly before the literal; in "(a, b) > (1, 2)" it is > for both. */
enum sql_comparison {
    SQL_COMPARISON_OTHER,
    SQL_COMPARISON_EQUAL,
    SQL_COMPARISON_LESS,    /* < or <= */
    SQL_COMPARISON_GREATER, /* > or >= */
    SQL_COMPARISON_ANY,     /* = ANY ( */
    SQL_COMPARISON_ASSIGN,  /* the = of UPDATE .. SET */
};

struct sql_literal {
    uint32_t start, size; /* in the text: the token, without sign, type or cast */
    uint16_t slot;        /* which $n of the display text it is; 0: it is in an IN list, ARRAY[..] or VALUES, which have no numbers */
    uint16_t number;      /* SQL_LITERAL_PARAMETER: its n. SQL_FORM_EXECUTE: which argument it is, from 1. Else 0. 65535: that or more */
    uint8_t kind;         /* enum sql_literal_kind */
    uint8_t token;        /* enum sql_token: how the text is spelled */
    uint8_t comparison;   /* enum sql_comparison */
    bool is_negative : 1; /* a minus was folded into it */
    bool is_plain : 1;    /* SQL_LITERAL_LIST: it is one for sql_plain_list() */
    bool is_array : 1;    /* SQL_LITERAL_LIST: ARRAY[..] */
    bool is_rows : 1;     /* SQL_LITERAL_LIST: VALUES */
    bool is_paging : 1;   /* part of LIMIT, OFFSET or FETCH */
};

struct sql_fingerprint {
    uint64_t hash; /* the same for all builds and machines */
    enum sql_class class;
    enum sql_verb verb;
    enum sql_form form;
    bool is_truncated;          /* the text goes on past scan_max: the hash is of what came before, there are no literals */
    bool is_from_less;          /* a SELECT or VALUES that reads no table: SELECT 1, select version() */
    bool is_catalog;            /* all tables behind FROM and JOIN are PostgreSQL's own: pg_catalog, information_schema */
    bool is_ignored;            /* one of the two: says nothing about the application, but marks the edges of its units */
    bool has_limit;             /* LIMIT or FETCH FIRST of the outermost query */
    bool has_inner_write;       /* WITH x AS (INSERT ..) SELECT ..: a read that writes */
    uint32_t slot_count;        /* placeholders of the display text */
    uint32_t list_length;       /* elements of the longest IN list or ARRAY[..]; 0: there is none */
    uint32_t row_count;         /* of the longest VALUES; 0: there is none */
    uint32_t short_length;      /* the larger of the two, without those that are one SQL_LITERAL_LIST */
    size_t start, end;          /* of the statement in the text, as in struct sql_statement */
    struct sql_identifier name; /* of the forms that have one; text is NULL otherwise */
    uint32_t literal_count;     /* those in the text, a long list being one; SQL_LITERALS_MAX of them are in `literals` */
    uint64_t literal_rest;      /* a hash of the text of the others, not keyed; 0: there are none */
    struct sql_literal literals[SQL_LITERALS_MAX];
};

#endif
