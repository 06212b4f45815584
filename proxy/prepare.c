/*
 * Prepared statements on servers. What a Parse or Close will have done is assumed when it is sent, because the next message may rely on it before any reply has come;
 * server->preparations holds what was assumed, in order, and prepare_ended takes back what did not come true.
 *
 * Invariant: each Parse and Close told to the exchange, and each message that it watches, has exactly one entry in server->preparations.
 */
#include "proxy/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/frontend.h"
#include "proxy/client_text.h"
#include "proxy/inquiry.h"
#include "proxy/statement_effects.h"

struct statement *prepare_find(struct client *client, const char *name)
{
    struct statement *statement = statement_names_find(&client->statements, name);
    uint64_t context = statement ? client_text_context(client) : 0;
    if (!statement || statement->context == context) return statement;
    struct statement_terms terms = {.context = context, .is_named = true, .is_scannable = client_text_is_scannable(client)};
    struct statement *renewed = statements_intern(client->host->commons->statements, statement->tail, statement->tail_size, &terms);
    statement_effects(renewed, terms.is_scannable, client_text_strings(client));
    struct statement *former = statement_names_set(&client->statements, name, renewed);
    statement_unref(&former);
    statement_unref(&renewed); /* the client's names hold it */
    return statement_names_find(&client->statements, name);
}

static void send_close(struct outgoing *outgoing, struct statement *statement)
{
    struct server *server = outgoing->server;
    if (!exchange_sent(&server->exchange, EXCHANGE_OURS, FRONTEND_CLOSE, 'S')) return;
    preparations_push(&server->preparations, PREPARATION_EVICTED, statement_ref(statement), NULL, NULL);
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_close(&writer, 'S', statement->name);
    outgoing_add_made(outgoing, &writer);
    prepared_set_remove(&server->prepared, statement);
}

/* A Parse under the name that servers know the statement by. */
void prepare_send_parse(struct outgoing *outgoing, const struct statement *statement)
{
    outgoing->client->traffic->server_parse_count++;
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    size_t name_size = strlen(statement->name) + 1;
    bytes_write_u8(&writer, FRONTEND_PARSE);
    bytes_write_u32(&writer, (uint32_t)(4 + name_size + statement->tail_size));
    bytes_write_cstring(&writer, statement->name);
    outgoing_add_made(outgoing, &writer);
    outgoing_add(outgoing, statement->tail, statement->tail_size);
}

static void prepare_make_room(struct outgoing *outgoing)
{
    struct prepared_set *set = &outgoing->server->prepared;
    int64_t most = outgoing->server->host->commons->config->settings.max_prepared_statements;
    /* Where the server is skipping nothing can be closed; but then nothing is added either. */
    while (set->count > 0 && set->count >= most && !exchange_is_skipping(&outgoing->server->exchange)) {
        struct statement *oldest = statement_ref(prepared_set_oldest(set));
        send_close(outgoing, oldest);
        statement_unref(&oldest);
    }
}

/* The server is about to be given the statement: whatever may be there under its name goes first. */
void prepare_place(struct outgoing *outgoing, struct statement *statement, enum prepared_state state)
{
    if (state == PREPARED_MAYBE) send_close(outgoing, statement);
    prepare_make_room(outgoing);
}

enum prepared_state prepare_state(struct server *server, struct statement *statement)
{
    enum prepared_state state = prepared_set_use(&server->prepared, statement);
    /* It has been closed, unless an error makes the server skip that. */
    return state == PREPARED_NOT && preparations_evict(&server->preparations, statement) ? PREPARED_MAYBE : state;
}

