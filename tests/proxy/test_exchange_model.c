/*
 * The exchange beside a model of PostgreSQL's backend (PostgresMain, and CopyGetData while it reads COPY data): random messages go to both,
 * the model reads them when it likes and answers, and whatever it answers the exchange must know whose it is. When everything is quiet the exchange
 * must say so exactly when the model is idle. The seed is in the message of a failure; EXCHANGE_SEED runs that one alone.
 */
#include "proxy/exchange.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES_MAX = 4096, PARTS_MAX = 4, NEVER = 1000 };

/* What a statement does. */
enum part { ROWS, COMMAND, EMPTY, SUSPENDED, COPY_IN, COPY_OUT, FAILS };

struct message {
    uint8_t type;
    char target;
    enum exchange_owner owner;
    bool is_local;    /* answered by the exchange, never sent */
    bool is_reported; /* its outcome is due */
    enum exchange_outcome outcome;
    bool fails;
    uint32_t part_count; /* Query: one for each statement; Execute: one */
    enum part parts[PARTS_MAX];
    uint32_t copy_reads[PARTS_MAX]; /* the COPY fails when it has read so many messages; NEVER */
    char status_after;              /* of the transaction when all goes well */
};

struct reply {
    uint8_t type;
    char status;
    enum exchange_owner owner;
    bool is_local;
};

struct backend {
    uint32_t read; /* messages */
    bool is_extended, is_skipping, is_dead;
    bool has_work; /* something that a Sync would commit, and could fail to */
    char status;
    const struct message *copying; /* NULL: none */
    uint32_t copying_part, copy_read;
};

struct run {
    struct message messages[MESSAGES_MAX]; /* all that were sent, in order */
    uint32_t sent;
    struct reply replies[4 * MESSAGES_MAX];
    uint32_t replied, flushed, delivered; /* what was not flushed yet is still in the backend's buffer */
    struct backend backend;
    struct exchange exchange;
    enum exchange_outcome outcomes[MESSAGES_MAX]; /* as reported */
    uint32_t outcome_count, compared, compared_outcomes;
    bool is_client_gone;
    bool has_seen_copy_in; /* since the client's last statement */
    uint64_t seed, random;
    char history[16384];
    size_t history_size;
};

static struct run run;

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) cr_assert_fail("seed %llu: %s\n%s", (unsigned long long)run.seed, #condition, run.history); \
    } while (0)

static uint32_t pick(uint32_t n)
{
    run.random += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = run.random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32) % n;
}

static void note(char mark, uint8_t type)
{
    if (run.history_size + 4 > sizeof run.history) return;
    run.history[run.history_size++] = ' ';
    run.history[run.history_size++] = mark;
    run.history[run.history_size++] = (char)type;
}

/* ---- the model ---- */

static void reply(enum exchange_owner owner, uint8_t type)
{
    if (pick(20) == 0) run.replies[run.replied++] = (struct reply){.type = (uint8_t) "NSA"[pick(3)]};
    run.replies[run.replied++] = (struct reply){type, run.backend.status, owner, false};
    if (strchr("ZEG", type) || pick(20) == 0) run.flushed = run.replied;
}

static void ready(const struct message *message)
{
    reply(message->owner, 'Z');
}

static void fail(const struct message *message)
{
    struct backend *backend = &run.backend;
    backend->copying = NULL;
    backend->has_work = false;
    if (backend->status == 'T') backend->status = 'E';
    reply(message->owner, 'E');
    if (backend->is_extended)
        backend->is_skipping = true;
    else
        ready(message);
}

