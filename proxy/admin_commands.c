/* Commands: looking up what they name, carrying them out, saying why not. */
#include "proxy/admin_commands.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/backend.h"
#include "proxy/config_text.h"
#include "proxy/log.h"

static enum command_outcome fail(struct command_failure *failure, const char *sqlstate, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static enum command_outcome fail(struct command_failure *failure, const char *sqlstate, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    failure->sqlstate = sqlstate;
    failure->hint = hint;
    return COMMAND_FAILED;
}

/* ---- databases ---- */

/* `*home_out` is NULL when no name was given: all of them. */
static bool find_home(const struct admin_commands *on, const struct admin_command *command, struct database **home_out,
                      struct command_failure *failure)
{
    const char *name = command->argument;
    *home_out = NULL;
    if (!*name) return true;
    if (console_is_database(name)) {
        fail(failure, SQLSTATE_FEATURE_NOT_SUPPORTED, NULL, "the console's own database is always there");
        return false;
    }
    if (!databases_get(&on->pools->databases, name) && !config_find_database(on->commons->config, name)) {
        fail(failure, SQLSTATE_INVALID_CATALOG, "SHOW DATABASES lists what there is.", "no such database: %.255s", name);
        return false;
    }
    *home_out = databases_find(&on->pools->databases, name);
    return true;
}

static bool is_anything_held(const struct admin_commands *on)
{
    if (on->pools->is_paused || on->commons->is_suspended) return true;
    for (const struct database *database = on->pools->databases.by_name; database; database = database->hh.next)
        if (database->is_paused) return true;
    return false;
}

static enum command_outcome run_pause(const struct admin_commands *on, struct database *home, struct command_failure *failure)
{
    static const char hint[] = "RESUME ends it.";
    if (on->commons->is_suspended) return fail(failure, SQLSTATE_OBJECT_NOT_IN_STATE, hint, "already suspended");
    if (!home && on->pools->is_paused) return fail(failure, SQLSTATE_OBJECT_NOT_IN_STATE, hint, "already paused");
    pools_pause(on->pools, home);
    return COMMAND_WAITS;
}

static enum command_outcome run_resume(const struct admin_commands *on, struct database *home, struct command_failure *failure)
{
    bool is_held = home ? pools_are_held(on->pools, home) || on->commons->is_suspended : is_anything_held(on);
    if (!is_held && home) return fail(failure, SQLSTATE_OBJECT_NOT_IN_STATE, NULL, "database \"%.255s\" is not paused", home->name);
    if (!is_held) return fail(failure, SQLSTATE_OBJECT_NOT_IN_STATE, NULL, "nothing is paused or suspended");
    on->host->unsuspend(on->host->context);
    pools_resume(on->pools, home);
    return COMMAND_DONE;
}

static enum command_outcome run_suspend(const struct admin_commands *on, struct command_failure *failure)
{
    if (on->commons->is_suspended) return fail(failure, SQLSTATE_OBJECT_NOT_IN_STATE, "RESUME ends it.", "already suspended");
    on->host->suspend(on->host->context);
    return COMMAND_WAITS;
}

static enum command_outcome kill_client(const struct admin_commands *on, uint64_t id, struct command_failure *failure)
{
    for (struct client *client = on->commons->clients; client && client->id <= id; client = client->next) {
        if (client->id != id || client->state >= CLIENT_CLOSING) continue;
        client_goodbye(client, SQLSTATE_ADMIN_SHUTDOWN, "terminating connection due to administrator command", NULL, NULL);
        return COMMAND_DONE;
    }
    return fail(failure, SQLSTATE_UNDEFINED_OBJECT, "SHOW CLIENTS has the ids.", "there is no client with id %llu", (unsigned long long)id);
}

/* ---- settings ---- */

static enum command_outcome run_set(const struct admin_commands *on, const struct admin_command *command, struct command_failure *failure)
{
    const struct setting *setting = settings_find(command->argument);
    char why[sizeof failure->message - 64];
    if (!setting) {
        size_t count;
        const struct setting *list = settings_list(&count);
        struct config_nearest nearest = {.word = NULL};
        for (size_t i = 0; i < count; i++) config_nearest_offer(&nearest, command->argument, list[i].name);
        return fail(failure, SQLSTATE_UNDEFINED_OBJECT, "SHOW CONFIG lists what there is.", "unknown setting \"%.255s\"%s%s",
                    command->argument, nearest.word ? ": did you mean " : "", nearest.word ? nearest.word : "");
    }
    if (!setting->can_reload)
        return fail(failure, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM, NULL,
                    "%s cannot be changed while pgturnstile runs: change it in the file, and restart", setting->name);
    if (strcmp(setting->name, "auth_file") == 0)
        return fail(failure, SQLSTATE_CANT_CHANGE_RUNTIME_PARAM, NULL, "the users are read by RELOAD: change auth_file in the file");
    if (!on->host->set(on->host->context, setting, command->value, why, sizeof why))
        return fail(failure, SQLSTATE_INVALID_PARAMETER_VALUE, NULL, "%s", why);
    return COMMAND_DONE;
}

static enum command_outcome run_reload(const struct admin_commands *on, struct command_failure *failure)
{
    char why[sizeof failure->message - 64];
    if (on->host->reload(on->host->context, why, sizeof why)) return COMMAND_DONE;
    return fail(failure, SQLSTATE_INVALID_PARAMETER_VALUE, "The configuration in force stays. pgturnstile's log has every problem.", "%s",
                why);
}

/* ---- all ---- */

static void log_command(const struct admin_command *command)
{
    struct log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "console_command");
    log_text(&line, "command", admin_command_tag(command));
    if (*command->argument) log_text(&line, "argument", command->argument);
    if (command->verb == VERB_KILL_CLIENT) log_number(&line, "id", (int64_t)command->number);
    log_end(&line);
}

