/*
 * Many clients run random legal sequences of messages with values that only they know, and some leave anywhere: every answer must be
 * the client's own. The seed is printed; PGTURNSTILE_SEED repeats a run, PGTURNSTILE_SOAK makes it long.
 *
 * Each step stages messages and, beside them, the pattern of the answer (wire.h). The transaction status is followed, because the
 * answers depend on it.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sampler.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS = 12, BUDGET = 4, RUN_MS = 12000, SOAK_MS = 300000, PATTERN_SIZE = 32768, LONG = 20 };

const struct postgres_options e2e_postgres_options = {.settings = "log_statement = none\n"};

TestSuite(random, .timeout = 400);

struct actor {
    int port, number;
    unsigned seed;
    struct wire *wire;
    char status;   /* of the transaction: 'I', 'T', 'E' */
    char name[64]; /* application_name as this client has set it */
    char kept[64]; /* text that the named statement of this client returns; "": no such statement */
    int counter;   /* makes values unique */
    char pattern[PATTERN_SIZE];
    size_t pattern_size;
    int steps, departures;
    char why[1600];
};

static atomic_bool is_over;

static unsigned dice(struct actor *actor, unsigned sides)
{
    return (unsigned)rand_r(&actor->seed) % sides;
}

static void expect(struct actor *actor, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void expect(struct actor *actor, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(actor->pattern + actor->pattern_size, PATTERN_SIZE - actor->pattern_size, format, arguments);
    va_end(arguments);
    actor->pattern_size += (size_t)size;
}

/* A value that nobody else and no earlier query has. */
static const char *new_value(struct actor *actor)
{
    static _Thread_local char value[64];
    snprintf(value, sizeof value, "v%d.%d.%x", actor->number, actor->counter++, actor->seed);
    return value;
}

static void stage_text(struct actor *actor, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void stage_text(struct actor *actor, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    frontend_write_query(&actor->wire->out, text);
}

static void stage_sync(struct actor *actor)
{
    frontend_write_sync(&actor->wire->out);
    expect(actor, "Z:%c ", actor->status);
}

/* After an error outside a transaction block the status stays idle. */
static void note_error(struct actor *actor)
{
    if (actor->status == 'T') actor->status = 'E';
}

/* ---- steps; each starts outside a failed transaction ---- */

static void step_simple(struct actor *actor)
{
    const char *value = new_value(actor);
    stage_text(actor, "select '%s'", value);
    expect(actor, "T D:%s C:SELECT_1 Z:%c ", value, actor->status);
}

static void step_two_statements(struct actor *actor)
{
    const char *value = new_value(actor);
    stage_text(actor, "select '%s.a'; select '%s.b'", value, value);
    expect(actor, "T D:%s.a C:SELECT_1 T D:%s.b C:SELECT_1 Z:%c ", value, value, actor->status);
}

static void step_error(struct actor *actor)
{
    const char *value = new_value(actor);
    stage_text(actor, "select '%s'; select '%s'::int", value, value);
    note_error(actor);
    expect(actor, "T D:%s C:SELECT_1 E:22P02 Z:%c ", value, actor->status);
}

static void step_begin(struct actor *actor)
{
    stage_text(actor, "begin");
    if (actor->status == 'T') expect(actor, "N:25001 ");
    actor->status = 'T';
    expect(actor, "C:BEGIN Z:T ");
}

static void step_end(struct actor *actor)
{
    bool is_commit = dice(actor, 2) == 0;
    stage_text(actor, is_commit ? "commit" : "rollback");
    if (actor->status == 'I') expect(actor, "N:25P01 ");
    expect(actor, "C:%s Z:I ", is_commit && actor->status != 'E' ? "COMMIT" : "ROLLBACK");
    actor->status = 'I';
}

static void stage_extended(struct actor *actor, const char *value)
{
    struct bytes_writer *out = &actor->wire->out;
    frontend_write_parse(out, "", "select $1", NULL, 0);
    frontend_write_bind(out, "", "", &value, 1);
    bool is_described = dice(actor, 3) == 0;
    if (is_described) frontend_write_describe(out, 'P', "");
    frontend_write_execute(out, "", 0);
    expect(actor, "1 2 %sD:%s C:SELECT_1 ", is_described ? "T " : "", value);
}

static void step_extended(struct actor *actor)
{
    stage_extended(actor, new_value(actor));
    stage_sync(actor);
}

static void step_flush(struct actor *actor)
{
    stage_extended(actor, new_value(actor));
    frontend_write_flush(&actor->wire->out);
    if (dice(actor, 2) == 0) stage_extended(actor, new_value(actor));
    stage_sync(actor);
}

/* Many exchanges in one write, with errors that skip to the next Sync. */
static void step_pipeline(struct actor *actor)
{
    bool is_skipping = false;
    for (unsigned left = 1 + dice(actor, LONG); left > 0; left--) {
        size_t size = actor->pattern_size;
        if (dice(actor, 8) == 0) {
            const char *value = new_value(actor);
            frontend_write_parse(&actor->wire->out, "", "select $1::int", NULL, 0);
            frontend_write_bind(&actor->wire->out, "", "", &value, 1);
            frontend_write_execute(&actor->wire->out, "", 0);
            expect(actor, "1 E:22P02 ");
            if (is_skipping)
                actor->pattern_size = size;
            else
                note_error(actor);
            is_skipping = true;
        } else {
            stage_extended(actor, new_value(actor));
            if (is_skipping) actor->pattern_size = size;
        }
        actor->pattern[actor->pattern_size] = '\0';
        if (left > 1 && dice(actor, 3) != 0) continue;
        stage_sync(actor);
        is_skipping = false;
        if (actor->status == 'E') return;
    }
}

static void step_portal(struct actor *actor)
{
    struct bytes_writer *out = &actor->wire->out;
    const char *value = new_value(actor);
    frontend_write_parse(out, "", "select $1 || i from generate_series(1, 3) i", NULL, 0);
    frontend_write_bind(out, "", "", &value, 1);
    frontend_write_execute(out, "", 1);
    frontend_write_execute(out, "", 2);
    expect(actor, "1 2 D:%s1 s D:%s2 D:%s3 s ", value, value, value);
    stage_sync(actor);
}

static void step_named(struct actor *actor)
{
    struct bytes_writer *out = &actor->wire->out;
    if (actor->kept[0] == '\0') {
        char text[100];
        snprintf(actor->kept, sizeof actor->kept, "%s", new_value(actor));
        snprintf(text, sizeof text, "select '%s'", actor->kept);
        frontend_write_parse(out, "kept", text, NULL, 0);
        expect(actor, "1 ");
    } else if (dice(actor, 3) == 0) {
        frontend_write_close(out, 'S', "kept");
        actor->kept[0] = '\0';
        expect(actor, "3 ");
    }
    if (actor->kept[0] != '\0') {
        frontend_write_bind(out, "", "kept", NULL, 0);
        frontend_write_execute(out, "", 0);
        expect(actor, "2 D:%s C:SELECT_1 ", actor->kept);
    }
    stage_sync(actor);
}

static void step_copy_out(struct actor *actor)
{
    const char *value = new_value(actor);
    unsigned rows = dice(actor, LONG);
    stage_text(actor, "copy (select '%s.' || i from generate_series(1, %u) i) to stdout", value, rows);
    expect(actor, "H ");
    for (unsigned i = 1; i <= rows; i++) expect(actor, "d:%s.%u ", value, i);
    expect(actor, "c C:COPY_%u Z:%c ", rows, actor->status);
}

static void step_copy_in(struct actor *actor)
{
    struct bytes_writer *out = &actor->wire->out;
    unsigned rows = dice(actor, LONG), ending = dice(actor, 4);
    stage_text(actor, "copy target from stdin");
    for (unsigned i = 0; i < rows; i++) frontend_write_copy_data(out, "some data\n", 10);
    if (ending == 1) frontend_write_copy_data(out, "too\tmany\n", 9);
    for (unsigned i = 0; i < rows; i++) frontend_write_copy_data(out, "some data\n", 10);
    if (ending == 0)
        frontend_write_copy_fail(out, "no");
    else
        frontend_write_copy_done(out);
    if (ending <= 1) {
        note_error(actor);
        expect(actor, "G E:%s Z:%c ", ending == 0 ? "57014" : "22P04", actor->status);
    } else {
        expect(actor, "G C:COPY_%u Z:%c ", 2 * rows, actor->status);
    }
}

static void step_notice(struct actor *actor)
{
    const char *value = new_value(actor);
    stage_text(actor, "do $$ begin raise notice '%s'; end $$", value);
    expect(actor, "N:00000_%s C:DO Z:%c ", value, actor->status);
}

/* Settings are followed outside transactions only: a rollback would take them back. */
static void step_setting(struct actor *actor)
{
    if (actor->status == 'I' && dice(actor, 2) == 0) {
        snprintf(actor->name, sizeof actor->name, "%s", new_value(actor));
        stage_text(actor, "set application_name = '%s'", actor->name);
        expect(actor, "C:SET S:application_name Z:I ");
    }
    stage_text(actor, "select '[' || current_setting('application_name') || ']'");
    expect(actor, "T D:[%s] C:SELECT_1 Z:%c ", actor->name, actor->status);
}

static void step_empty(struct actor *actor)
{
    stage_text(actor, "%s", "");
    expect(actor, "I Z:%c ", actor->status);
}

typedef void step(struct actor *actor);

static step *const steps[] = {
    step_simple,   step_simple,   step_two_statements, step_error, step_begin,    step_end,     step_end,    step_extended, step_flush,
    step_pipeline, step_pipeline, step_portal,         step_named, step_copy_out, step_copy_in, step_notice, step_setting,  step_empty,
};

/* ---- clients ---- */

static bool enter(struct actor *actor)
{
    actor->status = 'I';
    actor->name[0] = actor->kept[0] = '\0';
    actor->wire = wire_try_connect(actor->port);
    if (actor->wire != NULL && wire_try_login(actor->wire, actor->number % 4 == 0 ? "app2" : "app", "app")) return true;
    snprintf(actor->why, sizeof actor->why, "no login");
    return false;
}

/* Leave with the step sent in part, in whole and unread, or half read. */
static void depart(struct actor *actor)
{
    struct wire *wire = actor->wire;
    struct wire_message message;
    size_t size = wire->out.size;
    if (size > 0 && dice(actor, 2) == 0) size = dice(actor, (unsigned)size);
    wire->out.size = 0;
    wire_send(wire, wire->out.data, size);
    for (unsigned reads = dice(actor, 4); reads > 0 && wire_try_receive(wire, 5, &message); reads--) {
    }
    if (dice(actor, 2) == 0)
        wire_close(&actor->wire);
    else
        wire_abort(&actor->wire);
    actor->departures++;
}

/* One step, or several in one write: also when a transaction ends between them. */
static bool act(struct actor *actor)
{
    char why[1024];
    actor->pattern_size = 0;
    actor->pattern[0] = '\0';
    for (unsigned left = dice(actor, 3) == 0 ? 1 + dice(actor, 4) : 1; left > 0; left--) {
        if (actor->status == 'E')
            step_end(actor);
        else
            steps[dice(actor, sizeof steps / sizeof *steps)](actor);
        actor->steps++;
    }
    /* Whoever holds a server for long lets the others wait: at some point everybody goes. */
    if (dice(actor, 30) == 0) {
        depart(actor);
        return enter(actor);
    }
    if (wire_flush(actor->wire) && wire_match(actor->wire, actor->pattern, why, sizeof why)) return true;
    snprintf(actor->why, sizeof actor->why, "client %d, step %d: %s\nof: %.400s", actor->number, actor->steps, why, actor->pattern);
    return false;
}

static void *run_actor(void *argument)
{
    struct actor *actor = argument;
    bool is_good = enter(actor);
    while (is_good && !is_over) is_good = act(actor);
    if (!is_good) is_over = true;
    wire_close(&actor->wire);
    return NULL;
}

Test(random, every_answer_is_ones_own)
{
    static struct actor actors[CLIENTS];
    pthread_t threads[CLIENTS];
    const char *chosen = getenv("PGTURNSTILE_SEED");
    unsigned seed = chosen != NULL ? (unsigned)strtoul(chosen, NULL, 10) : (unsigned)time(NULL);
    int64_t end_ms = now_ms() + (getenv("PGTURNSTILE_SOAK") != NULL ? SOAK_MS : RUN_MS);
    fprintf(stderr, "PGTURNSTILE_SEED=%u\n", seed);
    sql_run(sql_direct(), "drop table if exists target");
    PGconn *setup = sql_connect("host=%s port=%d user=postgres dbname=app application_name=e2e-direct", postgres_shared()->directory,
                                postgres_shared()->port);
    sql_run(setup, "drop table if exists target; create unlogged table target (t text); grant all on target to public");
    PQfinish(setup);
    struct proxy *proxy = proxy_start("budget = %d\nlog_connections = 0\nlog_disconnections = 0\n", BUDGET);
    struct sampler *sampler = sampler_start(postgres_shared());
    for (int i = 0; i < CLIENTS; i++) {
        actors[i] = (struct actor){.port = proxy->port, .number = i, .seed = seed + (unsigned)i * 7919u};
        cr_assert_eq(pthread_create(&threads[i], NULL, run_actor, &actors[i]), 0);
    }
    while (!is_over && now_ms() < end_ms) nap();
    is_over = true;
    int total = 0, departures = 0;
    for (int i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < CLIENTS; i++) {
        cr_assert_str_empty(actors[i].why, "PGTURNSTILE_SEED=%u: %s", seed, actors[i].why);
        total += actors[i].steps;
        departures += actors[i].departures;
    }
    cr_log_info("%d steps, %d departures", total, departures);
    cr_assert_gt(total, 500);
    WAIT_FOR(backends_busy() == 0, 10000);
    cr_assert_leq(sampler_stop(&sampler), BUDGET);
    proxy_finish(&proxy);
}
