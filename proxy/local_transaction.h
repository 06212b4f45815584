#ifndef PROXY_LOCAL_TRANSACTION_H
#define PROXY_LOCAL_TRANSACTION_H

#include "protocol/sql_transaction.h"
#include "proxy/outgoing.h"
#include "proxy/pool.h"

/*
 * Transactions that no server knows of. One that was only begun holds no server: BEGIN is answered here, kept as its modes, and goes in front of the first real
 * statement, in the same write. One that has failed here (its BEGIN was refused, its wait for a server ended, its deadline struck) is answered here, too, up to
 * its COMMIT or ROLLBACK.
 *
 *   NONE -> BEGUN -> BEGINNING -> NONE (the server has it)            BEGUN -> NONE: ended with nothing in it
 *                        |                                            any of them -> FAILED, or FAILED_UNTOLD when nothing was asked at that moment
 *                        +-> REFUSED -> FAILED -> NONE
 *
 * The BEGIN travels as Parse, Bind and Execute without a Sync: should it fail, the server skips the statement behind it. Nothing goes behind the first Sync or
 * Query before it is known to have worked.
 */

/* ReadyForQuery, as no server says it. */
void local_transaction_answer_ready(struct client *client);

/* For local_messages.c: ReadyForQuery, at the end of a reply; a reply that is whole; the error of a transaction that has failed. */
void local_transaction_write_ready(const struct client *client, struct bytes_writer *writer);
void local_transaction_reply(struct client *client, const struct bytes_writer *reply);
void local_transaction_tell(struct client *client);
/* Whether this command is carried out here in the state the client is in. */
bool local_transaction_can_run(const struct client *client, enum sql_transaction command);
/* Carry it out. Returns the tag. */
const char *local_transaction_run(struct client *client, enum sql_transaction command, uint8_t modes);
/*
 * COMMIT must not pass for a success when the client does not know yet that there is nothing to commit: then it fails, and with it the transaction ends. False: it is
 * no such COMMIT.
 */
bool local_transaction_fails_to_commit(struct client *client, enum sql_transaction command);

/* BEGUN, with a server now, of which nothing is owed; the client's messages at `data` come next, unless server->holds_client_back afterwards. */
void local_transaction_begin(struct outgoing *outgoing, const uint8_t *data, size_t size);
/* Nothing more may be sent now. */
bool local_transaction_is_unsure(const struct client *client);
static inline bool local_transaction_holds(const struct client *client)
{
    return client->transaction != LOCAL_NONE && local_transaction_is_unsure(client);
}
/* A reply to a message of ours came while BEGINNING. */
void local_transaction_replied(struct server *server, uint8_t type);
/* A ReadyForQuery while REFUSED: the client is told that its transaction has failed. */
void local_transaction_refused(struct client *client);

/* The client's transaction is over but for the client's saying so. `is_told`: an error has told it. */
void local_transaction_fail(struct client *client, bool is_told);

#endif