enum command_outcome admin_command_run(const struct admin_commands *on, const struct admin_command *command,
                                       struct command_failure *failure)
{
    struct database *home = NULL;
    bool names_database = command->verb != VERB_SET && command->verb != VERB_SET_FAKE;
    if (names_database && !find_home(on, command, &home, failure)) return COMMAND_FAILED;
    if (command->verb < VERB_BEGIN && command->verb >= VERB_PAUSE) log_command(command);
    switch (command->verb) {
    case VERB_PAUSE: return run_pause(on, home, failure);
    case VERB_RESUME: return run_resume(on, home, failure);
    case VERB_SUSPEND: return run_suspend(on, failure);
    case VERB_DISABLE: home->is_disabled = true; return COMMAND_DONE;
    case VERB_ENABLE: home->is_disabled = false; return COMMAND_DONE;
    case VERB_RECONNECT: pools_reconnect(on->pools, home); return COMMAND_DONE;
    case VERB_WAIT_CLOSE: return COMMAND_WAITS;
    case VERB_KILL: pools_kill(on->pools, home); return COMMAND_DONE;
    case VERB_KILL_CLIENT: return kill_client(on, command->number, failure);
    case VERB_RELOAD: return run_reload(on, failure);
    case VERB_SHUTDOWN: on->host->shut_down(on->host->context, command->mode); return COMMAND_DONE;
    case VERB_SET: return run_set(on, command, failure);
    case VERB_NOTHING:
    case VERB_SHOW:
    case VERB_SHOW_HELP:
    case VERB_SHOW_FAKE:
    case VERB_SET_FAKE:
    case VERB_BEGIN:
    case VERB_START:
    case VERB_COMMIT:
    case VERB_END:
    case VERB_ROLLBACK:
    case VERB_COUNT: break;
    }
    return COMMAND_DONE;
}

bool admin_command_is_done(const struct admin_commands *on, const struct admin_command *command)
{
    const struct database *home = *command->argument ? databases_get(&on->pools->databases, command->argument) : NULL;
    if (*command->argument && !home) return true;
    switch (command->verb) {
    /* Somebody else's RESUME ends the waiting as well. */
    case VERB_PAUSE: return !pools_are_held(on->pools, home) || pools_are_paused_out(on->pools, home);
    case VERB_SUSPEND: return !on->commons->is_suspended || pools_are_flushed(on->pools);
    case VERB_WAIT_CLOSE: return pools_have_closed(on->pools, home);
    default: return true;
    }
}

void admin_command_cancel(const struct admin_commands *on, const struct admin_command *command)
{
    struct database *home = *command->argument ? databases_get(&on->pools->databases, command->argument) : NULL;
    if (command->verb == VERB_SUSPEND) on->host->unsuspend(on->host->context);
    if (command->verb == VERB_PAUSE && (home || !*command->argument)) pools_resume(on->pools, home);
}
