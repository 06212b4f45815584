/*
 * The exchange by example. Each case is a script of tokens:
 *   >P  the client's message of that type was sent (>Ds, >Dp: Describe of a statement, of a portal);  +Q  the same for one of ours;  ^P  for one injected
 *   wQ  the client's message was sent, and is watched; *P  the client's message is answered here;  :1  that reply is due now (:0  none is)
 *   <C  a reply that is to be FORWARDed (<ZT: ReadyForQuery with its status);  -C  to be SWALLOWed;  ~N  ASYNC;  !C  UNEXPECTED
 *   @dfs  since the last time these outcomes were reported: done, failed, skipped (@  none)
 *   =idle =settled =owing =doubtful =sync =copy =watched =unwatched =ours =theirs  what must hold here (=owing: not settled; =sync: a Sync is needed; =copy: data is wanted;
 *   =ours: all that is owed is)
 * The random comparison with a model of PostgreSQL's backend is test_exchange_model.c.
 */
#include "proxy/exchange.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

struct script {
    char name[64];
    char tokens[256];
};

static bool holds(const struct exchange *exchange, const char *condition)
{
    if (strcmp(condition, "idle") == 0) return exchange_is_idle(exchange) && exchange_is_settled(exchange);
    if (strcmp(condition, "settled") == 0) return exchange_is_settled(exchange);
    if (strcmp(condition, "owing") == 0) return !exchange_is_settled(exchange) && !exchange_is_idle(exchange);
    if (strcmp(condition, "doubtful") == 0) return exchange_is_doubtful(exchange) && !exchange_is_settled(exchange);
    if (strcmp(condition, "sync") == 0) return exchange_needs_sync(exchange) && !exchange_is_settled(exchange);
    if (strcmp(condition, "copy") == 0) return exchange_wants_copy_data(exchange);
    if (strcmp(condition, "watched") == 0) return exchange_front_is_watched(exchange);
    if (strcmp(condition, "ours") == 0) return exchange_is_all_ours(exchange);
    if (strcmp(condition, "theirs") == 0) return !exchange_is_all_ours(exchange);
    if (strcmp(condition, "unwatched") == 0) return !exchange_front_is_watched(exchange);
    return false;
}

struct outcomes {
    char letters[16];
    size_t count;
};

static void note_outcome(void *context, enum exchange_outcome outcome)
{
    struct outcomes *outcomes = context;
    cr_assert_lt(outcomes->count, sizeof outcomes->letters - 1);
    outcomes->letters[outcomes->count++] = "dfs"[outcome];
}

static enum exchange_reply reply_meant(char mark)
{
    switch (mark) {
    case '<': return EXCHANGE_FORWARD;
    case '-': return EXCHANGE_SWALLOW;
    case '~': return EXCHANGE_ASYNC;
    default: return EXCHANGE_UNEXPECTED;
    }
}

