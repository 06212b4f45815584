/*
 * Clients of the random test: values, patterns, history, coming and going. Not for: what they do (random_sql.c, random_extended.c, random_pins.c).
 */
#include "tests/e2e/random_actor.h"

#include "protocol/frame.h"
#include "tests/e2e/support/turns.h"
#include "tests/e2e/support/wait.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned dice(struct actor *actor, unsigned sides)
{
    return (unsigned)rand_r(&actor->seed) % sides;
}

/* ---- values ---- */

void new_value(struct actor *actor, char *value_out)
{
    snprintf(value_out, VALUE_SIZE, "v%d.%d.%x", actor->number, actor->counter++, actor->seed);
}

static const char *pick(struct actor *actor, const char *const *words, unsigned count)
{
    return words[dice(actor, count)];
}
#define PICK(actor, words) pick(actor, words, sizeof(words) / sizeof(words)[0])

void new_setting_value(struct actor *actor, enum random_setting setting, char *value_out)
{
    static const char *const styles[] = {"ISO, DMY", "ISO, MDY", "SQL, DMY", "German, DMY", "Postgres, MDY"};
    static const char *const interval_styles[] = {"postgres", "iso_8601", "sql_standard"};
    static const char *const zones[] = {"UTC", "Europe/Berlin", "Asia/Tokyo", "America/New_York"};
    static const char *const roles[] = {"none", "role_a", "role_b"};
    static const char *const users[] = {"super", "app", "role_a"};
    static const char *const ends[] = {"", "", "'", "\\", "\\'", "\303\251", "--", "/*+", "$1", ";"};
    unsigned unique = (unsigned)(actor->number * 100000 + actor->counter++) * 2 + 1;
    switch (random_setting_sort(setting)) {
    case SORT_TEXT: new_value(actor, value_out); return;
    case SORT_CUSTOM:
        new_value(actor, value_out);
        strcat(value_out, PICK(actor, ends));
        return;
    case SORT_DATESTYLE: snprintf(value_out, VALUE_SIZE, "%s", PICK(actor, styles)); return;
    case SORT_INTERVALSTYLE: snprintf(value_out, VALUE_SIZE, "%s", PICK(actor, interval_styles)); return;
    case SORT_TIMEZONE: snprintf(value_out, VALUE_SIZE, "%s", PICK(actor, zones)); return;
    case SORT_PATH: snprintf(value_out, VALUE_SIZE, "s%u, public", unique); return;
    case SORT_MILLISECONDS: snprintf(value_out, VALUE_SIZE, "%ums", 1000000 + unique); return;
    case SORT_KILOBYTES: snprintf(value_out, VALUE_SIZE, "%ukB", 1000 + unique % 900000); return;
    case SORT_IDENTITY: snprintf(value_out, VALUE_SIZE, "%s", actor->model.is_superuser ? PICK(actor, users) : PICK(actor, roles)); return;
    }
}

void quote(const char *value, char *quoted_out)
{
    *quoted_out++ = '\'';
    for (; *value; value++) {
        if (*value == '\'') *quoted_out++ = '\'';
        *quoted_out++ = *value;
    }
    strcpy(quoted_out, "'");
}

/* ---- patterns and history ---- */

void expect(struct actor *actor, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t left = PATTERN_SIZE - actor->pattern_size;
    int size = vsnprintf(actor->pattern + actor->pattern_size, left, format, arguments);
    va_end(arguments);
    if ((size_t)size >= left) abort();
    actor->pattern_size += (size_t)size;
}

void expect_error(struct actor *actor, const char *sqlstate)
{
    expect(actor, "E:%s ", sqlstate);
    model_fails(&actor->model);
}

bool is_reference(void)
{
    return turns_is_reference();
}

void expect_row(struct actor *actor, const char *text)
{
    char word[TEXT_SIZE];
    snprintf(word, sizeof word, "%s", text);
    for (char *c = word; *c; c++)
        if (*c == ' ') *c = '_';
    expect(actor, "D:%s ", word);
}

void expect_ready(struct actor *actor)
{
    for (int left = model_reports(&actor->model); left > 0; left--) expect(actor, "S ");
    expect(actor, "Z:%c ", actor->model.status);
}

void note(struct actor *actor, const char *format, ...)
{
    char text[TEXT_SIZE + 16];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text - 1, format, arguments);
    va_end(arguments);
    strcat(text, "\n");
    size_t used = strlen(actor->history), size = strlen(text);
    if (used + size >= HISTORY_SIZE) {
        size_t gone = HISTORY_SIZE / 2;
        memmove(actor->history, actor->history + gone, used - gone + 1);
        used -= gone;
    }
    memcpy(actor->history + used, text, size + 1);
}

void stage_query_text(struct actor *actor, const char *text)
{
    note(actor, "Query %s", text);
    frontend_write_query(&actor->wire->out, text);
    actor->model.statements[UNNAMED].kind = STATEMENT_NONE;
}

void stage_sync_message(struct actor *actor)
{
    note(actor, "Sync");
    frontend_write_sync(&actor->wire->out);
    model_group_ends(&actor->model);
    expect_ready(actor);
    actor->is_skipping = false;
    model_group_begins(&actor->model);
}

/* ---- coming and going ---- */

static const char *const reported_names[] = {"application_name", "DateStyle",    "IntervalStyle",
                                             "TimeZone",         "is_superuser", "session_authorization"};

