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

static const struct {
    const char *setting, *key, *sqlstate, *message, *help;
} texts[] = {
#define X(name, setting, key, sqlstate, words, help) [name] = {setting, key, sqlstate, words, help},
#include "proxy/clocks.def"
#undef X
};

static int64_t said_of(const struct config_times *times, enum clock clock)
{
    switch (clock) {
    case CLOCK_NONE:
    case CLOCK_COUNT: break;
    case CLOCK_NOTIFY: return times->notify_us;
    case CLOCK_WAIT: return times->wait_us;
    case CLOCK_DEADLINE: return times->deadline_us;
    case CLOCK_QUERY: return times->query_us;
    case CLOCK_TRANSACTION: return times->transaction_us;
    case CLOCK_IDLE_TRANSACTION: return times->idle_transaction_us;
    case CLOCK_CLIENT_IDLE: return times->client_idle_us;
    }
    return -1;
}

void clocks_name_limit(enum clock clock, const struct config_times said[CONFIG_LEVELS], const char *const names[CONFIG_LEVELS],
                       char name_out[CLOCKS_LIMIT_SIZE])
{
    static const char *const levels[] = {[CONFIG_CLASS] = "class", [CONFIG_USER] = "user", [CONFIG_DATABASE] = "database"};
    for (int i = 0; i < CONFIG_LEVELS; i++) {
        if (said_of(&said[i], clock) < 0) continue;
        const char *key = i == CONFIG_CLASS ? texts[clock].key : texts[clock].setting;
        snprintf(name_out, CLOCKS_LIMIT_SIZE, "%s of %s \"%.63s\"", key, levels[i], names[i]);
        return;
    }
    snprintf(name_out, CLOCKS_LIMIT_SIZE, "%s", texts[clock].setting);
}

void clocks_tell(enum clock clock, const struct clocks_story *story, struct clocks_words *words_out)
{
    words_out->sqlstate = texts[clock].sqlstate;
    snprintf(words_out->message, sizeof words_out->message, "pgturnstile: %s", texts[clock].message);
    snprintf(words_out->detail, sizeof words_out->detail, "Class \"%.63s\": it waited %lld ms for a server connection and ran %lld ms.",
             story->class, (long long)(story->waited_us / 1000), (long long)(story->ran_us / 1000));
    snprintf(words_out->hint, sizeof words_out->hint, "Raise %s in pgturnstile, or %s.", story->limit, texts[clock].help);
}