static struct script scripts[] = {
    /* Simple queries. */
    {"nothing", "=idle"},
    {"query", ">Q =owing <T <D <D <C =owing <ZI =idle"},
    {"whose replies are owed", "=ours +Q =ours >Q =theirs -C -ZI =theirs <C <ZI =ours ^P =theirs"},
    {"query that begins", ">Q <C <ZT =settled >Q <C <ZI =idle"},
    {"query that fails", ">Q <E =owing <ZI =idle"},
    {"query that fails in a transaction", ">Q <C <ZT >Q <T <D <E <ZE =settled >Q <C <ZI =idle"},
    {"empty query", ">Q <I <ZI =idle"},
    {"several statements", ">Q <T <D <C <C <I <T <C <ZI =idle"},
    {"pipelined queries", ">Q >Q >Q <C <ZI =owing <E <ZI =owing <I <ZI =idle"},
    {"function call", ">F =owing <V <ZI =idle >F <E <ZI =idle"},
    {"terminate and flush ask for nothing", ">H =idle >X =idle"},
    /* What comes at any time. */
    {"async while idle", "~N ~S ~A =idle"},
    {"async in the middle", ">Q ~N <T ~S <D ~A <C ~N <ZI ~S =idle"},
    {"async never settles an entry", ">P >S ~N =owing <1 ~S =owing <ZI =idle"},
    {"last words", "~E"},
    {"last words under a query", ">Q <T <E"},
    {"reply that nobody asked for", "!Z"},
    {"row that nobody asked for", ">P >S !D"},
    {"wrong completion", ">P >B >S <1 !1"},
    {"completion before its turn", ">P >B >S !2"},
    {"copy ended by ready", ">Q <G =copy <ZI =idle"},
    {"copy begun after its query failed", ">Q >S <G <E !G"},
    {"second ready", ">Q <C <ZI !Z"},
    /* The extended protocol. */
    {"extended query", ">P >B >Dp >E >S <1 <2 <T <D <C =owing <ZI =idle"},
    {"extended command", ">P >B >Dp >E >S <1 <2 <n <C <ZI =idle"},
    {"describe a statement", ">P >Ds >S <1 <t <T <ZI =idle"},
    {"describe a statement without rows", ">P >Ds >S <1 <t <n <ZI =idle"},
    {"describe a portal does not bring parameters", ">B >Dp >S <2 !t"},
    {"portal suspended", ">P >B >E >H <1 <2 <D <s =sync >E >S <D <C <ZI =idle"},
    {"empty statement", ">P >B >E >S <1 <2 <I <ZI =idle"},
    {"close", ">C >C >S <3 <3 <ZI =idle"},
    {"flush only", ">P >H <1 =sync =owing >S <ZI =idle"},
    {"not settled before its sync", ">P <1 =sync >B <2 =sync >E <C =sync =owing >S <ZI =idle"},
    {"several syncs", ">P >S >P >S >S <1 <ZI <1 <ZI =owing <ZI =idle"},
    {"query ends the need for a sync", ">P >B >E >Q <1 <2 <C <C <ZI =idle"},
    {"sync alone", ">S <ZI =idle"},
    {"commit fails at sync", ">P >B >E >S <1 <2 <C <E <ZI =idle"},
    /* Errors skip to the next Sync. */
    {"parse fails", ">P >B >E >S <E =owing <ZI =idle"},
    {"bind fails", ">P >B >E >S <1 <E <ZI =idle"},
    {"error between rows", ">P >B >E >S <1 <2 <D <E <ZI =idle"},
    {"error before the sync was sent", ">P >B >H <E =sync >E =sync >B =sync >S =owing <ZI =idle"},
    {"query behind an error is skipped too", ">P >H <E >Q =sync >S <ZI =idle"},
    {"function call behind an error is skipped too", ">P >H <E >F >S <ZI =idle"},
    {"query pipelined behind an error", ">P >Q >S <E =owing <ZI =idle"},
    {"error in the first of two", ">P >B >E >S >P >B >E >S <1 <E <ZI <1 <2 <C <ZI =idle"},
    {"error in each of two", ">P >S >P >S <E <ZI <E <ZI =idle"},
    {"sync pipelined behind an error", ">P >S >S <E <ZI =owing <ZI =idle"},
    {"close of what was never parsed", ">P >C >S <E <ZI >C >S <3 <ZI =idle"},
    {"error in a transaction", ">Q >P >B >E >S <C <ZT <E <ZE =settled >Q <C <ZI =idle"},
    {"query failing does not skip", ">Q >P >S <E <ZI <1 <ZI =idle"},
    {"messages without a reply while skipping", ">P >H <E >H >d >c =sync >S <ZI =idle"},
    /* COPY. */
    {"copy out", ">Q <H =owing <d <d <c <C <ZI =idle"},
    {"copy out extended", ">P >B >E >S <1 <2 <H <d <c <C <ZI =idle"},
    {"copy out that fails", ">Q <H <d <E <ZI =idle"},
    {"copy in", ">Q <G =copy >d >d =copy >c =owing <C <ZI =idle"},
    {"copy in given up", ">Q <G >d >f <E <ZI =idle"},
    {"copy in with everything sent ahead", ">Q >d >c <G =owing <C <ZI =idle"},
    {"two copies in one query", ">Q <G >d >c <C <G =copy >c <C <T <D <C <ZI =idle"},
    {"two copies in one query sent ahead", ">Q >d >c >c <G <C <G <C <ZI =idle"},
    {"copy in, the first data is bad", ">Q <G >d <E <ZI =idle >d >c =idle"},
    {"data behind a failed copy", ">Q >d >d >c >Q <G <E <ZI <C <ZI =idle"},
    {"copy data without a copy", ">d >c >f =idle >Q <C <ZI =idle"},
    {"copy in extended", ">P >B >E <1 <2 <G =copy >d >c >S <C <ZI =idle"},
    {"copy in extended, the sync ahead is ignored", ">P >B >E >S <1 <2 <G =copy >d >c =owing >S <C <ZI =idle"},
    {"copy in extended, all ahead, ignored sync", ">P >B >E >S >d >c >S <1 <2 <G <C <ZI =idle"},
    {"copy in extended, the sync ahead was the only one", ">P >B >E >S <1 <2 <G =sync >d >c =sync >S <C <ZI =idle"},
    {"copy in extended, a sync in the data ends nothing", ">P >B >E <1 <2 <G >S >d =sync >c =sync >S <C <ZI =idle"},
    {"copy in extended, all ahead, the ignored sync the only one", ">P >B >E >S >d >c <1 <2 <G =sync +S <C -ZI =idle"},
    {"copy in extended, all ahead, a query is as good as a sync", ">P >B >E >S >d >c >Q <1 <2 <G <C =owing <I <ZI =idle"},
    {"copy in extended, given up", ">P >B >E <1 <2 <G >d >f >S <E <ZI =idle"},
    {"copy in extended fails, sync after", ">P >B >E <1 <2 <G >d <E =sync >d >c =sync >S <ZI =idle"},
    {"copy in extended fails before it reads the sync", ">P >B >E >S >d >c >S <1 <2 <G <E <ZI =doubtful +Q <ZI -I -ZI =idle"},
    {"copy in extended fails after it read the sync", ">P >B >E >S >d >c >S <1 <2 <G <E <ZI =doubtful +Q -I -ZI =idle"},
    {"copy in extended fails, and more follows", ">P >B >E >S <1 <2 <G >d >c >S <E >P >S <ZI <ZI <1 <ZI =idle"},
    {"copy in extended fails, and more follows, no sync was left", ">P >B >E >S <1 <2 <G >d >c >S <E >P >S <ZI <1 <ZI =idle"},
    {"copy in extended fails, only the ignored sync", ">P >B >E >S <1 <2 <G >d <E =sync >c >S <ZI =doubtful +Q -I -ZI =idle"},
    {"copy in extended fails, the next one fails too", ">B >E >S <2 <G >d >f >S >P >B >E >S <E <ZI <E <ZI =idle"},
    {"copy in extended fails, the next one fails too, two syncs", ">B >E >S <2 <G >d >f >S >P >B >E >S <E <ZI <ZI <E <ZI =idle"},
    {"copy in extended fails, it was not known to have begun", ">B >E >S >P >B >E >S <2 <G <E !Z =owing"},
    {"copy in extended fails, who sends on blindly is lost", ">B >E >S <2 <G <E =sync >P !Z =owing"},
    {"copy in extended fails, its sync is answered before more is sent", ">B >E >S <2 <G <E =sync <ZI =idle >P >S <1 <ZI =idle"},
    {"copy in simple fails, query behind the sync fails", ">Q >S >c >Q <G <E <ZI <E <ZI =idle"},
    {"copy in simple fails with a sync in the data", ">Q >S >c <G <E <ZI =doubtful +Q -I -ZI =idle"},
    {"copy in simple fails before the sync in the data", ">Q >S >c <G <E <ZI =doubtful +Q <ZI -I -ZI =idle"},
    {"copy in fails before it began", ">P >B >E >S <1 <2 <E <ZI =idle"},
    /* Answered here. */
    {"a query that is watched", ">Q wQ >Q <C @ <ZI =watched @ <C <C @ <ZI @d =unwatched <C <ZI =idle @"},
    {"one that fails", "wQ <C <E @ <ZI @d =idle"},
    {"an execute that is watched", ">P >B wE >E >S <1 @d <2 =watched <C @d =unwatched <C <ZI =idle"},
    {"one that fails, and one that is skipped", ">B wE wE >S <2 <E @fs <ZI =idle"},
    {"parse answered here", "*P =sync :1 :0 =sync >B >E >S <2 <C <ZI =idle @d"},
    {"parse answered here takes its turn", ">B *P *C >S :0 <2 :1 :3 :0 <ZI =idle @dd"},
    {"parse answered here behind an error", ">B *P >P >C >S <E :0 @sss <ZI =idle"},
    {"parse fails, the others are skipped", ">P >P *C >C >S <E @fsss <ZI =idle"},
    {"outcomes one by one", ">P >C >P >S <1 @d <3 @d <E @f <ZI @"},
    {"answered here after an error", ">P <E @f *P :0 >P @ >S <ZI =idle"},
    {"answered here between syncs", ">P >S *P >S <1 :0 <ZI :1 :0 <ZI =idle @dd"},
    {"injected parse", "^P >B >E >S -1 <2 <C <ZI =idle @d"},
    {"injected parse fails, the client sees it", "^P >B >E >S <E <ZI =idle @f"},
    /* Ours. */
    {"our query in front", "+Q >Q -C -ZI =owing <C <ZI =idle"},
    {"our query in front fails", "+Q >Q -E -ZI <C <ZI =idle"},
    {"our query in front of extended ones", "+Q >P >B >E >S -T -D -C -ZI <1 <2 <C <ZI =idle"},
    {"our rollback", ">Q <C <ZT =settled +Q -C -ZI =idle"},
    {"our sync ends what a client left", ">P >B =sync +S <1 <2 -ZI =idle"},
    {"our sync ends what a client left, with an error", ">P >B +S <E -ZI =idle"},
    {"our sync after an error", ">P <E =sync +S -ZI =idle"},
    {"our copy fail", ">Q <G =copy +f <E <ZI =idle"},
    {"our copy fail and sync", ">P >B >E <1 <2 <G >d =copy +f +S <E -ZI =idle"},
};

