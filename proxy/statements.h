#ifndef PROXY_STATEMENTS_H
#define PROXY_STATEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Prepared statements (PostgreSQL manual, "Extended Query"), each stored once. What a client calls one is in statement_names.h, which ones a server has in
 * prepared_set.h.
 *
 * A statement is the text and parameter types of a Parse message. It is interned: however many clients prepare it under whatever names, it is stored once. For
 * named ones, comments do not take part in the identity (hints, "/" "*+ ... *" "/", do), so a traceparent in each text does not defeat reuse; the text kept is
 * the first one seen. On a server it has a name that derives from a 128-bit hash of its identity, and so means the same on all servers. The hash is keyed with
 * a secret of the table's own, so that nobody can make two texts of one hash; should it happen all the same, they are two statements with two names.
 * Everything here belongs to one thread.
 */
enum { STATEMENT_NAME_SIZE = 36 }; /* "pgt", 32 hex digits, NUL */

enum statement_kind {
    STATEMENT_UNNAMED, /* its identity is its tail, to the byte */
    STATEMENT_NAMED,   /* without comments */
    STATEMENT_OPAQUE   /* named, but in an encoding that is not looked into: to the byte again */
};

struct statement {
    char name[STATEMENT_NAME_SIZE]; /* on servers; "" for an unnamed one */
    const uint8_t *tail;            /* what follows the name in its Parse message: text, NUL, count, types */
    size_t tail_size;
    uint64_t context; /* its terms' */
    uint32_t effects; /* statement_effects.h's, once is_scanned */
    bool is_scanned;
    bool is_proven; /* the caller's: a server has prepared it */
    /* private from here on */
    uint64_t hash[2];
    const uint8_t *identity; /* the tail, or the tail without comments */
    size_t identity_size;
    struct statement *next; /* in its bucket */
    struct statements *table;
    uint32_t references;
    enum statement_kind kind;
};

struct statements; /* the table of interned statements */
struct statements *statements_new(void);
void statements_free(struct statements **statements); /* all references must be gone: asserted; NULL accepted */
size_t statements_count(const struct statements *statements);
size_t statements_bytes(const struct statements *statements); /* memory held by all of them, the table included */

/*
 * What besides its tail makes a statement what it is. `context` stands for the settings that PostgreSQL reads while it parses (DateStyle makes '01/02/2020' one
 * date or another): two statements of different contexts are two, whatever their texts. With `is_scannable` false (a client_encoding whose second bytes may look
 * like ASCII, see sql_lex_can_read) the text is not looked into.
 */
struct statement_terms {
    uint64_t context;
    bool is_named; /* false: identity is the tail to the byte, and the name is "" */
    bool is_scannable;
};

/*
 * The statement with this tail; one reference belongs to the caller. `tail` is the body of a Parse message behind the statement's name and must be well-formed
 * (frontend_parse_parse said OK); it is copied when it is new.
 */
struct statement *statements_intern(struct statements *statements, const uint8_t *tail, size_t tail_size,
                                    const struct statement_terms *terms);
/* Whether that would be this one. Bytes are compared and nothing is hashed, so it may say no where only comments differ. */
bool statement_has(const struct statement *statement, const uint8_t *tail, size_t tail_size, const struct statement_terms *terms);
struct statement *statement_ref(struct statement *statement);
void statement_unref(struct statement **statement); /* NULL accepted; clears the caller's pointer */
/* The same statement but for the context, comments apart; both may be NULL. */
bool statement_is_alike(const struct statement *a, const struct statement *b);
/* Whether `text` begins with a name that this module makes ("pgt" and 32 lower-case hex digits). */
bool statement_is_name(const char *text);
/* A hash keyed with the table's secret, for tables whose keys a peer chooses. */
uint64_t statements_hash(const struct statements *statements, const void *data, size_t size);

#endif
