/*
 * Query strings of the random test: some statements each, of which one may fail and take the rest with it. Invariant: an operation appends its SQL always, and
 * its answer and effect only while nothing before it in the string has failed.
 */
#include "tests/e2e/random_statements.h"
#include "tests/e2e/random_steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct query {
    char text[8 * TEXT_SIZE];
    int count;       /* statements */
    bool is_single;  /* there is one statement only */
    bool has_ended;  /* nothing may follow */
    bool was_failed; /* the transaction, at some point of the string */
};

static void add(struct query *query, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct query *query, const char *format, ...)
{
    size_t used = strlen(query->text);
    if (query->count++ > 0) used += (size_t)snprintf(query->text + used, sizeof query->text - used, "; ");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(query->text + used, sizeof query->text - used, format, arguments);
    va_end(arguments);
}

static void fail(struct actor *actor, const char *sqlstate)
{
    if (actor->has_failed) return;
    actor->has_failed = true;
    expect_error(actor, actor->model.status == 'E' ? "25P02" : sqlstate);
}

/* The operation at hand is carried out. In a failed transaction none is. */
static bool goes_on(struct actor *actor)
{
    if (actor->model.status == 'E') fail(actor, "25P02");
    return !actor->has_failed;
}

typedef void operation(struct actor *actor, struct query *query);

/* ---- values and errors ---- */

static void do_select(struct actor *actor, struct query *query)
{
    char value[VALUE_SIZE];
    new_value(actor, value);
    add(query, "select '%s'", value);
    if (goes_on(actor)) expect(actor, "T D:%s C:SELECT_1 ", value);
}

static void do_error(struct actor *actor, struct query *query)
{
    static const struct {
        const char *text, *sqlstate;
    } errors[] = {
        {"select 1/0", "22012"},           {"select missing", "42703"},  {"set role nologin_role", "42501"},
        {"set work_mem = '1kB'", "22023"}, {"execute missing", "26000"}, {"deallocate missing", "26000"},
        {"set missing = 1", "42704"},
    };
    unsigned i = dice(actor, sizeof errors / sizeof errors[0]);
    /* A superuser may become anybody. */
    if (actor->model.is_superuser && i == 2) i = 0;
    add(query, "%s", errors[i].text);
    fail(actor, errors[i].sqlstate);
}

/* ---- settings ---- */

static void read_one(struct actor *actor, struct query *query)
{
    enum random_setting setting = (enum random_setting)dice(actor, RANDOM_SETTINGS);
    add(query, "select coalesce(current_setting('%s', true), '')", random_setting_name(&actor->model, setting));
    if (!goes_on(actor)) return;
    expect(actor, "T ");
    expect_row(actor, model_get(&actor->model, setting));
    expect(actor, "C:SELECT_1 ");
}

static void read_all(struct actor *actor, struct query *query)
{
    char columns[TEXT_SIZE] = "", row[TEXT_SIZE] = "";
    for (int i = 0; i < RANDOM_SETTINGS; i++) {
        const char *name = random_setting_name(&actor->model, (enum random_setting)i);
        snprintf(columns + strlen(columns), sizeof columns - strlen(columns), "%scoalesce(current_setting('%s', true), '')",
                 i > 0 ? ", " : "", name);
        snprintf(row + strlen(row), sizeof row - strlen(row), "%s%s", i > 0 ? "|" : "", model_get(&actor->model, (enum random_setting)i));
    }
    add(query, "select %s", columns);
    if (!goes_on(actor)) return;
    expect(actor, "T ");
    expect_row(actor, row);
    expect(actor, "C:SELECT_1 ");
}

static void read_identity(struct actor *actor, struct query *query)
{
    const char *identity = model_get(&actor->model, RANDOM_IDENTITY);
    const char *current = strcmp(identity, "none") == 0 ? actor->model.user : identity;
    add(query, "select current_user, session_user");
    if (goes_on(actor)) expect(actor, "T D:%s|%s C:SELECT_1 ", current, actor->model.is_superuser ? identity : actor->model.user);
}

static void do_read(struct actor *actor, struct query *query)
{
    unsigned side = dice(actor, 4);
    if (side == 0)
        read_all(actor, query);
    else if (side == 1)
        read_identity(actor, query);
    else
        read_one(actor, query);
}

