/* Kinds of prepared statements. Not for: the messages around them. */
#include "tests/e2e/random_statements.h"

#include <stdio.h>
#include <string.h>

const char *statement_name(int i)
{
    static const char *const names[STATEMENTS] = {"s0", "s1", "s2", "s3", ""};
    return names[i];
}

static void write_text(struct actor *actor, bool is_sql, const struct random_statement *statement, char *text_out)
{
    const char *setting = random_setting_name(&actor->model, statement->setting), *type = is_sql ? "::text" : "";
    char quoted[2 * VALUE_SIZE];
    quote(statement->value, quoted);
    switch (statement->kind) {
    case STATEMENT_NONE: *text_out = '\0'; return;
    case STATEMENT_CONSTANT: snprintf(text_out, TEXT_SIZE, "select %s", quoted); return;
    case STATEMENT_PARAMETER: snprintf(text_out, TEXT_SIZE, "select %s || '.' || $1%s", quoted, type); return;
    case STATEMENT_SHARED: snprintf(text_out, TEXT_SIZE, "select $1%s /* %s */", type, statement->value); return;
    case STATEMENT_CAST: snprintf(text_out, TEXT_SIZE, "select $1::int"); return;
    case STATEMENT_READ: snprintf(text_out, TEXT_SIZE, "select coalesce(current_setting('%s', true), '')", setting); return;
    case STATEMENT_WRITE: snprintf(text_out, TEXT_SIZE, "select set_config('%s', $1, false)", setting); return;
    case STATEMENT_SET: snprintf(text_out, TEXT_SIZE, "set %s = %s", setting, quoted); return;
    case STATEMENT_DATE: snprintf(text_out, TEXT_SIZE, "select to_char('01/02/2020'::date, 'YYYY-MM-DD')"); return;
    }
}

void statement_invent(struct actor *actor, bool is_sql, struct random_statement *statement_out, char *text_out)
{
    *statement_out = (struct random_statement){.kind = (enum statement_kind)(1 + dice(actor, STATEMENT_KINDS)),
                                               .setting = (enum random_setting)dice(actor, RANDOM_SETTINGS),
                                               .is_day_first = model_is_day_first(&actor->model),
                                               .is_sql = is_sql};
    bool is_list = random_setting_sort(statement_out->setting) == SORT_PATH;
    if (statement_out->kind == STATEMENT_SET && (is_sql || is_list)) statement_out->kind = STATEMENT_CONSTANT;
    if (statement_out->kind == STATEMENT_SET)
        new_setting_value(actor, statement_out->setting, statement_out->value);
    else
        new_value(actor, statement_out->value);
    write_text(actor, is_sql, statement_out, text_out);
}

bool statement_takes_parameter(enum statement_kind kind)
{
    return kind == STATEMENT_PARAMETER || kind == STATEMENT_SHARED || kind == STATEMENT_CAST || kind == STATEMENT_WRITE;
}

void statement_new_parameter(struct actor *actor, const struct random_statement *statement, char *value_out)
{
    if (statement->kind == STATEMENT_WRITE)
        new_setting_value(actor, statement->setting, value_out);
    else if (statement->kind == STATEMENT_CAST && dice(actor, 2) == 0)
        snprintf(value_out, VALUE_SIZE, "%d", actor->number * 100000 + actor->counter++);
    else
        new_value(actor, value_out);
}

bool statement_accepts(const struct random_statement *statement, const char *parameter)
{
    return statement->kind != STATEMENT_CAST || parameter[0] != 'v';
}

void statement_run(struct actor *actor, const struct random_statement *statement, const char *parameter, bool is_described)
{
    struct model *model = &actor->model;
    if (statement->kind == STATEMENT_SET) {
        if (is_described) expect(actor, "n ");
        expect(actor, "C:SET ");
        model_set(model, statement->setting, statement->value);
        return;
    }
    char row[2 * VALUE_SIZE + 2];
    bool is_certain;
    switch (statement->kind) {
    case STATEMENT_NONE:
    case STATEMENT_SET: return;
    case STATEMENT_CONSTANT: snprintf(row, sizeof row, "%s", statement->value); break;
    case STATEMENT_PARAMETER: snprintf(row, sizeof row, "%s.%s", statement->value, parameter); break;
    case STATEMENT_SHARED:
    case STATEMENT_CAST:
    case STATEMENT_WRITE: snprintf(row, sizeof row, "%s", parameter); break;
    case STATEMENT_READ: snprintf(row, sizeof row, "%s", model_get(model, statement->setting)); break;
    case STATEMENT_DATE:
        /* A server that has not seen it before reads it with the DateStyle that is in force then. */
        is_certain = is_reference() && statement->is_day_first == model_is_day_first(model);
        snprintf(row, sizeof row, "%s", !is_certain ? "2020-0 -0 " : statement->is_day_first ? "2020-02-01" : "2020-01-02");
        break;
    }
    if (statement->kind == STATEMENT_WRITE) model_set(model, statement->setting, parameter);
    if (is_described) expect(actor, "T ");
    expect_row(actor, row);
    expect(actor, "C:SELECT_1 ");
}