/* Goes on with the statements of a Query, or the one of an Execute, until one reads COPY data. */
static void carry_out(const struct message *message, uint32_t part)
{
    struct backend *backend = &run.backend;
    for (; part < message->part_count; part++) {
        switch (message->parts[part]) {
        case ROWS:
            if (message->type == 'Q') reply(message->owner, 'T');
            for (uint32_t i = pick(3); i > 0; i--) reply(message->owner, 'D');
            reply(message->owner, 'C');
            break;
        case COMMAND: reply(message->owner, 'C'); break;
        case EMPTY: reply(message->owner, 'I'); break;
        case SUSPENDED:
            reply(message->owner, 'D');
            reply(message->owner, 's');
            break;
        case COPY_IN:
            reply(message->owner, 'G');
            backend->copying = message;
            backend->copying_part = part;
            backend->copy_read = 0;
            if (message->copy_reads[part] == 0) fail(message);
            return;
        case COPY_OUT:
            reply(message->owner, 'H');
            for (uint32_t i = pick(3); i > 0; i--) reply(message->owner, 'd');
            if (message->copy_reads[part] == 0) {
                fail(message);
                return;
            }
            reply(message->owner, 'c');
            reply(message->owner, 'C');
            break;
        case FAILS: fail(message); return;
        }
    }
    backend->status = message->status_after;
    backend->has_work = message->type == 'E';
    if (message->type == 'Q') ready(message);
}

static void read_copy_data(const struct message *message)
{
    struct backend *backend = &run.backend;
    const struct message *copying = backend->copying;
    uint32_t fails_at = copying->copy_reads[backend->copying_part];
    switch (message->type) {
    case 'd':
    case 'H':
    case 'S':
        if (++backend->copy_read >= fails_at) fail(copying);
        break;
    case 'c':
        if (fails_at != NEVER) {
            fail(copying);
            break;
        }
        reply(copying->owner, 'C');
        backend->copying = NULL;
        carry_out(copying, backend->copying_part + 1);
        break;
    case 'f': fail(copying); break;
    default: /* "terminating connection because protocol synchronization was lost" */ reply(copying->owner, 'E'); backend->is_dead = true;
    }
}

static bool is_parse_or_close(uint8_t type)
{
    return type == 'P' || type == 'C';
}

/* Its turn has come; the backend does not know. */
static void read_local(struct message *message)
{
    message->outcome = run.backend.is_skipping ? EXCHANGE_SKIPPED : EXCHANGE_DONE;
    if (run.backend.is_skipping) return;
    run.replies[run.replied++] = (struct reply){message->type == 'P' ? '1' : '3', 0, EXCHANGE_CLIENT, true};
}

static void read_message(struct message *message)
{
    struct backend *backend = &run.backend;
    if (backend->copying) {
        read_copy_data(message);
        return;
    }
    if (message->type == 'S') backend->is_skipping = false;
    backend->is_extended = strchr("PBDECH", message->type) != NULL;
    message->outcome = backend->is_skipping ? EXCHANGE_SKIPPED : message->fails ? EXCHANGE_FAILED : EXCHANGE_DONE;
    if (backend->is_skipping) return;
    if (message->fails && strchr("PBDECFS", message->type) && (message->type != 'S' || backend->has_work)) {
        fail(message);
        return;
    }
    switch (message->type) {
    case 'P': reply(message->owner, '1'); break;
    case 'B': reply(message->owner, '2'); break;
    case 'C': reply(message->owner, '3'); break;
    case 'D':
        if (message->target == 'S') reply(message->owner, 't');
        reply(message->owner, pick(2) ? 'T' : 'n');
        break;
    case 'E':
    case 'Q': carry_out(message, 0); break;
    case 'F':
        reply(message->owner, 'V');
        ready(message);
        break;
    case 'H': run.flushed = run.replied; break;
    case 'S':
        backend->has_work = false;
        ready(message);
        break;
    default: break;
    }
}

static bool backend_step(void)
{
    if (run.backend.is_dead || run.backend.read == run.sent) return false;
    struct message *message = &run.messages[run.backend.read++];
    if (message->is_local)
        read_local(message);
    else
        read_message(message);
    return true;
}

/* ---- sending and delivering ---- */

static void report(void *context, enum exchange_outcome outcome)
{
    struct run *to = context;
    to->outcomes[to->outcome_count++] = outcome;
}