/* Put a Parse in front when the server lacks the statement. An error in it is the client's to see when `owner` is EXCHANGE_INJECTED. */
bool prepare_statement(struct outgoing *outgoing, struct statement *statement, enum exchange_owner owner)
{
    struct server *server = outgoing->server;
    enum prepared_state state = prepare_state(server, statement);
    if (state == PREPARED_YES) return false;
    prepare_place(outgoing, statement, state);
    if (!exchange_sent(&server->exchange, owner, FRONTEND_PARSE, 0)) return true;
    preparations_push(&server->preparations, PREPARATION_INJECTED, statement_ref(statement), NULL, NULL);
    prepare_send_parse(outgoing, statement);
    prepared_set_add(&server->prepared, statement);
    server->host->commons->stats.statements_injected++;
    return true;
}

void prepare_throw_away(struct outgoing *outgoing, const char *name)
{
    struct server *server = outgoing->server;
    struct bytes_writer writer = outgoing_make(outgoing, 2 * PREPARE_SMALL_MESSAGE);
    if (!exchange_sent(&server->exchange, EXCHANGE_OURS, FRONTEND_CLOSE, 'S')) return;
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    frontend_write_close(&writer, 'S', name); /* one that was not taken */
    exchange_sent(&server->exchange, EXCHANGE_OURS, FRONTEND_PARSE, 0);
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    frontend_write_parse(&writer, name, "", NULL, 0); /* nothing can be parsed in a failed transaction as well */
    outgoing_add_made(outgoing, &writer);
}

/* ---- the unnamed statement ---- */

void prepare_forget_unnamed(struct server *server)
{
    statement_unref(&server->unnamed);
    server->has_large_unnamed = false;
}

void prepare_set_unnamed(struct statement **place, struct statement *statement)
{
    if (*place == statement) return;
    statement_unref(place);
    *place = statement ? statement_ref(statement) : NULL;
}

void prepare_end_unnamed(struct client *client)
{
    prepare_set_unnamed(&client->unnamed, NULL);
    prepare_forget_unnamed(client->server);
    preparations_end_unnamed(&client->server->preparations);
}

/* Its Parse was sent. */
void prepare_put_unnamed(struct server *server, struct statement *statement)
{
    prepare_set_unnamed(&server->unnamed, statement);
    server->has_large_unnamed = false;
    server->is_unnamed_confirmed = false;
    server->unnamed_segment = server->prepared.segment;
}

/* The server's unnamed statement may be another client's, or an older one of this client's. */
void prepare_unnamed(struct outgoing *outgoing)
{
    struct client *client = outgoing->client;
    struct server *server = outgoing->server;
    bool is_sure = server->is_unnamed_confirmed || server->unnamed_segment == server->prepared.segment;
    if (server->has_large_unnamed || (client->unnamed && server->unnamed == client->unnamed && is_sure)) return;
    if (client->unnamed) {
        if (!exchange_sent(&server->exchange, EXCHANGE_INJECTED, FRONTEND_PARSE, 0)) return;
        preparations_push(&server->preparations, PREPARATION_INJECTED_UNNAMED, statement_ref(client->unnamed), NULL, NULL);
        prepare_send_parse(outgoing, client->unnamed);
        prepare_put_unnamed(server, client->unnamed);
        return;
    }
    /* It has none, and must hear that from the server instead of running another client's. */
    if (!exchange_sent(&server->exchange, EXCHANGE_OURS, FRONTEND_CLOSE, 'S')) return;
    preparations_push(&server->preparations, PREPARATION_PLAIN, NULL, NULL, NULL);
    struct bytes_writer writer = outgoing_make(outgoing, PREPARE_SMALL_MESSAGE);
    frontend_write_close(&writer, 'S', "");
    outgoing_add_made(outgoing, &writer);
    prepare_forget_unnamed(server);
}

/* ---- what became of it ---- */

static void undo_name(struct client *client, struct preparation *preparation)
{
    if (!client) return;
    if (preparation->kind == PREPARATION_CLOSED ||
        statement_is_alike(statement_names_find(&client->statements, preparation->name), preparation->statement)) {
        struct statement *undone = statement_names_set(&client->statements, preparation->name, preparation->former);
        statement_unref(&undone);
    }
}

