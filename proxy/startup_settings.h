#ifndef PROXY_STARTUP_SETTINGS_H
#define PROXY_STARTUP_SETTINGS_H

#include "proxy/client.h"

/*
 * The settings that a client brings: parameters of its startup packet, and those within `options` (PostgreSQL manual, "Message Formats", StartupMessage).
 */

/* Fills client->settings. False: some parameter cannot be taken, and the client was told goodbye. */
bool startup_settings_take(struct client *client);

#endif