ParameterizedTestParameters(exchange, script)
{
    return cr_make_param_array(struct script, scripts, sizeof scripts / sizeof scripts[0], NULL);
}

ParameterizedTest(struct script *script, exchange, script)
{
    struct exchange exchange;
    exchange_init(&exchange);
    struct outcomes outcomes = {0};
    exchange.ended = note_outcome;
    exchange.ended_context = &outcomes;
    int number = 0;
    char *rest = script->tokens;
    for (char *token; (token = strtok_r(rest, " ", &rest));) {
        number++;
        switch (token[0]) {
        case '>': exchange_sent(&exchange, EXCHANGE_CLIENT, (uint8_t)token[1], (char)(token[2] - 'a' + 'A')); break;
        case '+': exchange_sent(&exchange, EXCHANGE_OURS, (uint8_t)token[1], 0); break;
        case '^': exchange_sent(&exchange, EXCHANGE_INJECTED, (uint8_t)token[1], 0); break;
        case 'w':
            cr_assert(exchange_sent(&exchange, EXCHANGE_CLIENT, (uint8_t)token[1], 0));
            exchange_watch_last(&exchange);
            break;
        case '*': exchange_answer_here(&exchange, (uint8_t)token[1]); break;
        case ':':
            cr_assert_eq(exchange_local_reply(&exchange), token[1] == '0' ? 0 : token[1], "%s: token %d, %s", script->name, number, token);
            break;
        case '@':
            cr_assert_str_eq(outcomes.letters, token + 1, "%s: token %d, %s", script->name, number, token);
            outcomes = (struct outcomes){0};
            break;
        case '=': cr_assert(holds(&exchange, token + 1), "%s: token %d, %s", script->name, number, token); break;
        default:
            cr_assert_eq(exchange_received(&exchange, (uint8_t)token[1], token[2] ? token[2] : 'I'), reply_meant(token[0]),
                         "%s: token %d, %s", script->name, number, token);
        }
    }
    exchange_fini(&exchange);
}

