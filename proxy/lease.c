/*
 * Leases: linking, unlinking, cleaning up. Invariants: client->server and server->client point at each other or are both NULL; a server without client
 * that is not IDLE is LOGGING_IN, CLEANING, CLOSING or CLOSED; nothing of a former client is owed to it when it goes back to its pool, and no cancel is on its way.
 */
#include "proxy/lease.h"

#include <assert.h>
#include <string.h>

#include "proxy/cancel.h"
#include "proxy/inquiry.h"
#include "proxy/observe.h"
#include "proxy/pins.h"

enum { CANCEL_AGAIN_US = 200000 };

/* What waited for the cancel to have arrived goes on. */
static void cancel_arrived(struct server *server)
{
    if (server->state == SERVER_CLEANING)
        lease_clean(server);
    else if (server->client && (server->holds_client_back || server->client->clocks.struck != CLOCK_NONE))
        server->host->drained(server);
}

void lease_begin(struct client *client, struct server *server)
{
    assert(!client->server && !server->client && server->state == SERVER_LEASED);
    deadline_clear(&client->deadline);
    client->server = server;
    server->client = client;
    struct commons *commons = server->pool->pools->commons;
    commons->stats.leases++;
    client->traffic->server_assignment_count++;
    server->leased_us = commons->now_us;
    server->transaction_us = server->query_us = 0;
    server->is_cancel_due = false;
    if (client->state != CLIENT_WELCOMING) client_move(client, CLIENT_LEASING);
}

size_t lease_settings_sql(const struct client *client, char *sql_out, size_t capacity)
{
    return session_state_difference(client->server->settings, client->settings, sql_out, capacity);
}

static void adopt_settings(struct server *server, struct session_state *settings)
{
    session_state_unref(&server->settings);
    server->settings = session_state_ref(settings);
}

void lease_settings_sent(struct client *client)
{
    adopt_settings(client->server, client->settings);
    client->server->is_taking_settings = client->state == CLIENT_LEASING;
}

void lease_parameter_changed(struct server *server, const char *name, const char *value)
{
    struct client *client = server->client;
    enum parameter parameter = parameter_find(name);
    if (parameter == PARAMETER_COUNT || !parameter_is_settable(parameter)) return;
    const char *standard = server->pool->parameters.values[parameter];
    server->settings = session_state_with(server->settings, name, standard && strcmp(standard, value) == 0 ? NULL : value);
    if (!client || client->state != CLIENT_LEASING) return;
    session_state_unref(&client->settings);
    client->settings = session_state_ref(server->settings);
}

void lease_settings_taken(struct server *server)
{
    bool held_client_back = server->holds_client_back;
    server->is_taking_settings = server->tells_settings = server->holds_client_back = server->is_rolling_back = false;
    if (!held_client_back) lease_cancel_due(server);
}

void lease_cancel(struct server *server)
{
    if (server->is_taking_settings)
        server->is_cancel_due = true;
    else
        cancel_send(server, cancel_arrived);
}

void lease_cancel_for(struct client *client)
{
    struct server *server = client->server;
    if (server->holds_client_back && client->input_size > 0)
        server->is_cancel_due = true;
    else if (server->inquiry)
        client->host->commons->stats.cancels_ignored++;
    else
        lease_cancel(server);
}

void lease_cancel_due(struct server *server)
{
    if (!server->is_cancel_due || server->holds_client_back || server->is_taking_settings) return;
    server->is_cancel_due = false;
    cancel_send(server, cancel_arrived);
}

static bool holds_session(const struct client *client)
{
    return client->pins || client->pool->mode == POOL_MODE_SESSION;
}

bool lease_may_end(const struct client *client)
{
    const struct server *server = client->server;
    return exchange_is_idle(&server->exchange) && !server->inquiry && server->message_left == 0 && !server->is_inside_message &&
           !stream_has_unsent(&server->stream) && client->message_left == 0 && !(client->state == CLIENT_LEASING && holds_session(client));
}

static void unlink_both(struct client *client)
{
    client->server->client = NULL;
    client->server = NULL;
}

static void start_cleaning(struct server *server, bool needs_reset)
{
    server_move(server, SERVER_CLEANING);
    server->needs_reset = needs_reset;
    server->holds_client_back = false;
    if (!server->is_taking_settings) server->is_cancel_due = false; /* what it was for never came */
    server->has_sent_reset = server->has_sent_rollback = false;
    server->abandon_at_us = 0;
}

static bool is_reset_due(const struct client *client)
{
    const struct settings *settings = &client->host->commons->config->settings;
    if (client->state == CLIENT_WELCOMING) return client->welcome != NULL; /* its settings are being tried */
    return holds_session(client) || client->touched || client->server->inquiry || settings->server_reset_query_always;
}