static void deliver_next(void)
{
    struct reply *next = &run.replies[run.delivered++];
    bool is_ours = next->owner == EXCHANGE_OURS || (next->owner == EXCHANGE_INJECTED && next->type != 'E');
    note(is_ours ? '-' : '<', next->type);
    CHECK(!next->is_local); /* exchange_local_reply should have told of it */
    if (next->type == 'G') run.has_seen_copy_in = true;
    enum exchange_reply got = exchange_received(&run.exchange, next->type, next->status);
    if (got == EXCHANGE_UNEXPECTED && run.exchange.is_lost)
        run.backend.is_dead = true; /* the caller closes it */
    else if (strchr("NSA", next->type))
        CHECK(got == EXCHANGE_ASYNC);
    else if (run.backend.is_dead && next->type == 'E')
        CHECK(got != EXCHANGE_UNEXPECTED);
    else if (run.is_client_gone && next->type == 'Z')
        CHECK(got == EXCHANGE_FORWARD || got == EXCHANGE_SWALLOW); /* nobody listens */
    else
        CHECK(got == (is_ours ? EXCHANGE_SWALLOW : EXCHANGE_FORWARD));
}

/* A local reply is due no sooner than all before it have been delivered. */
static void take_local_replies(void)
{
    for (uint8_t type; (type = exchange_local_reply(&run.exchange)) != 0;) {
        note(':', type);
        for (;;) {
            while (run.delivered == run.replied) CHECK(backend_step());
            if (run.replies[run.delivered].is_local) break;
            CHECK(strchr("NSA", run.replies[run.delivered].type));
            deliver_next();
        }
        CHECK(run.replies[run.delivered].type == type);
        run.delivered++;
        if (run.flushed < run.delivered) run.flushed = run.delivered;
    }
}

static void deliver(void)
{
    deliver_next();
    take_local_replies();
}

static struct message *add(enum exchange_owner owner, uint8_t type)
{
    CHECK(run.sent < MESSAGES_MAX && run.replied < 3 * MESSAGES_MAX); /* no end of probes? */
    struct message *message = &run.messages[run.sent++];
    *message = (struct message){.type = type, .owner = owner, .status_after = 'I'};
    if (type == 'D') message->target = pick(2) ? 'S' : 'P';
    return message;
}

static struct message *send(enum exchange_owner owner, uint8_t type)
{
    struct message *message = add(owner, type);
    note(owner == EXCHANGE_OURS ? '+' : owner == EXCHANGE_INJECTED ? '^' : '>', type);
    bool is_heeded = exchange_sent(&run.exchange, owner, type, message->target);
    message->is_reported = is_heeded && is_parse_or_close(type);
    if (!is_heeded) CHECK(type != 'S');
    return message;
}

static void answer_here(uint8_t type)
{
    note('*', type);
    if (!exchange_answer_here(&run.exchange, type)) return;
    struct message *message = add(EXCHANGE_CLIENT, type);
    message->is_local = message->is_reported = true;
    take_local_replies();
}

static void send_ours(uint8_t type)
{
    struct message *message = send(EXCHANGE_OURS, type);
    message->part_count = 1;
    message->parts[0] = EMPTY;
    message->status_after = run.backend.status; /* of no importance but to stay the same */
}

/* What became of each Parse and Close has been told, in order. */
static void check_outcomes(void)
{
    for (; run.compared < run.sent; run.compared++) {
        const struct message *message = &run.messages[run.compared];
        if (!message->is_reported) continue;
        CHECK(run.compared_outcomes < run.outcome_count);
        CHECK(run.outcomes[run.compared_outcomes++] == message->outcome);
    }
    CHECK(run.compared_outcomes == run.outcome_count);
}

static bool is_everything_delivered(void)
{
    return run.delivered == run.flushed && (run.backend.is_dead || run.backend.read == run.sent);
}

/* It may be anywhere between what was sent and what has been answered: idle must be true whatever it is going to say. */
static void check_idle_is_true(void)
{
    if (!exchange_is_idle(&run.exchange) || run.backend.is_dead) return;
    CHECK(run.backend.copying == NULL && !run.backend.is_skipping && run.backend.status == 'I');
    for (uint32_t i = run.delivered; i < run.replied; i++) CHECK(strchr("NSA", run.replies[i].type));
    for (uint32_t i = run.backend.read; i < run.sent; i++) CHECK(strchr("dcfH", run.messages[i].type));
}

