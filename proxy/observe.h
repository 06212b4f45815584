#ifndef PROXY_OBSERVE_H
#define PROXY_OBSERVE_H

#include "proxy/client.h"

/*
 * Clients and their taps (tap.h): what the relay passes on is shown to the search for duplicate queries, when that is on. It changes nothing on the way.
 */

/* Once, and again after each reload. `is_observing` in commons says whether anything is looked at. */
void observe_configure(struct commons *commons);
void observe_free(struct commons *commons);
/* Ends the units of work whose time is up. To be called every now and then while commons->has_open_units. */
void observe_tick(struct commons *commons);

/* For the two below. */
void observe_show_sent(struct client *client, uint8_t type, const uint8_t *body, size_t available, size_t size);
void observe_show_received(struct client *client, uint8_t type, const uint8_t *body, size_t size);
/* A message of the client's is on its way to its server, or is answered in its stead: `available` of the `size` bytes of its body are here. Cheap when nothing is observed. */
static inline void observe_sent(struct client *client, uint8_t type, const uint8_t *body, size_t available, size_t size)
{
    if (client->host->commons->is_observing) observe_show_sent(client, type, body, available, size);
}

/* A reply that is the client's; `size` 0: its body is not whole. */
static inline void observe_received(struct client *client, uint8_t type, const uint8_t *body, size_t size)
{
    if (client->tap && client->host->commons->is_observing) observe_show_received(client, type, body, size);
}

/* The statement that its server is at, without values; NULL: not known, or nothing is observed. Valid until the next call of anything here. */
const char *observe_running(struct client *client);
/* Its lease has ended. */
void observe_rest(struct client *client);
void observe_leave(struct client *client);

#endif