void lease_end(struct client *client)
{
    struct server *server = client->server;
    server->has_large_unnamed = false;
    bool needs_reset = is_reset_due(client);
    server->has_restores = server->is_in_restore = false;
    if (server->deallocations.count > 0) deallocations_end(&server->deallocations); /* a portal that was never executed */
    observe_rest(client);
    unlink_both(client);
    if (client->state == CLIENT_LEASING) client_move(client, CLIENT_READY);
    /* What was kept back for a slow client has been copied already; the server need not wait for it. */
    stream_resume_reading(&server->stream);
    if (!needs_reset && server->cancels_in_flight == 0) {
        pool_give_back(server);
        return;
    }
    start_cleaning(server, needs_reset);
    struct commons *commons = server->host->commons;
    server->abandon_at_us = commons->now_us + commons->config->settings.abandon_timeout_us;
    deadline_set(&commons->cleaning_deadlines, &server->deadline, server->abandon_at_us);
    lease_clean(server);
}

/* A cancel that overtakes its query finds nothing to cancel: it is sent again until the query has ended. */
static void set_next_cancel(struct server *server)
{
    struct commons *commons = server->host->commons;
    int64_t next_us = commons->now_us + CANCEL_AGAIN_US;
    deadline_set(&commons->cleaning_deadlines, &server->deadline, next_us < server->abandon_at_us ? next_us : server->abandon_at_us);
}

void lease_abandon(struct client *client, bool is_polite)
{
    struct server *server = client->server;
    if (!server) {
        inquiry_set_pins(client, 0); /* its server was lost: so is what it held there */
        return;
    }
    struct commons *commons = client->host->commons;
    bool needs_reset = is_reset_due(client);
    if (client->pins & PIN_LOAD) server->is_retired = true; /* nothing undoes LOAD */
    inquiry_set_pins(client, 0);
    unlink_both(client);
    if (server->state != SERVER_LEASED) return;
    bool was_busy = !exchange_is_settled(&server->exchange);
    if (was_busy) commons->stats.clients_abandoned++;
    start_cleaning(server, needs_reset);
    if (server->is_inside_message || stream_has_unsent(&server->stream)) {
        pool_close_server(server, "its client was gone in the middle of a message");
        return;
    }
    stream_resume_reading(&server->stream);
    if (was_busy && !is_polite && !exchange_wants_copy_data(&server->exchange)) lease_cancel(server);
    if (!is_polite) {
        server->abandon_at_us = commons->now_us + commons->config->settings.abandon_timeout_us;
        set_next_cancel(server);
    }
    lease_clean(server);
}

static void send_reset(struct server *server)
{
    const char *sql = server->pool->config->settings.server_reset_query;
    server->has_sent_reset = true;
    server->needs_reset = false;
    server_query(server, *sql ? sql : "DISCARD ALL");
    struct session_state *none = session_state_empty(server->host->commons->states);
    adopt_settings(server, none);
    session_state_unref(&none);
    prepared_set_doubt_all(&server->prepared); /* not every server_reset_query drops them */
    statement_unref(&server->unnamed);
}

void lease_clean(struct server *server)
{
    assert(server->state == SERVER_CLEANING && !server->client);
    struct exchange *exchange = &server->exchange;
    if (exchange_wants_copy_data(exchange)) server_copy_fail(server, "the client is gone");
    if (exchange_needs_sync(exchange)) server_sync(server);
    if (exchange_is_doubtful(exchange)) server_query(server, "");
    if (!exchange_is_settled(exchange) || server->message_left > 0 || server->input_size > 0) return;
    /* A cancel that is still on its way would hit whatever comes next. */
    if (server->cancels_in_flight > 0) {
        if (server->is_cancel_given_up) pool_close_server(server, "cancel_wait_timeout");
        return;
    }
    if (exchange->status != 'I') {
        if (server->has_sent_rollback) {
            pool_close_server(server, "it could not be rolled back");
            return;
        }
        server->has_sent_rollback = true;
        server_query(server, "ROLLBACK");
        return;
    }
    if (server->needs_reset) {
        send_reset(server);
        return;
    }
    deadline_clear(&server->deadline);
    pool_give_back(server);
}

struct server *lease_without_client(struct pool *pool)
{
    struct server *server = pool_take_spare(pool);
    if (!server) return NULL;
    struct commons *commons = server->host->commons;
    server->leased_us = commons->now_us;
    server->transaction_us = server->query_us = 0;
    start_cleaning(server, false);
    server->abandon_at_us = commons->now_us + commons->config->settings.abandon_timeout_us;
    set_next_cancel(server);
    return server;
}

void lease_cleaning_timed_out(struct deadline *deadline)
{
    struct server *server = server_of_deadline(deadline);
    if (server->host->commons->now_us >= server->abandon_at_us) {
        pool_close_server(server, "abandon_timeout");
        return;
    }
    lease_cancel(server);
    set_next_cancel(server);
}
