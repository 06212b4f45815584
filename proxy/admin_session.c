/* What the two halves of a console session share: writing, and what is being carried out. */
#include "proxy/admin_session.h"

#include <assert.h>

#include "protocol/backend.h"

void console_flush(struct console *console)
{
    struct bytes_writer *writer = &console->writer;
    assert(!writer->has_failed);
    if (writer->size > 0) stream_write(&console->client->stream, writer->data, writer->size);
    console->client->host->commons->stats.sent_bytes += writer->size;
    writer->size = 0;
}

struct bytes_writer *console_room(struct console *console, size_t size)
{
    assert(size <= console->writer.capacity);
    if (console->writer.capacity - console->writer.size < size) console_flush(console);
    return &console->writer;
}

void console_error(struct console *console, const char *sqlstate, const char *message, const char *hint)
{
    console_flush(console);
    client_error(console->client, sqlstate, message, NULL, hint);
}

bool console_may(const struct console *console, const struct admin_command *command)
{
    return console->role >= admin_command_role(command);
}

void console_free_execution(struct execution *execution)
{
    admin_show_end(&execution->rows);
    execution->has_begun = execution->is_waiting = false;
}

void console_describe_rows(struct console *console, const struct execution *execution)
{
    const struct admin_command *command = &execution->command;
    struct bytes_writer *writer = console_room(console, ADMIN_ROW_SIZE_MAX);
    if (command->verb == VERB_SHOW)
        admin_write_row_description(writer, command->show, execution->formats);
    else if (command->verb == VERB_SHOW_FAKE)
        admin_write_text_description(writer, command->argument, execution->formats & 1);
    else
        backend_write_bare(writer, BACKEND_NO_DATA);
}

void console_run(struct console *console, struct execution *execution)
{
    console->running = execution;
}
