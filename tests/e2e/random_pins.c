/*
 * State that no proxy can move to another server, in the random test: LISTEN, temporary tables, cursors WITH HOLD, session-level advisory locks, PREPARE in SQL. Made, looked
 * at and ended. One statement at a time, since a proxy may refuse it.
 */
#include "tests/e2e/random_statements.h"
#include "tests/e2e/random_steps.h"

#include <stdio.h>
#include <string.h>

static void query(struct actor *actor, const char *text)
{
    model_group_begins(&actor->model);
    stage_query_text(actor, text);
}

static void listen(struct actor *actor)
{
    char text[TEXT_SIZE];
    struct model *model = &actor->model;
    if (model->status != 'I') return;
    if (!model->is_listening) {
        query(actor, "listen news");
        expect(actor, "C:LISTEN ");
        model->is_listening = true;
    } else if (dice(actor, 2) == 0) {
        snprintf(text, sizeof text, "select count(*), min(pg_listening_channels::text) from pg_listening_channels()");
        query(actor, text);
        expect(actor, "T D:1|news C:SELECT_1 ");
    } else {
        query(actor, dice(actor, 2) == 0 ? "unlisten news" : "unlisten *");
        expect(actor, "C:UNLISTEN ");
        model->is_listening = false;
    }
}

static void temporary(struct actor *actor)
{
    char text[TEXT_SIZE];
    struct model *model = &actor->model;
    if (model->now.temporary[0] == '\0') {
        char value[VALUE_SIZE];
        new_value(actor, value);
        snprintf(text, sizeof text, "create temp table mine as select '%s'::text as v; grant all on mine to public", value);
        query(actor, text);
        expect(actor, "C:SELECT_1 C:GRANT ");
        snprintf(model->now.temporary, VALUE_SIZE, "%s", value);
    } else if (dice(actor, 2) == 0 || strcmp(model_get(model, RANDOM_IDENTITY), model->initial[RANDOM_IDENTITY]) != 0) {
        query(actor, "select v from mine");
        expect(actor, "T D:%s C:SELECT_1 ", model->now.temporary);
    } else {
        bool is_drop = dice(actor, 2) == 0;
        query(actor, is_drop ? "drop table mine" : "discard temp");
        expect(actor, "C:%s ", is_drop ? "DROP_TABLE" : "DISCARD_TEMP");
        model->now.temporary[0] = '\0';
    }
}

static void cursor(struct actor *actor)
{
    char text[TEXT_SIZE];
    struct model *model = &actor->model;
    if (model->cursor[0] == '\0') {
        if (model->status != 'I') return;
        new_value(actor, model->cursor);
        snprintf(text, sizeof text, "declare held scroll cursor with hold for select '%s' from generate_series(1, 2)", model->cursor);
        query(actor, text);
        expect(actor, "C:DECLARE_CURSOR ");
    } else if (dice(actor, 3) > 0) {
        query(actor, "fetch absolute 2 from held");
        expect(actor, "T D:%s C:FETCH_1 ", model->cursor);
    } else {
        query(actor, "close held");
        expect(actor, "C:CLOSE_CURSOR ");
        model->cursor[0] = '\0';
    }
}

static void lock(struct actor *actor)
{
    char text[TEXT_SIZE];
    struct model *model = &actor->model;
    if (dice(actor, 3) == 0) {
        query(actor, "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()");
        expect(actor, "T D:%d C:SELECT_1 ", model->has_lock);
    } else if (model->has_lock) {
        snprintf(text, sizeof text, "select pg_advisory_unlock(%d)", actor->number);
        query(actor, text);
        expect(actor, "T D:t C:SELECT_1 ");
        model->has_lock = false;
    } else {
        snprintf(text, sizeof text, "select pg_advisory_lock(%d)", actor->number);
        query(actor, text);
        expect(actor, "T D: C:SELECT_1 ");
        model->has_lock = true;
    }
}

static void prepare(struct actor *actor)
{
    int i = (int)dice(actor, UNNAMED);
    struct random_statement statement;
    char inner[TEXT_SIZE - 100], text[TEXT_SIZE];
    struct model *model = &actor->model;
    statement_invent(actor, true, &statement, inner);
    snprintf(text, sizeof text, "prepare %s as %s", statement_name(i), inner);
    query(actor, text);
    if (model->statements[i].kind != STATEMENT_NONE) {
        expect_error(actor, "42P05");
    } else {
        expect(actor, "C:PREPARE ");
        model->statements[i] = statement;
    }
}

/* None of it exists for a client that has made nothing of the kind. */
static void look(struct actor *actor)
{
    const struct model *model = &actor->model;
    query(actor, "select to_regclass('mine') is not null, (select count(*) from pg_listening_channels()),"
                 " (select count(*) from pg_cursors where name = 'held'),"
                 " (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())");
    expect(actor, "T D:%c|%d|%d|%d C:SELECT_1 ", model->now.temporary[0] ? 't' : 'f', model->is_listening, model->cursor[0] != '\0',
           model->has_lock);
}

bool step_pin(struct actor *actor)
{
    static void (*const kinds[])(struct actor *) = {listen, temporary, cursor, lock, prepare, look};
    if (actor->model.status == 'E') return true;
    struct model before = actor->model;
    kinds[dice(actor, sizeof kinds / sizeof kinds[0])](actor);
    if (actor->pattern_size == 0) return true;
    if (actor->model.status != 'E') model_group_ends(&actor->model);
    expect_ready(actor);
    return actor_settle_pin(actor, &before);
}
