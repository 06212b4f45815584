/*
 * The extended protocol in the random test: statements under names that all clients use, made, run, described and closed in any order and behind errors.
 * Invariant: a message is staged always, and its answer and effect only while the server is not skipping to the next Sync.
 */
#include "tests/e2e/random_statements.h"
#include "tests/e2e/random_steps.h"

#include <stdio.h>
#include <string.h>

enum { PIPELINE_LENGTH = 14 };

static void fail(struct actor *actor, const char *sqlstate)
{
    expect_error(actor, sqlstate);
    actor->is_skipping = true;
}

static bool is_failed(const struct actor *actor)
{
    return actor->model.status == 'E';
}

/* ---- one message each ---- */

static void parse_text(struct actor *actor, int i, const struct random_statement *statement, const char *text)
{
    struct random_statement *mine = &actor->model.statements[i];
    note(actor, "Parse \"%s\" %s%s", statement_name(i), text, actor->is_skipping ? " (skipped)" : "");
    frontend_write_parse(&actor->wire->out, statement_name(i), text, NULL, 0);
    if (actor->is_skipping) return;
    /* The former unnamed statement is gone even when this one is refused. */
    if (i == UNNAMED) mine->kind = STATEMENT_NONE;
    if (is_failed(actor)) {
        fail(actor, "25P02");
    } else if (mine->kind != STATEMENT_NONE) {
        fail(actor, "42P05");
    } else {
        expect(actor, "1 ");
        *mine = *statement;
    }
}

static void parse(struct actor *actor, int i)
{
    struct random_statement statement;
    char text[TEXT_SIZE];
    statement_invent(actor, false, &statement, text);
    parse_text(actor, i, &statement, text);
}

static void parse_wrong(struct actor *actor, int i)
{
    note(actor, "Parse \"%s\" selectt%s", statement_name(i), actor->is_skipping ? " (skipped)" : "");
    frontend_write_parse(&actor->wire->out, statement_name(i), "selectt", NULL, 0);
    if (actor->is_skipping) return;
    if (i == UNNAMED) actor->model.statements[i].kind = STATEMENT_NONE;
    fail(actor, "42601");
}

static void close_statement(struct actor *actor, int i)
{
    note(actor, "Close \"%s\"%s", statement_name(i), actor->is_skipping ? " (skipped)" : "");
    frontend_write_close(&actor->wire->out, 'S', statement_name(i));
    if (actor->is_skipping) return;
    expect(actor, "3 ");
    actor->model.statements[i].kind = STATEMENT_NONE;
}

static void describe(struct actor *actor, int i)
{
    const struct random_statement *statement = &actor->model.statements[i];
    note(actor, "Describe \"%s\"%s", statement_name(i), actor->is_skipping ? " (skipped)" : "");
    frontend_write_describe(&actor->wire->out, 'S', statement_name(i));
    if (actor->is_skipping) return;
    if (statement->kind == STATEMENT_NONE)
        fail(actor, "26000");
    else if (is_failed(actor) && statement->kind != STATEMENT_SET)
        fail(actor, "25P02");
    else
        expect(actor, "t %s ", statement->kind == STATEMENT_SET ? "n" : "T");
}

static void run(struct actor *actor, int i)
{
    const struct random_statement *statement = &actor->model.statements[i];
    bool takes_parameter = statement_takes_parameter(statement->kind), is_described = dice(actor, 4) == 0;
    char value[VALUE_SIZE] = "";
    const char *parameter = value;
    struct bytes_writer *out = &actor->wire->out;
    if (takes_parameter) statement_new_parameter(actor, statement, value);
    note(actor, "Bind \"%s\" (%s)%s, Execute%s", statement_name(i), value, is_described ? ", Describe" : "",
         actor->is_skipping ? " (skipped)" : "");
    frontend_write_bind(out, "", statement_name(i), takes_parameter ? &parameter : NULL, takes_parameter);
    if (is_described) frontend_write_describe(out, 'P', "");
    frontend_write_execute(out, "", 0);
    if (actor->is_skipping) return;
    if (statement->kind == STATEMENT_NONE) {
        fail(actor, "26000");
    } else if (is_failed(actor)) {
        fail(actor, "25P02");
    } else if (!statement_accepts(statement, value)) {
        fail(actor, "22P02");
    } else {
        expect(actor, "2 ");
        statement_run(actor, statement, value, is_described);
    }
}