static const char *reported_value(const struct model *model, int i)
{
    const char *identity = model->is_superuser ? model->reported[RANDOM_IDENTITY] : model->user;
    switch (i) {
    case 0: return model->reported[RANDOM_APPLICATION_NAME];
    case 1: return model->reported[RANDOM_DATESTYLE];
    case 2: return model->reported[RANDOM_INTERVALSTYLE];
    case 3: return model->reported[RANDOM_TIMEZONE];
    case 4: return strcmp(identity, "super") == 0 ? "on" : "off";
    default: return identity;
    }
}

static bool is_told_right(struct actor *actor)
{
    for (int i = 0; i < (int)(sizeof reported_names / sizeof reported_names[0]); i++) {
        const char *told = wire_parameter(actor->wire, reported_names[i]), *wanted = reported_value(&actor->model, i);
        if (told != NULL && strcmp(told, wanted) == 0) continue;
        snprintf(actor->why, sizeof actor->why, "client %d: %s was reported as \"%s\" instead of \"%s\" after\n%s", actor->number,
                 reported_names[i], told != NULL ? told : "(nothing)", wanted, actor->history);
        return false;
    }
    return true;
}

/* `text` as part of the startup parameter options. */
static void add_option(char *options, const char *name, const char *text)
{
    char *end = options + strlen(options);
    end += sprintf(end, "%s-c %s=", *options ? " " : "", name);
    for (; *text; text++) {
        if (*text == ' ' || *text == '\\') *end++ = '\\';
        *end++ = *text;
    }
    *end = '\0';
}

static void write_startup(struct actor *actor)
{
    struct model *model = &actor->model;
    char options[RANDOM_SETTINGS * 3 * VALUE_SIZE] = "";
    const char *pairs[4 + 2 * RANDOM_SETTINGS + 3] = {"user", model->user, "database", "app"};
    size_t count = 4;
    bool is_bringing = dice(actor, 3) == 0;
    actor->brings_settings = false;
    for (int i = 0; is_bringing && i < RANDOM_IDENTITY; i++) {
        unsigned way = dice(actor, 4);
        if (way > 1) continue;
        new_setting_value(actor, (enum random_setting)i, model->initial[i]);
        actor->brings_settings = true;
        const char *name = random_setting_name(model, (enum random_setting)i);
        if (way == 1) {
            add_option(options, name, model->initial[i]);
        } else {
            pairs[count++] = name;
            pairs[count++] = model->initial[i];
        }
        note(actor, "startup %s = %s", name, model->initial[i]);
    }
    if (*options) {
        pairs[count++] = "options";
        pairs[count++] = options;
    }
    frontend_write_startup(&actor->wire->out, 3, 0, pairs);
}

bool actor_enter(struct actor *actor)
{
    static const char *const users[] = {"app2", "app", "super", "app"};
    int who = actor->number % 4;
    char error[300] = "";
    actor->history[0] = '\0';
    actor->is_skipping = false;
    model_init(&actor->model, users[who], who == 2);
    actor->wire = wire_try_connect(actor->port);
    snprintf(actor->why, sizeof actor->why, "client %d: no login", actor->number);
    if (actor->wire == NULL) return false;
    write_startup(actor);
    model_enter(&actor->model);
    if (!wire_flush(actor->wire)) return false;
    actor->wire->skips_parameters = !turns_is_reference();
    if (!wire_match(actor->wire, "R S* K Z:I", error, sizeof error)) {
        snprintf(actor->why, sizeof actor->why, "client %d: no login: %s\n%s", actor->number, error, actor->history);
        return false;
    }
    actor->why[0] = '\0';
    return is_told_right(actor);
}

void actor_depart(struct actor *actor)
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

/* ---- answers ---- */

static bool fail(struct actor *actor, const char *why)
{
    snprintf(actor->why, sizeof actor->why, "client %d (%s), step %d: %.1400s\nafter\n%s", actor->number, actor->model.user,
             (int)actor->steps, why, actor->history);
    return false;
}

static void forget_pattern(struct actor *actor)
{
    actor->pattern_size = 0;
    actor->pattern[0] = '\0';
}

bool actor_settle(struct actor *actor)
{
    char why[1400];
    bool is_good = (wire_flush(actor->wire) && wire_match(actor->wire, actor->pattern, why, sizeof why)) || fail(actor, why);
    forget_pattern(actor);
    note(actor, "-- answered");
    return is_good && is_told_right(actor);
}

/* The SQLSTATE of the next message, which stays to be received; "": it is no error, or there is none. */
static void peek_error(struct wire *wire, char sqlstate_out[8])
{
    struct wire_message message;
    struct backend_error error;
    sqlstate_out[0] = '\0';
    if (!wire_flush(wire) || !wire_try_receive(wire, LONG_MS, &message) || message.type == 0) return;
    if (message.type == BACKEND_ERROR && backend_parse_error(message.body, message.size, &error) == CODEC_OK)
        snprintf(sqlstate_out, 8, "%s", error.sqlstate);
    wire->in_start -= FRAME_HEADER_SIZE + message.size;
}

bool actor_settle_pin(struct actor *actor, const struct model *before)
{
    char sqlstate[8];
    peek_error(actor->wire, sqlstate);
    if (strcmp(sqlstate, "0A000") != 0 || turns_is_reference()) return actor_settle(actor);
    actor->refusals++;
    note(actor, "-- refused");
    actor->model = *before;
    actor->model.statements[UNNAMED].kind = STATEMENT_NONE;
    model_group_begins(&actor->model);
    model_fails(&actor->model);
    forget_pattern(actor);
    expect(actor, "E:0A000 ");
    expect_ready(actor);
    return actor_settle(actor);
}
