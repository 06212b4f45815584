/* Clocks of clients: when they start, from what the client and its server are at. Not for: what follows when one strikes (relay_clocks.c). */
#include "proxy/client_clocks.h"

#include <stdio.h>

#include "proxy/memory.h"

/* The limits of each class, for clients of this pool. */
static void work_out(struct pool *pool)
{
    const struct config *config = pool->pools->commons->config;
    pool->limits = memory_alloc(config->class_count * sizeof *pool->limits);
    for (size_t i = 0; i < config->class_count; i++) pool->limits[i] = time_limits_of(config, &config->classes[i], pool->entry, pool->user);
}

void client_clocks_limit(struct client *client)
{
    if (!client->pool->limits) work_out(client->pool);
    client->clocks.limits = &client->pool->limits[client->class_index];
}

void client_clocks_forget(struct client *client)
{
    deadline_heap_remove(&client->host->commons->clocks, &client->clocks.entry);
}

static enum clocks_phase phase_with_server(const struct client *client)
{
    const struct server *server = client->server;
    const struct exchange *exchange = &server->exchange;
    if (server->inquiry || server->is_rolling_back) return PHASE_ELSEWHERE; /* what runs is ours */
    if (client_has_failed(client)) return PHASE_FAILED;
    if (exchange->count > 0) return PHASE_RUNNING;
    return exchange->status == 'I' && !exchange->needs_sync ? PHASE_ELSEWHERE : PHASE_IN_TRANSACTION;
}

enum clocks_phase client_clocks_phase(const struct client *client)
{
    switch (client->state) {
    case CLIENT_STARTING:
    case CLIENT_AUTHENTICATING:
    case CLIENT_WELCOMING:
    case CLIENT_CLOSING:
    case CLIENT_CLOSED: break;
    case CLIENT_READY:
        if (client_has_failed(client)) return PHASE_FAILED;
        return client->transaction == LOCAL_BEGUN ? PHASE_BEGUN : PHASE_IDLE;
    case CLIENT_WAITING: return PHASE_WAITING;
    case CLIENT_LEASING: return phase_with_server(client);
    }
    return PHASE_ELSEWHERE;
}

void client_clocks_arm(struct client *client)
{
    int64_t due_us;
    if (clocks_next(&client->clocks, client_clocks_phase(client), &due_us) != CLOCK_NONE)
        deadline_heap_need(&client->host->commons->clocks, &client->clocks.entry, due_us);
}

const char *client_clocks_class(const struct client *client)
{
    return client->host->commons->config->classes[client->class_index].name;
}

void client_clocks_name_limit(const struct client *client, enum clock clock, char name_out[CLOCKS_LIMIT_SIZE])
{
    const struct config *config = client->host->commons->config;
    const struct config_class *class = &config->classes[client->class_index];
    const struct pool *pool = client->pool;
    struct config_times said[CONFIG_LEVELS];
    config_times_by_level(config, class, pool->entry, pool->user, said);
    const char *const names[] = {[CONFIG_CLASS] = class->name, [CONFIG_USER] = pool->user, [CONFIG_DATABASE] = pool->entry->name};
    clocks_name_limit(clock, said, names, name_out);
}

void client_clocks_wait_hint(const char *limit, char hint_out[CLIENT_CLOCKS_HINT_SIZE])
{
    snprintf(hint_out, CLIENT_CLOCKS_HINT_SIZE, "Raise %s, budget or default_pool_size, or shorten the transactions of others.", limit);
}

int64_t client_clocks_run_us(const struct client *client)
{
    return client->host->commons->now_us - client->clocks.since_us;
}

void client_clocks_tell(const struct client *client, enum clock clock, struct clocks_words *words_out)
{
    char limit[CLOCKS_LIMIT_SIZE];
    client_clocks_name_limit(client, clock, limit);
    struct clocks_story story = {
        .class = client_clocks_class(client), .limit = limit, .waited_us = client->clocks.waited_us, .ran_us = client->clocks.ran_us};
    clocks_tell(clock, &story, words_out);
}
