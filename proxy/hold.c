/* Messages that wait for the outcome of others. Nothing waits for what has not been sent, so the wait ends; relay.c has a Flush sent where that is needed. */
#include "proxy/hold.h"

#include <string.h>

#include "protocol/frontend.h"
#include "proxy/client_text.h"
#include "proxy/statement_effects.h"

/* Anything that may change what a name means is under way. */
static bool are_names_uncertain(const struct server *server)
{
    return deallocations_are_running(&server->deallocations) || preparations_await_names(&server->preparations);
}

static bool awaits(const struct server *server, const char *name)
{
    if (*name && deallocations_are_running(&server->deallocations)) return true;
    return preparations_await_name(&server->preparations, name);
}

static bool names_statements(const struct client *client, const char *text, size_t size)
{
    uint32_t effects = statement_effects_of_text(text, size, client_text_is_scannable(client), client_text_strings(client));
    return (effects & (EFFECTS_ON_NAMES | EFFECT_DISCARD_ALL)) != 0;
}

static bool parse_waits(const struct client *client, const uint8_t *body, size_t size)
{
    const struct server *server = client->server;
    const char *name = (const char *)body;
    if (!memchr(body, '\0', size)) return false;
    if (*name && awaits(server, name)) return true;
    struct frontend_parse_message parsed;
    return are_names_uncertain(server) && frontend_parse_parse(body, size, &parsed) == CODEC_OK &&
           names_statements(client, parsed.text, strlen(parsed.text));
}

static bool bind_waits(const struct client *client, const uint8_t *body, size_t size)
{
    const struct server *server = client->server;
    const char *portal, *name;
    if (frontend_parse_bind_names(body, size, &portal, &name) != CODEC_OK) return false;
    if (awaits(server, name)) return true;
    const struct statement *statement = *name ? statement_names_find(&client->statements, name) : client->unnamed;
    return statement && (statement->effects & (EFFECTS_ON_NAMES | EFFECT_DISCARD_ALL)) && are_names_uncertain(server);
}

/* Describe and Close. That the unnamed statement is closed needs no knowing what it was. */
static bool target_waits(const struct client *client, uint8_t type, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK || kind != 'S') return false;
    return (*name || type == FRONTEND_DESCRIBE) && awaits(client->server, name);
}

static bool query_waits(const struct client *client, const uint8_t *body, size_t size)
{
    const char *text;
    return are_names_uncertain(client->server) && frontend_parse_query(body, size, &text) == CODEC_OK &&
           names_statements(client, text, strlen(text));
}

bool hold_is_due(const struct client *client, const uint8_t *message, size_t available, const struct frame *frame)
{
    const struct server *server = client->server;
    if (exchange_is_skipping(&server->exchange) || client->pool->mode == POOL_MODE_SESSION) return false;
    const uint8_t *body = message + FRAME_HEADER_SIZE;
    size_t size = available - FRAME_HEADER_SIZE < frame->body_size ? available - FRAME_HEADER_SIZE : frame->body_size;
    switch (frame->type) {
    case FRONTEND_PARSE: return parse_waits(client, body, size);
    case FRONTEND_BIND: return bind_waits(client, body, size);
    case FRONTEND_DESCRIBE:
    case FRONTEND_CLOSE: return target_waits(client, frame->type, body, size);
    case FRONTEND_QUERY: return query_waits(client, body, size);
    default: return false;
    }
}
