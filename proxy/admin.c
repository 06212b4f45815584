/*
 * Console sessions: the simple protocol, rows in slices, commands that wait. The extended protocol is admin_extended.c's.
 *
 * Invariants: the transaction status is always 'I'; each Query and each Sync is answered by one ReadyForQuery; nothing is written to a session whose client has not taken what was
 * written before; a session's input is worked on only in admin_run.
 */
#include "proxy/admin.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/admin_session.h"
#include "proxy/client_auth.h"
#include "proxy/client_login.h"
#include "proxy/clock.h"
#include "proxy/log.h"
#include "proxy/memory.h"

enum { INPUT_MAX = 128 * 1024 };

/*
 * For how long a turn of the loop works for all sessions together, and how much of the time after it is the others' alone: so an answer about 20,000 clients takes some tenths of a
 * second, a fifth of the processor meanwhile, and nobody else waits for more than a slice.
 */
static const int64_t slice_us = 250;
static const double rest_s = 0.001;

struct slice {
    int64_t until_us;
    unsigned looks;
    bool is_used_up;
};

/* At every eighth look, so that there is some work in a slice however slow the machine is. */
static bool is_used_up(struct slice *slice)
{
    if (++slice->looks % 8 == 0 && clock_now_us() >= slice->until_us) slice->is_used_up = true;
    return slice->is_used_up;
}

/* ---- a command ---- */

static void write_ready(struct console *console)
{
    backend_write_ready_for_query(console_room(console, 64), 'I');
}

static void write_help(struct console *console)
{
    char text[4096] = "Console usage";
    size_t size = strlen(text);
    const char *line;
    for (unsigned i = 0; (line = admin_help_line(i)); i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "\n\t%s%s", i < SHOW_COUNT ? "SHOW " : "", line);
    assert(size < sizeof text);
    struct backend_error notice = {
        .severity = "NOTICE", .sqlstate = "00000", .message = "Console usage", .detail = text + sizeof "Console usage"};
    backend_write_notice(console_room(console, ADMIN_ROW_SIZE_MAX), &notice);
}

/* It is done; `is_ok` false: an error was told. */
static void end_execution(struct console *console, bool is_ok)
{
    struct execution *execution = console->running;
    bool is_simple = execution == &console->simple;
    if (is_ok) backend_write_command_complete(console_room(console, 256), admin_command_tag(&execution->command));
    console_free_execution(execution);
    console->running = NULL;
    if (is_ok) return;
    if (is_simple)
        console->text_position = console->text_size; /* what follows in the same Query falls away */
    else
        console->discards_to_sync = true;
}

static void begin_command(struct console *console)
{
    struct execution *execution = console->running;
    const struct admin_command *command = &execution->command;
    struct command_failure failure;
    execution->has_begun = true;
    if (!console_may(console, command)) {
        console_error(console, SQLSTATE_INSUFFICIENT_PRIVILEGE, "permission denied: this takes a user of admin_users", NULL);
        end_execution(console, false);
    } else if (command->verb == VERB_SHOW) {
        admin_show_begin(&execution->rows, &console->admin->view, command->show, execution->formats);
        admin_show_since(&execution->rows, command->number);
    } else if (command->verb == VERB_SHOW_HELP) {
        write_help(console);
        end_execution(console, true);
    } else if (command->verb == VERB_SHOW_FAKE) {
        const char *values[] = {command->value};
        backend_write_data_row(console_room(console, ADMIN_ROW_SIZE_MAX), values, 1);
        end_execution(console, true);
    } else {
        enum command_outcome outcome = admin_command_run(&console->admin->commands, command, &failure);
        if (outcome == COMMAND_FAILED) console_error(console, failure.sqlstate, failure.message, failure.hint);
        if (outcome == COMMAND_WAITS)
            execution->is_waiting = true;
        else
            end_execution(console, outcome == COMMAND_DONE);
    }
}