/* SET or SET LOCAL, in one of its spellings. */
static void set_by_statement(struct actor *actor, struct query *query, enum random_setting setting, const char *value, bool is_local)
{
    const char *name = random_setting_name(&actor->model, setting), *scope = is_local ? "local " : dice(actor, 4) == 0 ? "session " : "";
    char quoted[2 * VALUE_SIZE];
    quote(value, quoted);
    if (random_setting_sort(setting) == SORT_PATH)
        add(query, "set %s%s to %s", scope, name, value);
    else if (setting == RANDOM_IDENTITY && dice(actor, 2) == 0)
        add(query, "set %s%s %s", scope, actor->model.is_superuser ? "session authorization" : "role", value);
    else if (setting == RANDOM_TIMEZONE && dice(actor, 2) == 0)
        add(query, "set %stime zone %s", scope, quoted);
    else
        add(query, "set %s%s %s %s", scope, name, dice(actor, 2) == 0 ? "=" : "to", quoted);
    if (!goes_on(actor)) return;
    bool is_idle = actor->model.status == 'I' && query->is_single;
    if (is_local && is_idle) expect(actor, "N:25P01 ");
    expect(actor, "C:SET ");
}

static void set_by_function(struct actor *actor, struct query *query, enum random_setting setting, const char *value, bool is_local)
{
    const char *name = random_setting_name(&actor->model, setting), *locality = is_local ? "true" : "false";
    char quoted[2 * VALUE_SIZE];
    quote(value, quoted);
    unsigned side = dice(actor, 4);
    if (side == 0)
        add(query, "do $do$ begin perform set_config('%s', %s, %s); end $do$", name, quoted, locality);
    else if (side == 1)
        add(query, "select change_setting('%s', %s, %s)", name, quoted, locality);
    else
        add(query, "select pg_catalog.set_config('%s', %s, %s)", name, quoted, locality);
    if (!goes_on(actor)) return;
    if (side == 0) {
        expect(actor, "C:DO ");
        return;
    }
    expect(actor, "T ");
    expect_row(actor, value);
    expect(actor, "C:SELECT_1 ");
}

static void do_set(struct actor *actor, struct query *query)
{
    enum random_setting setting = (enum random_setting)dice(actor, RANDOM_SETTINGS);
    char value[VALUE_SIZE];
    new_setting_value(actor, setting, value);
    bool is_local = dice(actor, 3) == 0;
    if (dice(actor, 3) == 0)
        set_by_function(actor, query, setting, value, is_local);
    else
        set_by_statement(actor, query, setting, value, is_local);
    if (!goes_on(actor)) return;
    if (is_local)
        model_set_local(&actor->model, setting, value);
    else
        model_set(&actor->model, setting, value);
}

static bool has_locals(const struct model *model)
{
    for (int i = 0; i < RANDOM_SETTINGS; i++)
        if (model->now.settings[i].is_local) return true;
    return false;
}

static void do_reset(struct actor *actor, struct query *query)
{
    struct model *model = &actor->model;
    enum random_setting setting = (enum random_setting)dice(actor, RANDOM_SETTINGS);
    bool is_all = dice(actor, 4) == 0 && !has_locals(model), is_set = false;
    if (is_all)
        add(query, "reset all");
    else if (setting == RANDOM_IDENTITY)
        add(query, "reset %s", model->is_superuser ? "session authorization" : "role");
    else if ((is_set = dice(actor, 3) == 0))
        add(query, "set %s to default", random_setting_name(model, setting));
    else
        add(query, "reset %s", random_setting_name(model, setting));
    if (!goes_on(actor)) return;
    expect(actor, "C:%s ", is_set ? "SET" : "RESET");
    if (is_all)
        model_reset_all(model);
    else
        model_reset(model, setting);
}

/* ---- prepared statements ---- */

static void do_execute(struct actor *actor, struct query *query)
{
    int i = (int)dice(actor, UNNAMED);
    if (query->was_failed && !is_reference()) return;
    const struct random_statement *statement = &actor->model.statements[i];
    char parameter[VALUE_SIZE] = "", quoted[2 * VALUE_SIZE];
    if (!statement_takes_parameter(statement->kind)) {
        add(query, "execute %s", statement_name(i));
    } else {
        statement_new_parameter(actor, statement, parameter);
        quote(parameter, quoted);
        add(query, "execute %s(%s)", statement_name(i), quoted);
    }
    if (!goes_on(actor)) return;
    if (statement->kind == STATEMENT_NONE)
        fail(actor, "26000");
    else if (!statement_accepts(statement, parameter))
        fail(actor, "22P02");
    else
        statement_run(actor, statement, parameter, statement->kind != STATEMENT_SET);
}

