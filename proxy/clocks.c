/* Clocks of clients: arithmetic. Invariant: which of them run follows from the phase alone; there is nothing to start or stop. */
#include "proxy/clocks.h"

#include <stdio.h>

#include "protocol/backend.h"

struct first {
    enum clock clock;
    int64_t due_us;
};

static void consider(struct first *first, enum clock clock, int64_t since_us, int64_t limit_us)
{
    if (limit_us <= 0 || since_us + limit_us >= first->due_us) return;
    first->clock = clock;
    first->due_us = since_us + limit_us;
}

enum clock clocks_next(const struct clocks *clocks, enum clocks_phase phase, int64_t *due_us_out)
{
    const struct time_limits *limits = clocks->limits;
    struct first first = {.clock = CLOCK_NONE, .due_us = INT64_MAX};
    switch (phase) {
    case PHASE_ELSEWHERE: break;
    case PHASE_IDLE: consider(&first, CLOCK_CLIENT_IDLE, clocks->since_us, limits->client_idle_us); break;
    case PHASE_WAITING:
        if (!clocks->was_notified) consider(&first, CLOCK_NOTIFY, clocks->since_us, limits->notify_us);
        consider(&first, CLOCK_DEADLINE, clocks->unit_us, limits->deadline_us);
        consider(&first, CLOCK_WAIT, clocks->since_us, limits->wait_us);
        break;
    case PHASE_RUNNING:
        consider(&first, CLOCK_DEADLINE, clocks->unit_us, limits->deadline_us);
        consider(&first, CLOCK_TRANSACTION, clocks->transaction_us, limits->transaction_us);
        consider(&first, CLOCK_QUERY, clocks->since_us, limits->query_us);
        break;
    case PHASE_IN_TRANSACTION:
        consider(&first, CLOCK_DEADLINE, clocks->unit_us, limits->deadline_us);
        consider(&first, CLOCK_TRANSACTION, clocks->transaction_us, limits->transaction_us);
        consider(&first, CLOCK_IDLE_TRANSACTION, clocks->since_us, limits->idle_transaction_us);
        break;
    case PHASE_BEGUN:
        consider(&first, CLOCK_DEADLINE, clocks->unit_us, limits->deadline_us);
        consider(&first, CLOCK_IDLE_TRANSACTION, clocks->since_us, limits->idle_transaction_us);
        break;
    case PHASE_FAILED: consider(&first, CLOCK_IDLE_TRANSACTION, clocks->since_us, limits->idle_transaction_us); break;
    }
    *due_us_out = first.due_us;
    return first.clock;
}

static void delay(int64_t *at_us, int64_t by_us, int64_t now_us)
{
    if (*at_us == 0) return; /* it is not under way */
    *at_us = *at_us + by_us < now_us ? *at_us + by_us : now_us;
}

void clocks_delay(struct clocks *clocks, int64_t by_us, int64_t now_us)
{
    delay(&clocks->since_us, by_us, now_us);
    delay(&clocks->unit_us, by_us, now_us);
    delay(&clocks->transaction_us, by_us, now_us);
    delay(&clocks->struck_us, by_us, now_us);
}

void clocks_tell(enum clock clock, const char *class, int64_t waited_us, int64_t ran_us, struct clocks_words *words_out)
{
    static const struct {
        const char *sqlstate, *message, *hint;
    } words[] = {
#define X(name, setting, sqlstate, words, hint) [name] = {sqlstate, words, hint},
#include "proxy/clocks.def"
#undef X
    };
    words_out->sqlstate = words[clock].sqlstate;
    words_out->hint = words[clock].hint;
    snprintf(words_out->message, sizeof words_out->message, "pgturnstile: %s", words[clock].message);
    snprintf(words_out->detail, sizeof words_out->detail, "Class \"%.63s\": it waited %lld ms for a server connection and ran %lld ms.",
             class, (long long)(waited_us / 1000), (long long)(ran_us / 1000));
}
