#ifndef PROXY_ADMIN_SESSION_H
#define PROXY_ADMIN_SESSION_H

#include "protocol/frame.h"
#include "proxy/admin_parse.h"
#include "proxy/admin_show.h"

/* A console session: what admin.c and admin_extended.c share. Nobody else includes this. */
struct admin;

/* A command being carried out, or a portal that will be. */
struct execution {
    struct admin_command command;
    admin_formats formats;
    struct show_cursor rows; /* begun: rows.view is set */
    bool has_begun, is_waiting;
};

struct console_statement {
    struct console_statement *next;
    char *name;
    struct admin_command command;
};
struct console_portal {
    struct console_portal *next;
    char *name;
    struct execution execution;
};

enum { CONSOLE_STATEMENTS_MAX = 100, CONSOLE_PORTALS_MAX = 16, CONSOLE_MESSAGE_MAX = 64 * 1024, CONSOLE_OUT_SIZE = 64 * 1024 };

struct console {
    struct admin *admin;
    struct client *client;
    struct console *next, *previous;
    char *user, *database;
    enum console_role role;
    size_t consumed;            /* of client->input, in this turn */
    struct bytes_writer writer; /* in this turn: what goes out at its end */
    /* A simple Query that is not done: its text, and how far. */
    char *text;
    size_t text_size, text_position;
    bool has_answered; /* one of its statements */
    struct execution simple;
    struct execution *running; /* NULL: nothing is; `simple`, or a portal's */
    uint32_t rows_left;        /* of an Execute with a limit; 0: no limit */
    bool discards_to_sync;
    struct console_statement *statements;
    struct console_portal *portals;
};

/* ---- admin_session.c ---- */
bool console_may(const struct console *console, const struct admin_command *command);
/* Room in the writer for `size` bytes; what is in it goes out first when there is none. */
struct bytes_writer *console_room(struct console *console, size_t size);
void console_flush(struct console *console);
/* An error behind all that was written; in the extended protocol what follows is skipped up to Sync. */
void console_error(struct console *console, const char *sqlstate, const char *message, const char *hint);
void console_describe_rows(struct console *console, const struct execution *execution);
void console_run(struct console *console, struct execution *execution);
void console_free_execution(struct execution *execution);

/* ---- admin_extended.c ---- */
/* One message of the extended protocol, whole. False: it is none of those. */
bool console_extended_message(struct console *console, const struct frame *frame, const uint8_t *body);
/* The running portal is done, or has made as many rows as were asked for. */
void console_extended_suspend(struct console *console);
void console_forget_portals(struct console *console);
void console_forget_statements(struct console *console);

#endif
