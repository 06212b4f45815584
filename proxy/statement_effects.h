#ifndef PROXY_STATEMENT_EFFECTS_H
#define PROXY_STATEMENT_EFFECTS_H

#include "protocol/sql_effect.h"
#include "protocol/sql_lex.h"
#include "proxy/statements.h"

/*
 * What running a statement may do to its session, as far as it matters to a proxy: effects (sql_effect.h) that need an inquiry afterwards, may pin the client,
 * or concern prepared statements.
 */

/* A statement ran while its client was pinned: the pin may have ended. */
#define EFFECT_RAN (UINT32_C(1) << 31)

/* Those of statements that name a prepared statement. */
#define EFFECTS_ON_NAMES ((uint32_t)(EFFECT_PREPARE | EFFECT_EXECUTE | EFFECT_DEALLOCATE))

/* Those that call for an inquiry, and among them those that may have changed settings. */
#define EFFECTS_TO_ASK                                                                                                                   \
    (EFFECT_SET | EFFECT_ROLE | EFFECT_LISTEN | EFFECT_TEMP | EFFECT_CURSOR_HOLD | EFFECT_ADVISORY_LOCK | EFFECT_PREPARE | EFFECT_LOAD | \
     EFFECT_DISCARD_ALL | EFFECT_OPAQUE_CODE | EFFECT_RAN)
#define EFFECTS_ON_SETTINGS (EFFECT_SET | EFFECT_ROLE | EFFECT_DISCARD_ALL | EFFECT_OPAQUE_CODE)

/* Of one query string. `can_scan` false: the encoding forbids looking into it, so it may do anything. */
uint32_t statement_effects_of_text(const char *text, size_t size, bool can_scan, enum sql_strings strings);
/* Of an interned statement; looked for once and kept with it. */
uint32_t statement_effects(struct statement *statement, bool can_scan, enum sql_strings strings);

/*
 * The query string with each name of PREPARE, EXECUTE and DEALLOCATE that `rename` knows replaced. NULL: nothing to replace. malloc'ed; the caller's.
 * `rename` is given the identifier as PostgreSQL would fold it, and what is done with it; it returns the new name, valid until its next call, or NULL. Of DEALLOCATE ALL it
 * is told, too: the name is NULL then.
 */
char *statement_rename(const char *text, size_t size, enum sql_strings strings,
                       const char *(*rename)(void *context, const char *name, uint32_t effect), void *context);

#endif
