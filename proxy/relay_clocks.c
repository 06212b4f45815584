/*
 * The relay: clocks that strike. What runs is cancelled, and PostgreSQL's error about it replaced by ours; what is open is rolled back; the server is kept. Not for: which
 * clock runs when (clocks.c).
 *
 * Invariants: a cancel of ours never meets a statement that did not run into a limit, as far as PostgreSQL allows: what follows on the same server waits until it has
 * arrived. A client is told once. What will not be cancelled ends with its client.
 */
#include "proxy/relay.h"

#include <string.h>

#include "proxy/cancel.h"
#include "proxy/client_clocks.h"
#include "proxy/local_transaction.h"

enum { AGAIN_US = 200000, PATIENCE_US = 3000000 };

static struct client *client_of_entry(struct deadline_heap_entry *entry)
{
    return (struct client *)((char *)entry - offsetof(struct client, clocks) - offsetof(struct clocks, entry));
}

static void wake_in(struct client *client, int64_t pause_us)
{
    struct commons *commons = client->host->commons;
    deadline_heap_need(&commons->clocks, &client->clocks.entry, commons->now_us + pause_us);
}

/* Its connection ends; its server is cleaned up. In the middle of a row our words would be taken for a part of it. */
static void end_client(struct client *client, enum clock clock)
{
    struct clocks_words words;
    client_clocks_tell(client, clock, &words);
    if (client->server && client->server->message_left > 0 && !client->server->message_is_swallowed)
        client_finish(client, words.message);
    else
        client_goodbye(client, words.sqlstate, words.message, words.detail, words.hint);
}

/* Its transaction ends and its server comes free; the client hears of it with its next statement, unless it has been told. */
static void roll_back(struct client *client, bool is_told)
{
    struct server *server = client->server;
    server->is_rolling_back = server->tells_settings = server->holds_client_back = true;
    server_query(server, "ROLLBACK");
    local_transaction_fail(client, is_told);
}

static void interrupt(struct client *client, enum clock clock)
{
    struct server *server = client->server;
    struct clocks *clocks = &client->clocks;
    clocks->struck = clock;
    clocks->struck_us = client->host->commons->now_us;
    clocks->was_told = clocks->has_ended = false;
    if (!exchange_wants_copy_data(&server->exchange))
        lease_cancel(server);
    else if (client->message_left == 0)
        server_copy_fail(server, "it took too long");
    wake_in(client, AGAIN_US);
}

/* It has been interrupted before, and is not at rest yet. */
static void insist(struct client *client)
{
    struct clocks *clocks = &client->clocks;
    wake_in(client, AGAIN_US);
    if (clocks->was_told || clocks->has_ended || client->state != CLIENT_LEASING) return;
    bool is_stuck = stream_has_unsent(&client->stream) || stream_has_unsent(&client->server->stream) || client->message_left > 0;
    if (is_stuck || client->host->commons->now_us - clocks->struck_us > PATIENCE_US)
        end_client(client, clocks->struck);
    else
        lease_cancel(client->server);
}

static void strike_deadline(struct client *client, enum clocks_phase phase)
{
    struct clocks_words words;
    client->host->commons->stats.deadlines_missed++;
    switch (phase) {
    case PHASE_WAITING:
        client_clocks_tell(client, CLOCK_DEADLINE, &words);
        relay_queue_refuse(client, words.sqlstate, words.message, words.detail, words.hint);
        break;
    case PHASE_BEGUN: local_transaction_fail(client, false); break;
    case PHASE_RUNNING: interrupt(client, CLOCK_DEADLINE); break;
    case PHASE_IN_TRANSACTION:
        /* Messages of the extended protocol without a Sync: only the client's own ends them. */
        if (exchange_needs_sync(&client->server->exchange))
            end_client(client, CLOCK_DEADLINE);
        else
            roll_back(client, false);
        break;
    case PHASE_ELSEWHERE:
    case PHASE_IDLE:
    case PHASE_FAILED: break;
    }
}