/* Rows, until the slice is used up, the client is behind, or there are no more. */
static void make_rows(struct console *console, struct slice *slice)
{
    struct execution *execution = console->running;
    while (!is_used_up(slice)) {
        struct bytes_writer *writer = console_room(console, ADMIN_ROW_SIZE_MAX);
        if (stream_has_unsent(&console->client->stream)) return;
        enum show_step step = admin_show_next(&execution->rows, writer);
        if (step == SHOW_END) {
            end_execution(console, true);
            return;
        }
        if (step == SHOW_ROW && console->rows_left > 0 && --console->rows_left == 0) {
            console_extended_suspend(console);
            return;
        }
    }
}

/* False: it waits. */
static bool go_on(struct console *console, struct slice *slice)
{
    struct execution *execution = console->running;
    if (!execution->has_begun)
        begin_command(console);
    else if (!execution->is_waiting)
        make_rows(console, slice);
    else if (admin_command_is_done(&console->admin->commands, &execution->command))
        end_execution(console, true);
    else
        return false;
    return true;
}

/* ---- simple queries ---- */

static void end_query(struct console *console)
{
    free(console->text);
    console->text = NULL;
    write_ready(console);
}

/* The next statement of the Query. */
static void next_statement(struct console *console)
{
    struct execution *execution = &console->simple;
    const char *why, *hint;
    size_t used;
    enum codec_result result = admin_parse(console->text + console->text_position, console->text_size - console->text_position,
                                           &execution->command, &used, &why, &hint);
    console->text_position += used;
    bool is_last = console->text_position >= console->text_size;
    execution->formats = 0;
    if (result != CODEC_OK) {
        console_error(console, SQLSTATE_SYNTAX_ERROR, why, hint);
        end_query(console);
    } else if (execution->command.verb != VERB_NOTHING) {
        bool has_rows = execution->command.verb == VERB_SHOW || execution->command.verb == VERB_SHOW_FAKE;
        if (has_rows && console_may(console, &execution->command)) console_describe_rows(console, execution);
        console->has_answered = true;
        console_run(console, execution);
    } else if (is_last) {
        if (!console->has_answered) backend_write_empty_query(console_room(console, 64));
        end_query(console);
    }
}

static void query_message(struct console *console, const uint8_t *body, size_t size)
{
    const char *text;
    if (frontend_parse_query(body, size, &text) != CODEC_OK) {
        console_flush(console);
        client_goodbye(console->client, SQLSTATE_PROTOCOL_VIOLATION, "invalid Query message", NULL, NULL);
        return;
    }
    console_forget_portals(console);
    console->text = memory_strdup(text);
    console->text_size = strlen(text);
    console->text_position = 0;
    console->has_answered = false;
    console->rows_left = 0;
}

/* ---- messages ---- */

static void violate(struct console *console, const char *what)
{
    console_flush(console);
    client_goodbye(console->client, SQLSTATE_PROTOCOL_VIOLATION, what, NULL, NULL);
}

static void message(struct console *console, const struct frame *frame, const uint8_t *body)
{
    if (frame->type == FRONTEND_TERMINATE) {
        client_close(console->client, "client terminated");
    } else if (frame->type == FRONTEND_SYNC) {
        console->discards_to_sync = false;
        console_forget_portals(console); /* a transaction ends here */
        write_ready(console);
    } else if (console->discards_to_sync) {
        return;
    } else if (frame->type == FRONTEND_QUERY) {
        query_message(console, body, frame->body_size);
    } else if (frame->type == FRONTEND_FUNCTION_CALL) {
        console_error(console, SQLSTATE_FEATURE_NOT_SUPPORTED, "there are no functions here", NULL);
        write_ready(console);
    } else if (!console_extended_message(console, frame, body) && (frame->type == FRONTEND_PASSWORD || !frontend_type_name(frame->type))) {
        violate(console, "invalid frontend message");
    }
}

/* False: none is there as a whole. */
static bool next_message(struct console *console)
{
    const struct client *client = console->client;
    const uint8_t *data = client->input + console->consumed;
    size_t size = client->input_size - console->consumed;
    struct frame frame;
    if (size == 0) return false;
    enum codec_result header = frame_parse_header(data, size, &frame);
    if (header == CODEC_MORE) return false;
    if (header == CODEC_BAD || frame.body_size > CONSOLE_MESSAGE_MAX) {
        violate(console, "invalid message, or one too long for the console");
        return false;
    }
    size_t total = (size_t)FRAME_HEADER_SIZE + frame.body_size;
    if (size < total) return false;
    console->consumed += total;
    message(console, &frame, data + FRAME_HEADER_SIZE);
    return true;
}