static void do_deallocate(struct actor *actor, struct query *query)
{
    bool is_all = dice(actor, 4) == 0;
    int i = (int)dice(actor, UNNAMED);
    add(query, "deallocate %s%s", dice(actor, 2) == 0 ? "prepare " : "", is_all ? "all" : statement_name(i));
    if (!goes_on(actor)) return;
    if (is_all) {
        expect(actor, "C:DEALLOCATE_ALL ");
        model_deallocates_all(&actor->model);
    } else if (actor->model.statements[i].kind == STATEMENT_NONE) {
        fail(actor, "26000");
    } else {
        expect(actor, "C:DEALLOCATE ");
        actor->model.statements[i].kind = STATEMENT_NONE;
    }
}

/* ---- transactions ---- */

/* Where savepoints may be set and gone back to; also in a failed transaction. */
static void do_savepoint(struct actor *actor, struct query *query)
{
    struct model *model = &actor->model;
    bool is_failed = model->status == 'E';
    query->was_failed |= is_failed;
    if (actor->has_failed || (model->status == 'I') || (is_failed && model->depth == 0)) return;
    int savepoint = model->depth > 0 ? (int)dice(actor, (unsigned)model->depth) : 0;
    if (!is_failed && model->depth < SAVEPOINTS && (model->depth == 0 || dice(actor, 2) == 0)) {
        add(query, "savepoint sp%d", model->depth);
        expect(actor, "C:SAVEPOINT ");
        model_saves(model);
    } else if (is_failed || dice(actor, 3) > 0) {
        add(query, "rollback to sp%d", savepoint);
        expect(actor, "C:ROLLBACK ");
        model_rolls_back_to(model, savepoint);
    } else {
        add(query, "release sp%d", savepoint);
        expect(actor, "C:RELEASE ");
        model_releases(model, savepoint);
    }
}

/* BEGIN, only as the first statement; COMMIT or ROLLBACK, only as the last one. */
static void do_transaction(struct actor *actor, struct query *query)
{
    struct model *model = &actor->model;
    if (actor->has_failed) return;
    if (model->status == 'I' && dice(actor, 8) > 0) {
        if (query->count > 0) return;
        add(query, "begin");
        expect(actor, "C:BEGIN ");
        model_begins(model);
        return;
    }
    if (model->status == 'I' && query->count > 0) return;
    bool is_commit = dice(actor, 2) == 0;
    add(query, "%s", is_commit ? "commit" : "rollback");
    if (model->status == 'I') expect(actor, "N:25P01 ");
    /* Outside a transaction block both say what they are. */
    bool is_idle = model->status == 'I';
    bool is_committed = model_ends(model, is_commit);
    expect(actor, "C:%s ", is_committed || (is_idle && is_commit) ? "COMMIT" : "ROLLBACK");
    query->has_ended = true;
}

static operation *const operations[] = {do_select,    do_select,      do_error,       do_read,       do_read,
                                        do_read,      do_set,         do_set,         do_set,        do_reset,
                                        do_execute,   do_execute,     do_deallocate,  do_savepoint,  do_savepoint,
                                        do_savepoint, do_transaction, do_transaction, do_transaction};

void step_query(struct actor *actor)
{
    struct query query = {.is_single = dice(actor, 3) > 0};
    actor->has_failed = false;
    actor->model.statements[UNNAMED].kind = STATEMENT_NONE;
    model_group_begins(&actor->model);
    int wanted = query.is_single ? 1 : 2 + (int)dice(actor, 3);
    for (int tries = 0; query.count < wanted && !query.has_ended && tries < 20; tries++) {
        if (actor->model.status == 'E' && !actor->has_failed && dice(actor, 2) == 0)
            (dice(actor, 2) == 0 ? do_savepoint : do_transaction)(actor, &query);
        else
            operations[dice(actor, sizeof operations / sizeof operations[0])](actor, &query);
    }
    if (!query.is_single && query.count == 1 && !query.has_ended) do_select(actor, &query);
    stage_query_text(actor, query.text);
    if (query.count == 0) expect(actor, "I ");
    if (!actor->has_failed) model_group_ends(&actor->model);
    expect_ready(actor);
}

void step_discard_all(struct actor *actor)
{
    actor->has_failed = false;
    model_group_begins(&actor->model);
    stage_query_text(actor, dice(actor, 2) == 0 ? "discard all" : "DISCARD /* everything */ ALL;");
    if (actor->model.status != 'I') {
        fail(actor, "25001");
    } else {
        expect(actor, "C:DISCARD_ALL ");
        model_discards_all(&actor->model);
    }
    expect_ready(actor);
}
