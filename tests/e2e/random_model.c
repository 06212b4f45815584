/*
 * A model of one PostgreSQL session. Not for: what is sent and how answers look (random_actor.h and the steps).
 * Invariant: `before` and `savepoints` are whole copies, so that going back is an assignment.
 */
#include "tests/e2e/random_model.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *initial;
    enum random_sort sort;
    bool is_reported, is_reset_by_all;
} settings[] = {
#define X(enumerator, name, initial, sort, is_reported, is_reset_by_all) {name, initial, sort, is_reported, is_reset_by_all},
#include "tests/e2e/random_settings.def"
#undef X
};

const char *random_setting_name(const struct model *model, enum random_setting setting)
{
    if (setting == RANDOM_IDENTITY) return model->is_superuser ? "session_authorization" : "role";
    return settings[setting].name;
}

enum random_sort random_setting_sort(enum random_setting setting)
{
    return settings[setting].sort;
}

static void copy(char *to, const char *from)
{
    size_t size = strlen(from);
    if (size >= VALUE_SIZE) size = VALUE_SIZE - 1;
    memmove(to, from, size);
    to[size] = '\0';
}

void model_init(struct model *model, const char *user, bool is_superuser)
{
    *model = (struct model){.status = 'I', .is_superuser = is_superuser};
    snprintf(model->user, sizeof model->user, "%s", user);
    for (int i = 0; i < RANDOM_SETTINGS; i++)
        copy(model->initial[i], i != RANDOM_IDENTITY ? settings[i].initial : is_superuser ? user : "none");
}

void model_enter(struct model *model)
{
    for (int i = 0; i < RANDOM_SETTINGS; i++) {
        copy(model->now.settings[i].session, model->initial[i]);
        copy(model->reported[i], model->initial[i]);
    }
}

/* ---- settings ---- */

const char *model_get(const struct model *model, enum random_setting setting)
{
    return model->now.settings[setting].is_local ? model->now.settings[setting].local : model->now.settings[setting].session;
}

void model_set(struct model *model, enum random_setting setting, const char *value)
{
    copy(model->now.settings[setting].session, value);
    model->now.settings[setting].is_local = false;
}

void model_set_local(struct model *model, enum random_setting setting, const char *value)
{
    copy(model->now.settings[setting].local, value);
    model->now.settings[setting].is_local = true;
}

void model_reset(struct model *model, enum random_setting setting)
{
    model_set(model, setting, model->initial[setting]);
}

void model_reset_all(struct model *model)
{
    for (int i = 0; i < RANDOM_SETTINGS; i++)
        if (settings[i].is_reset_by_all) model_reset(model, (enum random_setting)i);
}

bool model_is_day_first(const struct model *model)
{
    return strstr(model_get(model, RANDOM_DATESTYLE), "DMY") != NULL;
}

/* ---- transactions ---- */

static void end_locals(struct model *model)
{
    for (int i = 0; i < RANDOM_SETTINGS; i++) model->now.settings[i].is_local = false;
    model->depth = 0;
}

void model_group_begins(struct model *model)
{
    if (model->status == 'I') model->before = model->now;
}

void model_group_ends(struct model *model)
{
    if (model->status == 'I') end_locals(model);
}

void model_fails(struct model *model)
{
    if (model->status == 'E') return;
    model->now = model->depth > 0 ? model->savepoints[model->depth - 1] : model->before;
    if (model->status == 'T') model->status = 'E';
}

void model_begins(struct model *model)
{
    model->status = 'T';
}

bool model_ends(struct model *model, bool is_commit)
{
    bool is_committed = is_commit && model->status != 'E';
    if (!is_committed && model->status != 'I') model->now = model->before;
    model->status = 'I';
    end_locals(model);
    model->before = model->now;
    return is_committed;
}

void model_saves(struct model *model)
{
    model->savepoints[model->depth++] = model->now;
}

void model_rolls_back_to(struct model *model, int savepoint)
{
    model->now = model->savepoints[savepoint];
    model->depth = savepoint + 1;
    model->status = 'T';
}

void model_releases(struct model *model, int savepoint)
{
    model->depth = savepoint;
}

/* ---- all at once ---- */

void model_deallocates_all(struct model *model)
{
    for (int i = 0; i < STATEMENTS; i++)
        if (i != UNNAMED) model->statements[i].kind = STATEMENT_NONE;
}

void model_discards_all(struct model *model)
{
    for (int i = 0; i < RANDOM_SETTINGS; i++) model_reset(model, (enum random_setting)i);
    model_deallocates_all(model);
    model->now.temporary[0] = model->cursor[0] = '\0';
    model->has_lock = model->is_listening = false;
    model->before = model->now;
}

int model_reports(struct model *model)
{
    int count = 0;
    for (int i = 0; i < RANDOM_SETTINGS; i++) {
        bool is_reported = settings[i].is_reported || (i == RANDOM_IDENTITY && model->is_superuser);
        const char *value = model_get(model, (enum random_setting)i);
        if (!is_reported || strcmp(value, model->reported[i]) == 0) continue;
        count++;
        /* is_superuser goes with it. */
        if (i == RANDOM_IDENTITY && (strcmp(value, model->user) == 0 || strcmp(model->reported[i], model->user) == 0)) count++;
        copy(model->reported[i], value);
    }
    return count;
}
