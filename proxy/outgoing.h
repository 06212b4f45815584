#ifndef PROXY_OUTGOING_H
#define PROXY_OUTGOING_H

#include "protocol/bytes.h"
#include "proxy/client.h"
#include "proxy/server.h"

/* Messages on their way to one server, collected for as few writes as possible. Lives on the stack of one event. */
enum { OUTGOING_PARTS_MAX = 48, OUTGOING_SIDE_SIZE = 8192 };
struct outgoing {
    struct client *client;
    struct server *server;
    struct iovec parts[OUTGOING_PARTS_MAX];
    int count;
    size_t side_used;
    uint8_t side[OUTGOING_SIDE_SIZE]; /* bytes that stand in no buffer of the client's */
};

void outgoing_init(struct outgoing *outgoing, struct client *client);
/* A piece of its own, for outgoing_add. */
void outgoing_add_part(struct outgoing *outgoing, const uint8_t *data, size_t size);
/* Bytes that stay where they are until outgoing_flush. */
static inline void outgoing_add(struct outgoing *outgoing, const uint8_t *data, size_t size)
{
    struct iovec *last = outgoing->count > 0 ? &outgoing->parts[outgoing->count - 1] : NULL;
    if (last && (const uint8_t *)last->iov_base + last->iov_len == data)
        last->iov_len += size;
    else if (size > 0)
        outgoing_add_part(outgoing, data, size);
}

/* Send; afterwards nothing refers to the bytes any more. Reading the client pauses while the server takes no more. */
void outgoing_flush(struct outgoing *outgoing);

/* A writer for at most `size` bytes that are made here; outgoing_add_made puts in line what it wrote. */
struct bytes_writer outgoing_make(struct outgoing *outgoing, size_t size);
void outgoing_add_made(struct outgoing *outgoing, const struct bytes_writer *writer);

#endif