static void strike(struct client *client, enum clock clock, enum clocks_phase phase)
{
    struct commons *commons = client->host->commons;
    if (clock != CLOCK_NOTIFY && client->key) client->key->class->timed_out++;
    switch (clock) {
    case CLOCK_NONE:
    case CLOCK_COUNT: break;
    case CLOCK_NOTIFY: relay_queue_notify(client); break;
    case CLOCK_WAIT: relay_queue_timed_out(client); break;
    case CLOCK_DEADLINE: strike_deadline(client, phase); break;
    case CLOCK_QUERY:
        commons->stats.query_timeouts++;
        interrupt(client, clock);
        break;
    case CLOCK_TRANSACTION:
        commons->stats.transaction_timeouts++;
        if (phase == PHASE_RUNNING)
            interrupt(client, clock);
        else
            end_client(client, clock);
        break;
    case CLOCK_IDLE_TRANSACTION:
    case CLOCK_CLIENT_IDLE:
        commons->stats.idle_timeouts++;
        end_client(client, clock);
        break;
    }
}

/* The times that the client is told, as they are now. */
static void note_times(struct client *client, enum clock clock, enum clocks_phase phase)
{
    struct clocks *clocks = &client->clocks;
    int64_t since_us = clock == CLOCK_DEADLINE || clock == CLOCK_TRANSACTION ? clocks->unit_us + clocks->waited_us : clocks->since_us;
    clocks->ran_us = client->host->commons->now_us - since_us;
    if (phase != PHASE_WAITING || clock == CLOCK_NOTIFY) return;
    clocks->waited_us += client_clocks_run_us(client);
    clocks->ran_us = 0;
}

static void look(struct client *client)
{
    if (client->clocks.struck != CLOCK_NONE) {
        insist(client);
        return;
    }
    int64_t due_us;
    enum clocks_phase phase = client_clocks_phase(client);
    enum clock clock = clocks_next(&client->clocks, phase, &due_us);
    if (clock == CLOCK_NONE) return;
    if (due_us > client->host->commons->now_us) {
        client_clocks_arm(client);
        return;
    }
    note_times(client, clock, phase);
    strike(client, clock, phase);
    if (client->state < CLIENT_CLOSING && client->clocks.struck == CLOCK_NONE) client_clocks_arm(client);
}

void relay_clocks_run(struct commons *commons)
{
    for (struct deadline_heap_entry *entry; (entry = deadline_heap_pop_due(&commons->clocks, commons->now_us));)
        look(client_of_entry(entry));
}

bool relay_clocks_settled(struct client *client)
{
    struct server *server = client->server;
    struct clocks *clocks = &client->clocks;
    bool is_settled = exchange_is_settled(&server->exchange);
    if (clocks->struck == CLOCK_TRANSACTION && clocks->was_told) {
        client_finish(client, "transaction_timeout");
        return false;
    }
    if (!is_settled && !clocks->has_ended) return true;
    if (cancel_is_on_its_way(server)) return true; /* relay_rest waits for it, where anything follows on this server */
    enum clock struck = clocks->struck;
    clocks->struck = CLOCK_NONE;
    if (is_settled && server->exchange.status != 'I') {
        if (struck == CLOCK_DEADLINE) {
            roll_back(client, clocks->was_told);
            return false;
        }
        if (struck == CLOCK_TRANSACTION) {
            end_client(client, struck);
            return false;
        }
    }
    client_clocks_look(client);
    return true;
}

size_t relay_clocks_write_error(struct client *client, const struct backend_error *error, uint8_t *message_out, size_t capacity)
{
    struct clocks *clocks = &client->clocks;
    if (clocks->was_told || !error->sqlstate || strcmp(error->sqlstate, SQLSTATE_QUERY_CANCELED) != 0) return 0;
    struct clocks_words words;
    client_clocks_tell(client, clocks->struck, &words);
    struct backend_error ours = {.severity = clocks->struck == CLOCK_TRANSACTION ? "FATAL" : "ERROR",
                                 .sqlstate = words.sqlstate,
                                 .message = words.message,
                                 .detail = words.detail,
                                 .hint = words.hint};
    struct bytes_writer writer;
    bytes_writer_init(&writer, message_out, capacity);
    backend_write_error(&writer, &ours);
    clocks->was_told = !writer.has_failed;
    return writer.has_failed ? 0 : writer.size;
}
