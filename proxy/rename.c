/* Statements named in SQL. Not for: what a DEALLOCATE that succeeded takes (prepare.c). */
#include "proxy/rename.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/client_text.h"
#include "proxy/memory.h"
#include "proxy/prepare.h"
#include "proxy/touch.h"

bool rename_is_due(const struct client *client, uint32_t effects)
{
    return (effects & EFFECTS_ON_NAMES) && statement_names_count(&client->statements) > 0;
}

struct rename {
    struct outgoing *outgoing;
    char throw_away[STATEMENT_NAME_SIZE];
};

/* Something for the DEALLOCATE of a statement that is known here to take; each in a query string has its own. */
static const char *throw_away(struct rename *rename)
{
    unsigned number = rename->outgoing->server->deallocations.count;
    snprintf(rename->throw_away, sizeof rename->throw_away, "pgturnstile_%u", number);
    prepare_throw_away(rename->outgoing, rename->throw_away);
    return rename->throw_away;
}

/* A Sync of ours keeps a Parse that fails from taking the Query with it. */
static void send_sync(struct outgoing *outgoing)
{
    exchange_sent(&outgoing->server->exchange, EXCHANGE_OURS, FRONTEND_SYNC, 0);
    prepare_next_segment(outgoing->server);
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_sync(&writer);
    outgoing_add_made(outgoing, &writer);
}

static const char *rename_in_query(void *context, const char *name, uint32_t effect)
{
    struct rename *rename = context;
    struct outgoing *outgoing = rename->outgoing;
    struct deallocations *deallocations = &outgoing->server->deallocations;
    if (!name) {
        if (effect & EFFECT_DEALLOCATE) deallocations_add(deallocations, NULL);
        return NULL;
    }
    /* What the string has deallocated before is not there any more; the server has nothing under the client's own name, and says so. */
    bool is_gone = deallocations_have(deallocations, name);
    struct statement *statement = is_gone ? NULL : prepare_find(outgoing->client, name);
    const char *other = NULL;
    if (statement && (effect & EFFECT_DEALLOCATE)) {
        other = throw_away(rename);
        send_sync(outgoing);
    } else if (statement) {
        if (prepare_statement(outgoing, statement, EXCHANGE_OURS)) send_sync(outgoing);
        if (effect & EFFECT_EXECUTE) touch_by_effects(outgoing->client, touch_by_text_of(outgoing->client, statement));
        other = statement->name; /* the client's names hold it */
    }
    if (effect & EFFECT_DEALLOCATE) deallocations_add(deallocations, name);
    return other;
}

char *rename_query(struct outgoing *outgoing, const char *text, size_t size, uint32_t effects)
{
    struct deallocations *deallocations = &outgoing->server->deallocations;
    struct rename rename = {.outgoing = outgoing};
    if (!(effects & RENAME_EFFECTS)) return NULL;
    deallocations_end(deallocations); /* a portal that was bound only */
    if (effects & EFFECT_DISCARD_ALL) deallocations_add(deallocations, NULL);
    if (!(effects & EFFECT_DEALLOCATE) && !rename_is_due(outgoing->client, effects)) return NULL;
    return statement_rename(text, size, client_text_strings(outgoing->client), rename_in_query, &rename);
}

/* DEALLOCATE is looked at when it is bound. */
static const char *rename_in_parse(void *context, const char *name, uint32_t effect)
{
    struct outgoing *outgoing = context;
    if (!name || (effect & EFFECT_DEALLOCATE)) return NULL;
    struct statement *statement = prepare_find(outgoing->client, name);
    if (!statement) return NULL;
    prepare_statement(outgoing, statement, EXCHANGE_INJECTED); /* its columns are those that Describe shows */
    return statement->name;
}

