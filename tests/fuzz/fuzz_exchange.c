/*
 * proxy/exchange.h under any sequence of messages, legal or not. The input is pairs of bytes, as in tests/proxy/test_exchange.c: who (> the client,
 * + we, ^ injected sends; * answered here; anything else: the server sends) and the message type. Whatever has happened, a server that fails all that
 * is left and answers each Sync is settled in the end.
 */
#include "proxy/exchange.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tally {
    size_t owed_outcomes, outcomes;
};

static void count_outcome(void *context, enum exchange_outcome outcome)
{
    struct tally *tally = context;
    assert(outcome == EXCHANGE_DONE || outcome == EXCHANGE_FAILED || outcome == EXCHANGE_SKIPPED);
    tally->outcomes++;
    assert(tally->outcomes <= tally->owed_outcomes);
}

static void check(const struct exchange *exchange, const struct tally *tally)
{
    assert(exchange->count <= exchange->capacity && (exchange->capacity & (exchange->capacity - 1)) == 0);
    assert(exchange->doubtful <= exchange->count);
    if (exchange_is_idle(exchange)) assert(exchange_is_settled(exchange));
    if (exchange_is_settled(exchange)) {
        assert(!exchange_is_doubtful(exchange) && !exchange_needs_sync(exchange) && !exchange_front_is_ours(exchange));
        assert(!exchange_wants_copy_data(exchange));
        assert(tally->outcomes == tally->owed_outcomes);
    }
}

static void take_local_replies(struct exchange *exchange)
{
    for (uint8_t type; (type = exchange_local_reply(exchange)) != 0;) assert(type == '1' || type == '3');
}

/* False: the connection would be closed. */
static bool receive(struct exchange *exchange, uint8_t type, char status)
{
    enum exchange_reply reply = exchange_received(exchange, type, status);
    if (type == 'N' || type == 'S' || type == 'A') assert(reply == EXCHANGE_ASYNC);
    return reply != EXCHANGE_UNEXPECTED;
}

static bool step(struct exchange *exchange, uint8_t who, uint8_t type, char target, struct tally *tally)
{
    bool is_reported = type == 'P' || type == 'C';
    tally->owed_outcomes += is_reported; /* it may be told within the call */
    switch (who) {
    case '>':
    case '+':
    case '^': {
        enum exchange_owner owner = who == '>' ? EXCHANGE_CLIENT : who == '+' ? EXCHANGE_OURS : EXCHANGE_INJECTED;
        if (!exchange_sent(exchange, owner, type, target)) tally->owed_outcomes -= is_reported;
        return true;
    }
    case '*':
        if (!is_reported) return true;
        if (!exchange_answer_here(exchange, type)) tally->owed_outcomes--;
        return true;
    default: tally->owed_outcomes -= is_reported; return receive(exchange, type, target == 'S' ? 'I' : 'T');
    }
}

static void settle(struct exchange *exchange, const struct tally *tally)
{
    for (uint32_t rounds = 2 * exchange->count + 4; rounds > 0 && !exchange_is_settled(exchange); rounds--) {
        if (exchange_needs_sync(exchange)) exchange_sent(exchange, EXCHANGE_OURS, 'S', 0);
        if (exchange_is_doubtful(exchange)) exchange_sent(exchange, EXCHANGE_OURS, 'Q', 0);
        take_local_replies(exchange);
        if (!receive(exchange, 'E', 0)) return;
        take_local_replies(exchange);
        if (exchange->count > 0 && !receive(exchange, 'Z', 'I')) return;
        check(exchange, tally);
    }
    assert(exchange_is_settled(exchange));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange exchange;
    struct tally tally = {0};
    exchange_init(&exchange);
    exchange.ended = count_outcome;
    exchange.ended_context = &tally;
    bool is_alive = true;
    for (size_t i = 0; is_alive && i + 2 <= size; i += 2) {
        is_alive = step(&exchange, data[i], data[i + 1], i % 4 ? 'P' : 'S', &tally);
        if (!is_alive) break;
        take_local_replies(&exchange);
        check(&exchange, &tally);
    }
    if (is_alive) settle(&exchange, &tally);
    exchange_fini(&exchange);
    return 0;
}