/* What transactions are made of: through the unnamed statement, which is closed again, so that it is not run a second time. */
static void run_text(struct actor *actor, const char *text, const char *tag)
{
    struct bytes_writer *out = &actor->wire->out;
    note(actor, "Parse \"\" %s, Bind, Execute%s", text, actor->is_skipping ? " (skipped)" : "");
    frontend_write_parse(out, "", text, NULL, 0);
    frontend_write_bind(out, "", "", NULL, 0);
    frontend_write_execute(out, "", 0);
    if (!actor->is_skipping) expect(actor, "1 2 C:%s ", tag);
    close_statement(actor, UNNAMED);
}

/* ---- pipelines ---- */

static int some_name(struct actor *actor)
{
    return (int)dice(actor, STATEMENTS);
}

/* One that exists, if there is any. */
static int some_statement(struct actor *actor)
{
    int first = some_name(actor);
    for (int i = 0; i < STATEMENTS; i++) {
        int at = (first + i) % STATEMENTS;
        if (actor->model.statements[at].kind != STATEMENT_NONE) return at;
    }
    return first;
}

static int some_free_name(struct actor *actor)
{
    int first = some_name(actor);
    for (int i = 0; i < STATEMENTS; i++) {
        int at = (first + i) % STATEMENTS;
        if (at == UNNAMED || actor->model.statements[at].kind == STATEMENT_NONE) return at;
    }
    return first;
}

static void stage_one(struct actor *actor)
{
    unsigned side = dice(actor, 24);
    int any = some_name(actor), existing = some_statement(actor), fresh = some_free_name(actor);
    if (side < 6)
        parse(actor, fresh);
    else if (side < 7)
        parse(actor, any);
    else if (side < 8)
        parse_wrong(actor, fresh);
    else if (side < 10)
        close_statement(actor, any);
    else if (side < 12 && (!is_failed(actor) || is_reference()))
        describe(actor, existing);
    else if (side < 13)
        run(actor, any);
    else if (side < 14)
        frontend_write_flush(&actor->wire->out);
    else
        run(actor, existing);
}

void step_pipeline(struct actor *actor)
{
    model_group_begins(&actor->model);
    for (unsigned left = 1 + dice(actor, PIPELINE_LENGTH); left > 0; left--) {
        stage_one(actor);
        if (left == 1 || dice(actor, 4) > 0) continue;
        stage_sync_message(actor);
    }
    stage_sync_message(actor);
}

static void maybe_sync(struct actor *actor)
{
    if (dice(actor, 3) == 0) stage_sync_message(actor);
}

void step_extended_transaction(struct actor *actor)
{
    struct model *model = &actor->model;
    model_group_begins(model);
    if (model->status == 'I') {
        run_text(actor, "begin", "BEGIN");
        model_begins(model);
        maybe_sync(actor);
    }
    for (unsigned left = dice(actor, 5); left > 0; left--) {
        stage_one(actor);
        maybe_sync(actor);
    }
    /* Behind an error it must come after the Sync, or would be skipped. */
    if (actor->is_skipping) stage_sync_message(actor);
    if (dice(actor, 4) > 0) {
        bool is_commit = dice(actor, 2) == 0, was_failed = is_failed(actor);
        run_text(actor, is_commit ? "commit" : "rollback", is_commit && !was_failed ? "COMMIT" : "ROLLBACK");
        model_ends(model, is_commit);
    }
    stage_sync_message(actor);
}

void step_extended_discard_all(struct actor *actor)
{
    struct model *model = &actor->model;
    if (model->status != 'I') {
        step_pipeline(actor);
        return;
    }
    model_group_begins(model);
    run_text(actor, "discard all", "DISCARD_ALL");
    model_discards_all(model);
    if (dice(actor, 2) == 0 || (actor->brings_settings && !is_reference())) stage_sync_message(actor);
    for (unsigned left = dice(actor, 4); left > 0; left--) stage_one(actor);
    stage_sync_message(actor);
}