/* ---- a turn ---- */

static bool is_alive(const struct console *console)
{
    return console->client->state == CLIENT_READY;
}

/* True: there is more to do as soon as there is time. */
static bool work(struct console *console, struct slice *slice)
{
    struct client *client = console->client;
    bool is_waiting = false;
    console->consumed = 0;
    bytes_writer_init(&console->writer, console->admin->commons->scratch, CONSOLE_OUT_SIZE);
    while (!is_used_up(slice) && !is_waiting && is_alive(console) && !stream_has_unsent(&client->stream)) {
        if (console->running)
            is_waiting = !go_on(console, slice);
        else if (console->text && console->text_position >= console->text_size && console->text_size > 0)
            end_query(console);
        else if (console->text)
            next_statement(console);
        else if (!next_message(console))
            is_waiting = true;
    }
    if (client->state >= CLIENT_CLOSING) return false;
    console_flush(console);
    client_keep(client, client->input + console->consumed, client->input_size - console->consumed);
    if (client->input_size < INPUT_MAX) stream_resume_reading(&client->stream);
    if (console->running && console->running->is_waiting)
        console->admin->is_due = true; /* to be looked at again, when something has happened */
    return !is_waiting && !stream_has_unsent(&client->stream);
}

void admin_run(struct admin *admin)
{
    if (!admin->is_due || ev_is_active(&admin->rest)) return;
    admin->is_due = false;
    struct slice slice = {.until_us = clock_now_us() + slice_us};
    struct console *console = admin->sessions, *last = console ? console->previous : NULL, *next;
    bool has_more = false;
    for (; console; console = next) {
        next = console == last ? NULL : console->next;
        bool is_unfinished = is_used_up(&slice) || work(console, &slice);
        if (!is_unfinished) continue;
        has_more = true;
        if (!is_used_up(&slice) || !is_alive(console)) continue;
        /* Its turn comes last, next time. */
        DL_DELETE2(admin->sessions, console, previous, next);
        DL_APPEND2(admin->sessions, console, previous, next);
        break;
    }
    if (!has_more) return;
    admin->is_due = true;
    ev_timer_set(&admin->rest, rest_s, 0);
    ev_timer_start(admin->commons->loop, &admin->rest);
}

static void on_rested(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop, (void)watcher, (void)events; /* that it turns is all */
}

/* ---- the client's callbacks ---- */

static void on_readable(struct client *client)
{
    uint8_t *data;
    size_t size;
    if (!client_receive(client, &data, &size)) return;
    client->request_us = client->host->commons->now_us;
    client_keep(client, data, size);
    if (client->input_size >= INPUT_MAX) stream_pause_reading(&client->stream);
    client->console->admin->is_due = true;
}

static void on_due(struct client *client)
{
    client->console->admin->is_due = true;
}

static void on_canceled(struct client *client)
{
    struct console *console = client->console;
    struct execution *execution = console->running;
    if (!execution || !execution->has_begun) return;
    if (execution->is_waiting) admin_command_cancel(&console->admin->commands, &execution->command);
    bytes_writer_init(&console->writer, console->admin->commons->scratch, CONSOLE_OUT_SIZE);
    console_error(console, SQLSTATE_QUERY_CANCELED, "canceling statement due to user request", NULL);
    end_execution(console, false);
    console->admin->is_due = true;
}

static void on_leaving(struct client *client, enum client_state was)
{
    (void)was;
    struct console *console = client->console;
    DL_DELETE2(console->admin->sessions, console, previous, next);
    console_forget_portals(console);
    console_forget_statements(console);
    console_free_execution(&console->simple);
    console->running = NULL;
    free(console->text);
    console->text = NULL;
    session_state_unref(&client->settings);
}

/* The client itself is about to be freed. */
static void on_forget(struct client *client)
{
    client_auth_free(client);
    struct console *console = client->console;
    client->console = NULL;
    if (!console) return;
    free(console->user);
    free(console->database);
    free(console);
}