static struct statement *intern(struct client *client, const uint8_t *tail, size_t size, bool is_named)
{
    struct statement_terms terms = {
        .context = client_text_context(client), .is_named = is_named, .is_scannable = is_named && client_text_is_scannable(client)};
    /* In a loop, one text comes again and again. */
    bool is_last = client->unnamed && statement_has(client->unnamed, tail, size, &terms);
    struct statement *statement =
        is_last ? statement_ref(client->unnamed) : statements_intern(client->host->commons->statements, tail, size, &terms);
    if (!statement->is_scanned) statement_effects(statement, client_text_is_scannable(client), client_text_strings(client));
    return statement;
}

struct statement *rename_parse(struct outgoing *outgoing, const struct frontend_parse_message *parsed, const uint8_t *body, size_t size)
{
    struct client *client = outgoing->client;
    size_t name_size = (size_t)(parsed->text - parsed->statement); /* it begins the body, and the text follows */
    bool is_named = name_size > 1;
    struct statement *statement = intern(client, body + name_size, size - name_size, is_named);
    if (!rename_is_due(client, statement->effects)) return statement;
    size_t text_size = strlen(parsed->text) + 1;
    char *text = statement_rename(parsed->text, text_size - 1, client_text_strings(client), rename_in_parse, outgoing);
    if (!text) return statement;
    size_t types_size = size - name_size - text_size, new_size = strlen(text) + 1;
    uint8_t *tail = memory_alloc(new_size + types_size);
    memcpy(tail, text, new_size);
    memcpy(tail + new_size, body + name_size + text_size, types_size);
    statement_unref(&statement);
    statement = intern(client, tail, new_size + types_size, is_named);
    free(tail);
    free(text);
    return statement;
}

/* ---- statements that are bound ---- */

/* What the server knows by this name, of the client's. */
static struct statement *find_by_server_name(struct client *client, const char *server_name)
{
    const char *name = statement_is_name(server_name) ? statement_names_of(&client->statements, server_name) : NULL;
    return name ? statement_names_find(&client->statements, name) : NULL;
}

static const char *rename_in_bind(void *context, const char *name, uint32_t effect)
{
    struct rename *rename = context;
    struct outgoing *outgoing = rename->outgoing;
    struct client *client = outgoing->client;
    if (effect & EFFECT_DEALLOCATE) {
        const char *other = name && statement_names_find(&client->statements, name) ? throw_away(rename) : NULL;
        deallocations_add(&outgoing->server->deallocations, name);
        return other;
    }
    struct statement *statement = name ? find_by_server_name(client, name) : NULL;
    if (!statement) return NULL;
    prepare_statement(outgoing, statement, EXCHANGE_INJECTED);
    if (effect & EFFECT_EXECUTE) touch_by_effects(client, touch_by_text_of(client, statement));
    return NULL;
}

struct statement *rename_bound(struct outgoing *outgoing, const struct statement *statement, const char *portal)
{
    uint32_t effects = statement->effects;
    struct client *client = outgoing->client;
    struct deallocations *deallocations = &outgoing->server->deallocations;
    struct rename rename = {.outgoing = outgoing};
    const char *text = (const char *)statement->tail;
    char *other = NULL;
    deallocations_end(deallocations); /* of another portal: only the last one is followed */
    if (effects & EFFECT_DISCARD_ALL)
        deallocations_add(deallocations, NULL);
    else
        other = statement_rename(text, strlen(text), client_text_strings(client), rename_in_bind, &rename);
    if (deallocations->count > 0) deallocations_bind(deallocations, portal);
    if (!other) return NULL;
    size_t size = strlen(other) + 1, types_size = statement->tail_size - strlen(text) - 1;
    uint8_t *tail = memory_alloc(size + types_size);
    memcpy(tail, other, size);
    memcpy(tail + size, statement->tail + strlen(text) + 1, types_size);
    struct statement *instead = intern(client, tail, size + types_size, true);
    free(tail);
    free(other);
    prepare_statement(outgoing, instead, EXCHANGE_INJECTED);
    return instead;
}