static void undo(struct server *server, struct preparation *preparation, enum exchange_outcome outcome)
{
    struct client *client = server->client;
    /* A Parse that fails has destroyed the former unnamed statement; one that was skipped has not. */
    if (preparation->kind == PREPARATION_UNNAMED && outcome == EXCHANGE_FAILED) statement_unref(&preparation->former);
    bool is_superseded = preparation_is_of_client(preparation->kind) && preparations_undo_former(&server->preparations, preparation);
    if (is_superseded) client = NULL; /* what it has now is a later message's word */
    switch (preparation->kind) {
    case PREPARATION_PLAIN: break;
    case PREPARATION_NAMED:
        undo_name(client, preparation);
        /* fall through */
    case PREPARATION_INJECTED:
        if (outcome == EXCHANGE_FAILED)
            prepared_set_refuse(&server->prepared, preparation->statement, preparation->segment);
        else
            prepared_set_doubt(&server->prepared, preparation->statement);
        break;
    case PREPARATION_ANSWERED:
    case PREPARATION_CLOSED: undo_name(client, preparation); break;
    case PREPARATION_UNNAMED:
    case PREPARATION_UNNAMED_CLOSED:
        if (client && statement_is_alike(client->unnamed, preparation->statement))
            prepare_set_unnamed(&client->unnamed, preparation->former);
        /* fall through */
    case PREPARATION_INJECTED_UNNAMED: prepare_forget_unnamed(server); break;
    case PREPARATION_EVICTED: prepared_set_doubt(&server->prepared, preparation->statement); break;
    case PREPARATION_DEALLOCATION: break;
    case PREPARATION_REFUSAL: server->replaces_error = outcome == EXCHANGE_FAILED; break;
    }
}

static void confirm(struct server *server, const struct preparation *preparation)
{
    prepared_set_confirm(&server->prepared, preparation->statement, preparation->segment);
    preparation->statement->is_proven = true;
}

void prepare_ended(void *context, enum exchange_outcome outcome)
{
    struct server *server = context;
    struct preparation preparation = preparations_pop(&server->preparations);
    if (preparation.kind == PREPARATION_DEALLOCATION) deallocations_end(&server->deallocations);
    if (outcome != EXCHANGE_DONE)
        undo(server, &preparation, outcome);
    else if (preparation.kind == PREPARATION_NAMED || preparation.kind == PREPARATION_INJECTED)
        confirm(server, &preparation);
    else if (preparation.kind == PREPARATION_UNNAMED || preparation.kind == PREPARATION_INJECTED_UNNAMED)
        server->is_unnamed_confirmed = server->unnamed == preparation.statement;
    preparation_fini(&preparation);
}

/* ---- what DEALLOCATE and DISCARD ALL take ---- */

void prepare_deallocation_sent(struct server *server)
{
    exchange_watch_last(&server->exchange);
    preparations_push(&server->preparations, PREPARATION_DEALLOCATION, NULL, NULL, NULL);
}

void prepare_forget_restore(struct server *server)
{
    free(server->restore);
    server->restore = NULL;
}

void prepare_look_at_tag(struct server *server, const char *tag)
{
    struct client *client = server->client;
    const char *name;
    if (!deallocations_take(&server->deallocations, tag, &name)) return;
    if (!name) prepared_set_doubt_all(&server->prepared);
    if (client && name) {
        struct statement *former = statement_names_set(&client->statements, name, NULL);
        statement_unref(&former);
    } else if (client) {
        statement_names_clear(&client->statements);
    }
}

void prepare_plan_is_stale(struct server *server)
{
    prepared_set_doubt_all(&server->prepared);
}

void prepare_forget_server(struct server *server)
{
    prepared_set_clear(&server->prepared);
    preparations_fini(&server->preparations);
    deallocations_end(&server->deallocations);
    prepare_forget_restore(server);
    statement_unref(&server->unnamed);
    inquiry_forget(server);
}
