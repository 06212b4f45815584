/*
 * The relay: clients that wait for a server. Invariant: a WAITING client has kept, whole or as far as it is needed, the message that it waits with; its replies so far were
 * sent, so what it is told here never falls into the middle of one.
 */
#include "proxy/relay.h"

#include <assert.h>
#include <stdio.h>

#include "protocol/frame.h"
#include "protocol/frontend.h"
#include "proxy/client_clocks.h"
#include "proxy/local_transaction.h"

void relay_queue_wait(struct client *client)
{
    client_move(client, CLIENT_WAITING);
    if (!pool_wait(client->pool, client)) return; /* relay_queue_turn_away */
    client->clocks.since_us = client->host->commons->now_us;
    client->clocks.was_notified = false;
    client_clocks_arm(client);
}

static void answer_refusal(struct client *client, const char *sqlstate, const char *message, const char *detail, const char *hint)
{
    turnstile_leave(client->host->commons->turnstile, &client->waiter);
    client_move(client, CLIENT_READY);
    if (client->transaction == LOCAL_BEGUN) local_transaction_fail(client, true);
    client_clocks_end(client);
    client_error(client, sqlstate, message, detail, hint);
    struct frame frame;
    enum codec_result header = frame_parse_header(client->input, client->input_size, &frame);
    assert(header == CODEC_OK); /* it waits with a message that was looked at */
    if (frame.type == FRONTEND_QUERY || frame.type == FRONTEND_FUNCTION_CALL) {
        local_transaction_answer_ready(client);
        size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size, here = total < client->input_size ? total : client->input_size;
        client->message_left = (uint32_t)(total - here);
        client->discards_message = client->message_left > 0;
        client_keep(client, client->input + here, client->input_size - here);
    } else {
        client->discards_to_sync = true;
    }
    stream_resume_reading(&client->stream);
}

void relay_queue_refuse(struct client *client, const char *sqlstate, const char *message, const char *detail, const char *hint)
{
    answer_refusal(client, sqlstate, message, detail, hint);
    relay_client_resume(client);
}

void relay_queue_turn_away(struct client *client)
{
    const struct turnstile_class_rules *rules = &client->key->class->rules;
    char message[160], detail[160];
    snprintf(message, sizeof message, "the queue for server connections of class \"%.63s\" is full (queue_limit)", rules->name);
    snprintf(detail, sizeof detail, "%u clients of this class are waiting already.", client->key->class->waiting);
    answer_refusal(client, SQLSTATE_TOO_MANY_CONNECTIONS, message, detail, "Raise queue_limit, or try again later.");
}

enum { PLACE_SIZE = 320 };

static void describe_place(struct client *client, char place_out[PLACE_SIZE])
{
    const struct pool *pool = client->pool;
    snprintf(place_out, PLACE_SIZE,
             "Position %u of %u in the queue of database \"%.63s\", user \"%.63s\"; it holds %u of the %lld connections of the budget.",
             turnstile_position(&client->waiter), pool->slots.waiting, pool->database, pool->user,
             pool->slots.idle + pool->slots.leased + pool->slots.opening + pool->slots.closing,
             (long long)client->host->commons->config->settings.budget);
}

void relay_queue_notify(struct client *client)
{
    char message[80], place[PLACE_SIZE];
    client->clocks.was_notified = true;
    client->host->commons->stats.wait_notices++;
    snprintf(message, sizeof message, "pgturnstile: waiting for a server connection for %lld ms",
             (long long)(client_clocks_run_us(client) / 1000));
    describe_place(client, place);
    client_notice(client, message, place);
}

void relay_queue_timed_out(struct client *client)
{
    const struct pool *pool = client->pool;
    client->host->commons->stats.wait_timeouts++;
    char message[80 + CLOCKS_LIMIT_SIZE], place[PLACE_SIZE], limit[CLOCKS_LIMIT_SIZE], hint[CLIENT_CLOCKS_HINT_SIZE];
    client_clocks_name_limit(client, CLOCK_WAIT, limit);
    snprintf(message, sizeof message, "waited %lld ms for a server connection (%s)", (long long)(client_clocks_run_us(client) / 1000),
             limit);
    client_clocks_wait_hint(limit, hint);
    describe_place(client, place);
    if (pool->failure)
        relay_queue_refuse(client, SQLSTATE_CONNECTION_FAILURE, pool->failure, message, NULL);
    else
        relay_queue_refuse(client, SQLSTATE_TOO_MANY_CONNECTIONS, message, place, hint);
}