Test(exchange, is_full_and_becomes_usable_again)
{
    struct exchange exchange;
    exchange_init(&exchange);
    for (int round = 0; round < 3; round++) {
        uint32_t sent = 0;
        for (; !exchange_is_full(&exchange); sent++) exchange_sent(&exchange, EXCHANGE_CLIENT, sent % 2 ? 'B' : 'P', 0);
        cr_expect_geq(sent, 10000);
        exchange_sent(&exchange, EXCHANGE_CLIENT, 'S', 0); /* one more does no harm */
        for (uint32_t i = 0; i < sent; i++) cr_assert_eq(exchange_received(&exchange, i % 2 ? '2' : '1', 0), EXCHANGE_FORWARD);
        cr_expect_not(exchange_is_full(&exchange));
        cr_expect_eq(exchange_received(&exchange, 'Z', 'I'), EXCHANGE_FORWARD);
        cr_expect(exchange_is_idle(&exchange));
    }
    exchange_fini(&exchange);
    cr_expect(exchange_is_idle(&exchange));
}

Test(exchange, the_ring_wraps)
{
    struct exchange exchange;
    exchange_init(&exchange);
    uint32_t owed = 0;
    for (uint32_t round = 0; round < 1000; round++) {
        for (uint32_t i = 0; i < round % 50; i++, owed++) exchange_sent(&exchange, owed % 3 ? EXCHANGE_CLIENT : EXCHANGE_OURS, 'Q', 0);
        for (uint32_t i = 0; i < round % 47 && owed > 0; i++, owed--)
            cr_assert_neq(exchange_received(&exchange, 'Z', 'I'), EXCHANGE_UNEXPECTED);
        cr_assert_eq(exchange_is_settled(&exchange), owed == 0);
    }
    exchange_fini(&exchange);
}

/* A type byte of either side that PostgreSQL does not know must not break anything. */
Test(exchange, every_type_byte)
{
    for (int type = 0; type < 256; type++) {
        struct exchange exchange;
        exchange_init(&exchange);
        exchange_sent(&exchange, EXCHANGE_CLIENT, (uint8_t)type, 'S');
        exchange_received(&exchange, (uint8_t)type, 'I');
        exchange_fini(&exchange);
    }
}