/* ---- beginning and end ---- */

void admin_init(struct admin *admin, struct pools *pools, const struct client_host *client_host, const struct admin_host *host)
{
    admin->commons = pools->commons;
    admin->view = (struct admin_view){.commons = pools->commons, .pools = pools};
    admin->commands = (struct admin_commands){.host = host, .commons = pools->commons, .pools = pools};
    admin->client_host = *client_host;
    admin->client_host.forget_login = on_forget;
    admin->client_host.readable = on_readable;
    admin->client_host.resume = on_due;
    admin->client_host.drained = on_due;
    admin->client_host.canceled = on_canceled;
    admin->client_host.leaving = on_leaving;
    ev_timer_init(&admin->rest, on_rested, 0, 0);
}

void admin_close(struct admin *admin)
{
    struct console *console, *next;
    DL_FOREACH_SAFE(admin->sessions, console, next) {
        struct client *client = console->client;
        client_goodbye(client, SQLSTATE_ADMIN_SHUTDOWN, "terminating connection due to administrator command", NULL, NULL);
        client_close(client, NULL); /* what was written goes out all the same */
    }
    ev_timer_stop(admin->commons->loop, &admin->rest);
}

static void write_welcome(struct client *client)
{
    static const char *const parameters[][2] = {{"server_version", "1.25.2/bouncer"},
                                                {"client_encoding", "UTF8"},
                                                {"server_encoding", "UTF8"},
                                                {"DateStyle", "ISO"},
                                                {"TimeZone", "UTC"},
                                                {"standard_conforming_strings", "on"},
                                                {"is_superuser", "on"},
                                                {"integer_datetimes", "on"},
                                                {"IntervalStyle", "postgres"}};
    uint8_t buffer[1024];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    backend_write_authentication(&writer, BACKEND_AUTH_OK, NULL, 0);
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
        backend_write_parameter_status(&writer, parameters[i][0], parameters[i][1]);
    client_give_cancel_key(client, 0, &writer);
    backend_write_ready_for_query(&writer, 'I');
    assert(!writer.has_failed);
    stream_write(&client->stream, buffer, writer.size);
}

/* For SHOW CLIENTS. */
static void take_application_name(struct client *client)
{
    client->settings = session_state_empty(client->host->commons->states);
    struct bytes_reader parameters = client->login->parameters;
    for (const char *name, *value; frontend_next_parameter(&parameters, &name, &value);)
        if (strcmp(name, "application_name") == 0) client->settings = session_state_with(client->settings, name, value);
}

static void refuse(struct client *client)
{
    char message[160];
    snprintf(message, sizeof message, "permission denied for the console: user \"%.63s\"", client->user);
    client_goodbye(client, SQLSTATE_INSUFFICIENT_PRIVILEGE, message, NULL, "Name the user in admin_users or stats_users.");
}

void admin_begin(struct admin *admin, struct client *client)
{
    enum console_role role = client->is_trusted ? CONSOLE_ADMIN : console_role_of(&admin->commons->config->settings, client->user);
    client_move(client, CLIENT_WELCOMING);
    if (role == CONSOLE_NOBODY) {
        refuse(client);
        return;
    }
    struct console *console = memory_zalloc(sizeof *console);
    console->admin = admin;
    console->client = client;
    console->role = role;
    console->user = memory_strdup(client->user);
    console->database = memory_strdup(CONSOLE_DATABASE);
    client->user = console->user;
    client->database = console->database;
    client->console = console;
    client->host = &admin->client_host;
    DL_APPEND2(admin->sessions, console, previous, next);
    deadline_clear(&client->deadline);
    take_application_name(client);
    client_auth_free(client);
    client_move(client, CLIENT_READY);
    admin->commons->stats.clients_logged_in++;
    if (admin->commons->config->settings.log_connections) {
        struct log_line line;
        client_log_begin(client, &line, LOG_LEVEL_INFO, "console_login");
        log_text(&line, "role", role == CONSOLE_ADMIN ? "admin" : "stats");
        log_end(&line);
    }
    write_welcome(client);
    admin->is_due = true; /* it may have sent more with its password */
}