static void look_after(void)
{
    if (exchange_is_doubtful(&run.exchange)) {
        note('=', '?');
        send_ours('Q');
    }
}

static void everything_arrives(void)
{
    for (;;) {
        if (run.delivered < run.flushed)
            deliver();
        else if (!backend_step())
            break;
        check_idle_is_true();
        look_after();
    }
    CHECK(is_everything_delivered());
}

/* What lease.c does for a client that is gone. */
static void settle(void)
{
    run.is_client_gone = true;
    for (int round = 0; round < 20; round++) {
        everything_arrives();
        if (run.backend.is_dead || exchange_is_settled(&run.exchange)) break;
        if (exchange_wants_copy_data(&run.exchange)) send_ours('f');
        if (exchange_needs_sync(&run.exchange)) send_ours('S');
        look_after();
    }
    if (run.exchange.is_lost) run.backend.is_dead = true; /* abandon_timeout closes it */
    if (run.backend.is_dead) return;
    CHECK(exchange_is_settled(&run.exchange));
    check_outcomes();
    CHECK(run.backend.copying == NULL && !run.backend.is_skipping);
    CHECK(exchange_is_idle(&run.exchange) == (run.backend.status == 'I'));
    CHECK(!exchange_is_doubtful(&run.exchange) && !exchange_needs_sync(&run.exchange) && !exchange_wants_copy_data(&run.exchange));
}

/* ---- clients ---- */

static void plan(struct message *message, bool has_copies)
{
    static const enum part query_parts[] = {ROWS, COMMAND, EMPTY, ROWS, COPY_OUT, FAILS, COPY_IN, COPY_IN};
    static const enum part execute_parts[] = {ROWS, COMMAND, EMPTY, SUSPENDED, COPY_OUT, FAILS, COPY_IN, COPY_IN};
    message->fails = pick(12) == 0;
    message->status_after = "IIT"[pick(3)];
    message->part_count = message->type == 'Q' ? 1 + pick(PARTS_MAX) : 1;
    for (uint32_t i = 0; i < message->part_count; i++) {
        uint32_t choice = pick(has_copies ? 8 : 6);
        message->parts[i] = message->type == 'Q' ? query_parts[choice] : execute_parts[choice];
        message->copy_reads[i] = pick(2) ? NEVER : pick(4);
    }
}

static void random_pace(uint32_t laziness)
{
    while (laziness > 1 ? pick(laziness) == 0 : pick(4) > 0) {
        if (pick(2))
            backend_step();
        else if (run.delivered < run.flushed)
            deliver();
        check_idle_is_true();
        look_after();
    }
}

/* One that sends any message at any time, COPY aside. */
static void any_client(uint32_t laziness)
{
    for (uint32_t i = pick(40); i > 0 && !run.backend.is_dead; i--) {
        uint8_t type = (uint8_t) "QPBDECSFHSdcf"[pick(13)];
        if (is_parse_or_close(type) && pick(3) == 0) {
            answer_here(type);
        } else {
            if (strchr("BD", type) && pick(3) == 0) plan(send(EXCHANGE_INJECTED, 'P'), false);
            plan(send(EXCHANGE_CLIENT, type), false);
        }
        random_pace(laziness);
    }
}

