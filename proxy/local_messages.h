#ifndef PROXY_LOCAL_MESSAGES_H
#define PROXY_LOCAL_MESSAGES_H

#include "protocol/frame.h"
#include "proxy/pool.h"

/*
 * Which messages of a client are answered here, for a transaction that no server knows of (local_transaction.h): BEGIN, COMMIT and ROLLBACK, as a Query or as Parse, Bind,
 * Execute up to a Sync, and everything while it has failed.
 */
enum local_answer { LOCAL_DECLINES, LOCAL_WANTS_MORE, LOCAL_ANSWERS };
/* A first look: false for nearly all messages of clients that are in no local transaction. */
bool local_messages_concern(const struct client *client, const uint8_t *data, size_t size, const struct frame *frame);
/* A message, of which the header is there, of a client that is between two statements. ANSWERS: `*used_out` bytes were dealt with. */
enum local_answer local_messages_answer(struct client *client, const uint8_t *data, size_t size, const struct frame *frame,
                                        size_t *used_out);

#endif
