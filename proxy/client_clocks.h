#ifndef PROXY_CLIENT_CLOCKS_H
#define PROXY_CLIENT_CLOCKS_H

#include "proxy/pool.h"

/*
 * What happens to a client, as far as its clocks (clocks.h) go by it. Nothing is armed on the hot path: the entry of a client in commons->clocks is lowered when it
 * would be too late, and looked at when it is due.
 */

/* It is in another class, or the configuration is another: its limits. */
void client_clocks_limit(struct client *client);
/* It ends. */
void client_clocks_forget(struct client *client);
enum clocks_phase client_clocks_phase(const struct client *client);
/* The phase is another now: be woken in time. */
void client_clocks_arm(struct client *client);
static inline void client_clocks_look(struct client *client)
{
    if (client->clocks.limits->are_any) client_clocks_arm(client);
}

/* A unit of work begins, unless one is under way. */
static inline void client_clocks_begin(struct client *client)
{
    if (client->clocks.unit_us != 0) return;
    client->clocks.unit_us = client->host->commons->now_us;
    client->clocks.waited_us = 0;
}

/* What it does from now on is something else, and its unit of work goes on. */
static inline void client_clocks_turn(struct client *client)
{
    client->clocks.since_us = client->host->commons->now_us;
    client_clocks_look(client);
}

/* The unit has ended. */
static inline void client_clocks_end(struct client *client)
{
    client->clocks.unit_us = 0;
    client_clocks_turn(client);
}

/* Something was sent to its server, which was at rest. */
static inline void client_clocks_sent(struct client *client)
{
    if (client->server->exchange.status == 'I') {
        client_clocks_begin(client);
        client->clocks.transaction_us = client->host->commons->now_us;
    }
    client_clocks_turn(client);
}

/* A ReadyForQuery of its own came. */
static inline void client_clocks_ready(struct client *client, char status)
{
    struct clocks *clocks = &client->clocks;
    clocks->since_us = client->host->commons->now_us;
    if (clocks->struck != CLOCK_NONE && (status == 'I' || clocks->struck == CLOCK_QUERY)) clocks->has_ended = true;
    if (status != 'I') return;
    clocks->unit_us = 0;
    if (client->server->exchange.count == 0) return;
    /* In a pipeline the next unit is under way already. */
    client_clocks_begin(client);
    clocks->transaction_us = clocks->since_us;
}

/* The words for this clock of the client's, with the times as they were when it struck. */
void client_clocks_tell(const struct client *client, enum clock clock, struct clocks_words *words_out);
/* The setting that the limit of this clock stands in (clocks_name_limit). */
void client_clocks_name_limit(const struct client *client, enum clock clock, char name_out[CLOCKS_LIMIT_SIZE]);
/* What to do about a wait for a server that this limit ended. */
enum { CLIENT_CLOCKS_HINT_SIZE = 80 + CLOCKS_LIMIT_SIZE };
void client_clocks_wait_hint(const char *limit, char hint_out[CLIENT_CLOCKS_HINT_SIZE]);
/* The name of its class. */
const char *client_clocks_class(const struct client *client);
/* How long the statement at hand has run. */
int64_t client_clocks_run_us(const struct client *client);

#endif