/* One that does as libpq does: waits for COPY to begin, though it may have sent a Sync ahead, and ends it with CopyDone, and Sync where that is due. */
static void copying_client(uint32_t laziness)
{
    for (uint32_t i = pick(12); i > 0 && !run.backend.is_dead; i--) {
        bool is_extended = pick(3) > 0, sends_sync_ahead = pick(2);
        if (is_extended) {
            if (pick(2)) plan(send(EXCHANGE_CLIENT, 'P'), false);
            plan(send(EXCHANGE_CLIENT, 'B'), false);
        }
        run.has_seen_copy_in = false;
        struct message *message = send(EXCHANGE_CLIENT, is_extended ? 'E' : 'Q');
        plan(message, true);
        if (is_extended && sends_sync_ahead) plan(send(EXCHANGE_CLIENT, 'S'), false);
        random_pace(laziness);
        bool has_copy = false;
        for (;;) { /* until nothing more comes, or the COPY wants data */
            while (run.delivered < run.flushed) deliver();
            if (run.has_seen_copy_in) {
                run.has_seen_copy_in = false;
                has_copy = true;
                for (uint32_t n = pick(4); n > 0; n--) {
                    send(EXCHANGE_CLIENT, 'd');
                    random_pace(laziness);
                }
                if (pick(20) == 0) return; /* gone in the middle */
                send(EXCHANGE_CLIENT, pick(5) ? 'c' : 'f');
                if (is_extended) send(EXCHANGE_CLIENT, 'S');
                random_pace(laziness);
                if (is_extended) break;
            } else if (!backend_step()) {
                break;
            }
        }
        if (is_extended && !has_copy && !sends_sync_ahead) send(EXCHANGE_CLIENT, 'S');
        look_after();
        if (pick(3) == 0) everything_arrives();
    }
}

/* One that knows there will be a COPY and sends its data ahead; with a Sync ahead of it, too, where that is as good as none. */
static void hasty_client(uint32_t laziness)
{
    for (uint32_t i = pick(10); i > 0 && !run.backend.is_dead; i--) {
        bool is_extended = pick(2);
        if (is_extended) plan(send(EXCHANGE_CLIENT, 'B'), false);
        struct message *message = send(EXCHANGE_CLIENT, is_extended ? 'E' : 'Q');
        plan(message, true);
        message->part_count = 1;
        message->parts[0] = COPY_IN;
        message->status_after = 'I';
        random_pace(laziness);
        if (pick(3) == 0) send(EXCHANGE_CLIENT, 'S');
        for (uint32_t n = pick(4); n > 0; n--) send(EXCHANGE_CLIENT, 'd');
        random_pace(laziness);
        send(EXCHANGE_CLIENT, pick(5) ? 'c' : 'f');
        if (is_extended) send(EXCHANGE_CLIENT, 'S');
        random_pace(laziness);
    }
}

/* Everything at once: most such servers die of it, none may be lost count of. */
static void mad_client(uint32_t laziness)
{
    for (uint32_t i = pick(25); i > 0 && !run.backend.is_dead; i--) {
        plan(send(EXCHANGE_CLIENT, (uint8_t) "QPBDECSEESdcf"[pick(13)]), true);
        random_pace(laziness);
    }
}

static void begin(uint64_t seed)
{
    memset(&run, 0, sizeof run);
    run.seed = run.random = seed;
    run.backend.status = 'I';
    exchange_init(&run.exchange);
    run.exchange.ended = report;
    run.exchange.ended_context = &run;
}

static void run_with(void (*client)(uint32_t laziness), uint64_t seed)
{
    begin(seed);
    for (uint32_t lease = 0; lease < 3 && !run.backend.is_dead; lease++) {
        if (pick(3) == 0) send_ours('Q'); /* the client's settings go in front */
        run.is_client_gone = false;
        client(1 + pick(6));
        settle();
        if (client != mad_client) CHECK(!run.exchange.is_lost);
        if (run.backend.status != 'I' && !run.backend.is_dead) { /* ROLLBACK */
            send_ours('Q');
            run.messages[run.sent - 1].status_after = 'I';
            settle();
        }
    }
    exchange_fini(&run.exchange);
}

static void run_many(void (*client)(uint32_t laziness))
{
    const char *text = getenv("EXCHANGE_SEED");
    if (text)
        run_with(client, strtoull(text, NULL, 10));
    else
        for (uint64_t seed = 1; seed <= 20000; seed++) run_with(client, seed);
}

Test(exchange_model, any_messages_without_copy)
{
    run_many(any_client);
}

Test(exchange_model, copies_as_libpq_does_them)
{
    run_many(copying_client);
}

Test(exchange_model, copies_with_the_data_sent_ahead)
{
    run_many(hasty_client);
}

Test(exchange_model, anything_at_any_time)
{
    run_many(mad_client);
}
