#ifndef PROXY_REWRITE_H
#define PROXY_REWRITE_H

#include "protocol/frame.h"
#include "proxy/lease.h"
#include "proxy/outgoing.h"

/*
 * What of a client's messages changes on the way to a server that it shares with others: the names of prepared statements (PostgreSQL manual, "Extended
 * Query"). A Parse of a statement that the server has is answered here; one that the server lacks is put in front of the message that needs it.
 * Everything else passes as it is. Here the messages are also told to the exchange, and looked at for what they do to the session.
 */

/* One message of the client's, of which `available` bytes stand at `message`: all of it, or the first COMMONS_WHOLE_MESSAGE_MAX and more. */
void rewrite_message(struct outgoing *outgoing, const uint8_t *message, size_t available, const struct frame *frame);

/*
 * A whole Parse message of a client without a lease. True: it is of a named statement that some server has prepared already, and was answered, without a server.
 */
bool rewrite_answer_parse(struct client *client, const uint8_t *message, const struct frame *frame);

/*
 * If the body of an ErrorResponse names one of our statement names, or points into a Query that was sent with such names in it, write the whole message with the client's own
 * name and the place in the client's own text instead. Returns its size; 0: send it as it is. The client leases a server.
 */
size_t rewrite_error(const struct client *client, const uint8_t *body, size_t size, uint8_t *message_out, size_t capacity);

/* The whole ErrorResponse that stands in for the server's where a statement was refused. Returns its size. */
size_t rewrite_write_refusal(uint8_t *message_out, size_t capacity);

/* A client ends. */
void rewrite_forget_client(struct client *client);

#endif
