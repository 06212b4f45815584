/*
 * Many clients run random sequences of messages with values that only they know, and some leave anywhere: every answer must be the client's own, and what a model
 * of PostgreSQL (random_model.h) says. The seed is printed; PGTURNSTILE_SEED repeats a run (the clients' choices, not how they meet), PGTURNSTILE_SOAK makes it long,
 * PGTURNSTILE_E2E_REFERENCE tries the model on PostgreSQL itself.
 */
#include "tests/e2e/random_steps.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sampler.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/turns.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS = 12, BUDGET = 6, RUN_MS = 5000, SOAK_MS = 300000, LONG = 20, STEPS_MIN = 500 };

const struct postgres_options e2e_postgres_options = {.settings = "log_statement = none\nlog_min_error_statement = panic\n",
                                                      .max_connections = 40};

TestSuite(random, .timeout = 400);

static atomic_bool is_over;

/* ---- steps that touch nothing; each starts outside a failed transaction ---- */

static void stage_query(struct actor *actor, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void stage_query(struct actor *actor, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    model_group_begins(&actor->model);
    stage_query_text(actor, text);
}

static void step_copy_out(struct actor *actor)
{
    char value[VALUE_SIZE];
    unsigned rows = dice(actor, LONG);
    new_value(actor, value);
    stage_query(actor, "copy (select '%s.' || i from generate_series(1, %u) i) to stdout", value, rows);
    expect(actor, "H ");
    for (unsigned i = 1; i <= rows; i++) expect(actor, "d:%s.%u ", value, i);
    expect(actor, "c C:COPY_%u ", rows);
    expect_ready(actor);
}

static void step_copy_in(struct actor *actor)
{
    struct bytes_writer *out = &actor->wire->out;
    unsigned rows = dice(actor, LONG), ending = dice(actor, 4);
    stage_query(actor, "copy target from stdin");
    for (unsigned i = 0; i < rows; i++) frontend_write_copy_data(out, "some data\n", 10);
    if (ending == 1) frontend_write_copy_data(out, "too\tmany\n", 9);
    for (unsigned i = 0; i < rows; i++) frontend_write_copy_data(out, "some data\n", 10);
    if (ending == 0)
        frontend_write_copy_fail(out, "no");
    else
        frontend_write_copy_done(out);
    if (ending <= 1) {
        expect(actor, "G ");
        expect_error(actor, ending == 0 ? "57014" : "22P04");
    } else {
        expect(actor, "G C:COPY_%u ", 2 * rows);
    }
    expect_ready(actor);
}

static void step_notice(struct actor *actor)
{
    char value[VALUE_SIZE];
    new_value(actor, value);
    stage_query(actor, "do $$ begin raise notice '%s'; end $$", value);
    expect(actor, "N:00000_%s C:DO ", value);
    expect_ready(actor);
}

static void step_empty(struct actor *actor)
{
    stage_query(actor, "%s", dice(actor, 2) == 0 ? "" : " ; -- nothing");
    expect(actor, "I ");
    expect_ready(actor);
}

static void step_portal(struct actor *actor)
{
    struct bytes_writer *out = &actor->wire->out;
    char value[VALUE_SIZE];
    const char *parameter = value;
    new_value(actor, value);
    model_group_begins(&actor->model);
    note(actor, "a portal, in two parts");
    frontend_write_parse(out, "", "select $1 || i from generate_series(1, 3) i", NULL, 0);
    frontend_write_bind(out, "", "", &parameter, 1);
    frontend_write_execute(out, "", 1);
    frontend_write_execute(out, "", 2);
    frontend_write_close(out, 'S', "");
    actor->model.statements[UNNAMED].kind = STATEMENT_NONE;
    expect(actor, "1 2 D:%s1 s D:%s2 D:%s3 s 3 ", value, value, value);
    stage_sync_message(actor);
}

/* ---- clients ---- */

typedef void step(struct actor *actor);

static step *const steps[] = {
    step_query,
    step_query,
    step_query,
    step_query,
    step_query,
    step_query,
    step_query,
    step_pipeline,
    step_pipeline,
    step_pipeline,
    step_pipeline,
    step_extended_transaction,
    step_extended_transaction,
    step_copy_out,
    step_copy_in,
    step_notice,
    step_empty,
    step_portal,
    step_discard_all,
    step_extended_discard_all,
};
static step *const steps_of_failed[] = {step_query, step_query, step_query, step_pipeline, step_extended_transaction, step_discard_all};

static void stage_step(struct actor *actor)
{
    if (actor->model.status == 'E')
        steps_of_failed[dice(actor, sizeof steps_of_failed / sizeof steps_of_failed[0])](actor);
    else
        steps[dice(actor, sizeof steps / sizeof steps[0])](actor);
    actor->steps++;
}

/* One step, or several in one write: also when a transaction ends between them. */
static bool act(struct actor *actor)
{
    if (dice(actor, 8) == 0) return step_pin(actor);
    for (unsigned left = dice(actor, 3) == 0 ? 1 + dice(actor, 4) : 1; left > 0; left--) stage_step(actor);
    /* Whoever holds a server for long lets the others wait: at some point everybody goes. */
    if (dice(actor, 30) > 0) return actor_settle(actor);
    actor_depart(actor);
    actor->pattern_size = 0;
    actor->pattern[0] = '\0';
    return actor_enter(actor);
}

static void *run_actor(void *argument)
{
    struct actor *actor = argument;
    bool is_good = actor_enter(actor);
    while (is_good && !is_over) is_good = act(actor);
    if (!is_good) is_over = true;
    wire_close(&actor->wire);
    return NULL;
}

static int steps_of(const struct actor actors[CLIENTS])
{
    int sum = 0;
    for (int i = 0; i < CLIENTS; i++) sum += actors[i].steps;
    return sum;
}

static const char setup_sql[] = "drop role if exists super, role_a, role_b;"
                                "create role super login superuser; create role role_a; create role role_b;"
                                "grant role_a, role_b to app, app2;";
static const char setup_database_sql[] =
    "drop table if exists target; create unlogged table target (t text); grant all on target to public;"
    "create or replace function change_setting(name text, value text, is_local boolean) returns text language sql"
    " as 'select pg_catalog.set_config(name, value, is_local)';";

static void set_up(void)
{
    sql_run(sql_direct(), "%s", setup_sql);
    PGconn *setup = sql_connect("host=%s port=%d user=postgres dbname=app application_name=e2e-direct", postgres_shared()->directory,
                                postgres_shared()->port);
    sql_run(setup, "%s", setup_database_sql);
    PQfinish(setup);
}

Test(random, every_answer_is_ones_own)
{
    static struct actor actors[CLIENTS];
    pthread_t threads[CLIENTS];
    const char *chosen = getenv("PGTURNSTILE_SEED");
    unsigned seed = chosen != NULL ? (unsigned)strtoul(chosen, NULL, 10) : (unsigned)time(NULL);
    int64_t end_ms = now_ms() + (getenv("PGTURNSTILE_SOAK") != NULL ? SOAK_MS : RUN_MS);
    fprintf(stderr, "PGTURNSTILE_SEED=%u\n", seed);
    set_up();
    char settings[200];
    snprintf(settings, sizeof settings,
             "budget = %d\nmax_pinned = 1\nmax_prepared_statements = 5\nlog_connections = 0\nlog_disconnections = 0\n", BUDGET);
    struct proxy *proxy = turns_proxy(settings);
    struct sampler *sampler = sampler_start(postgres_shared());
    for (int i = 0; i < CLIENTS; i++) {
        actors[i] = (struct actor){.port = turns_port(proxy), .number = i, .seed = seed + (unsigned)i * 7919u};
        cr_assert_eq(pthread_create(&threads[i], NULL, run_actor, &actors[i]), 0);
    }
    int64_t deadline_ms = end_ms + LONG_MS;
    while (!is_over && (now_ms() < end_ms || (steps_of(actors) <= STEPS_MIN && now_ms() < deadline_ms))) nap();
    is_over = true;
    int departures = 0, refusals = 0;
    for (int i = 0; i < CLIENTS; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < CLIENTS; i++) {
        cr_assert_str_empty(actors[i].why, "PGTURNSTILE_SEED=%u: %s", seed, actors[i].why);
        departures += actors[i].departures;
        refusals += actors[i].refusals;
    }
    fprintf(stderr, "%d steps, %d departures, %d refusals\n", steps_of(actors), departures, refusals);
    cr_assert_gt(steps_of(actors), STEPS_MIN);
    WAIT_FOR(backends_busy() == 0, LONG_MS);
    int peak = sampler_stop(&sampler);
    if (turns_is_reference()) return;
    cr_assert_leq(peak, BUDGET);
    proxy_finish(&proxy);
}
