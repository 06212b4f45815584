#ifndef PROXY_TOUCH_H
#define PROXY_TOUCH_H

#include "proxy/inquiry.h"
#include "proxy/statement_effects.h"

/*
 * What a statement that a client runs may do to its session, noted when the statement goes to the server: reasons for an inquiry when the server is at rest again
 * (client->touched), names of custom settings.
 */

/* A statement with these effects goes to the client's server. */
void touch_by_effects(struct client *client, uint32_t effects);
/* The effects of what the text calls: functions of the database that may change the session. `effects` are its own. */
uint32_t touch_effects_of_functions(struct client *client, uint32_t effects, const char *text, size_t size);
/* An interned statement is about to run: all that its text may do, which is returned; touch_by_effects is left to the caller. */
uint32_t touch_by_text_of(struct client *client, const struct statement *statement);
/* Names of custom settings in the text, if its effects say that it may set any; and in the parameters of a Bind (what follows the names in its body). */
void touch_note_names(struct client *client, uint32_t effects, const char *text, size_t size);
/* Or of a FunctionCall, from its argument formats on. */
void touch_note_parameters(struct client *client, const uint8_t *data, size_t size);

#endif
