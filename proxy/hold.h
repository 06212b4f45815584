#ifndef PROXY_HOLD_H
#define PROXY_HOLD_H

#include "protocol/frame.h"
#include "proxy/pool.h"

/*
 * What of a client's messages must wait until earlier ones have been answered, because what it means depends on that: one that names a statement which a Parse or Close
 * of an earlier segment is about to make or end, or any statement while a DEALLOCATE is under way. All else goes on in the same write.
 */

/* Whether anything is under way that a message could wait for: nearly never. */
static inline bool hold_may_be_due(const struct server *server)
{
    return server->preparations.uncertain > 0;
}

/* One message of a LEASING client's, of which `available` bytes stand at `message`, as for rewrite_message. True: it has to wait, and all behind it. Asked when
 * hold_may_be_due(). */
bool hold_is_due(const struct client *client, const uint8_t *message, size_t available, const struct frame *frame);

#endif
