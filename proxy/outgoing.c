/* Pieces of messages on their way to a server: the client's bytes where they stand, and bytes made here in between. What they say is the callers' business. */
#include "proxy/outgoing.h"

#include <assert.h>

void outgoing_init(struct outgoing *outgoing, struct client *client)
{
    outgoing->client = client;
    outgoing->server = client->server;
    outgoing->count = 0;
    outgoing->side_used = 0;
}

void outgoing_flush(struct outgoing *outgoing)
{
    if (outgoing->count > 0 && !server_send(outgoing->server, outgoing->parts, outgoing->count))
        stream_pause_reading(&outgoing->client->stream);
    outgoing->count = 0;
    outgoing->side_used = 0;
}

void outgoing_add_part(struct outgoing *outgoing, const uint8_t *data, size_t size)
{
    if (outgoing->count == OUTGOING_PARTS_MAX) outgoing_flush(outgoing);
    outgoing->parts[outgoing->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = size};
}

struct bytes_writer outgoing_make(struct outgoing *outgoing, size_t size)
{
    assert(size <= OUTGOING_SIDE_SIZE);
    if (outgoing->side_used + size > OUTGOING_SIDE_SIZE) outgoing_flush(outgoing);
    struct bytes_writer writer;
    bytes_writer_init(&writer, outgoing->side + outgoing->side_used, OUTGOING_SIDE_SIZE - outgoing->side_used);
    return writer;
}

void outgoing_add_made(struct outgoing *outgoing, const struct bytes_writer *writer)
{
    assert(!writer->has_failed);
    /* The flush of a full list gives up all of the side buffer: what was made there just now must not be among it. */
    if (outgoing->count == OUTGOING_PARTS_MAX) {
        size_t used = outgoing->side_used;
        outgoing_flush(outgoing);
        outgoing->side_used = used;
    }
    outgoing->side_used += writer->size;
    outgoing_add(outgoing, writer->data, writer->size);
}
