#ifndef PROTOCOL_SQL_TRANSACTION_H
#define PROTOCOL_SQL_TRANSACTION_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/sql_lex.h"

/*
 * Query strings that begin or end a transaction and do nothing else (PostgreSQL manual, BEGIN, START TRANSACTION, COMMIT, ROLLBACK). Strict: what is not known
 * to be accepted by every PostgreSQL, and to mean just that, is SQL_TRANSACTION_NONE.
 */
enum sql_transaction {
    SQL_TRANSACTION_NONE,
    SQL_TRANSACTION_EMPTY,   /* no statement: white space, comments, semicolons */
    SQL_TRANSACTION_BEGIN,   /* BEGIN [WORK | TRANSACTION] with any modes; its tag is BEGIN */
    SQL_TRANSACTION_START,   /* START TRANSACTION with any modes; its tag is START TRANSACTION */
    SQL_TRANSACTION_COMMIT,  /* COMMIT or END [WORK | TRANSACTION] [AND NO CHAIN] */
    SQL_TRANSACTION_ROLLBACK /* ROLLBACK or ABORT, likewise; not ROLLBACK TO */
};

/* A look at the first letters, which tells nearly all other texts: false means NONE. */
bool sql_transaction_is_likely(const char *text, size_t size);
/* `*modes_out` are the modes of BEGIN and START, for sql_transaction_write_begin; of several that contradict each other the last one, as PostgreSQL has it. */
enum sql_transaction sql_transaction_of(const char *text, size_t size, enum sql_strings strings, uint8_t *modes_out);

/* "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE": the statement with these modes, NUL-terminated. Returns its size without the NUL. */
enum { SQL_TRANSACTION_BEGIN_MAX = 80 };
size_t sql_transaction_write_begin(uint8_t modes, char text_out[SQL_TRANSACTION_BEGIN_MAX]);

#endif
