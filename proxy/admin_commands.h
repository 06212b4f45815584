#ifndef PROXY_ADMIN_COMMANDS_H
#define PROXY_ADMIN_COMMANDS_H

#include "proxy/admin_parse.h"
#include "proxy/pools_control.h"

/*
 * What the commands of the console do: a call to whoever decides that (pools_control.h, the worker), and words when it cannot be. Permission is admin.c's
 * to look at.
 */
struct admin_host { /* what belongs to the worker */
    void *context;
    /* False: nothing changed, and `why_out` says what is wrong. */
    bool (*reload)(void *context, char *why_out, size_t why_size);
    bool (*set)(void *context, const struct setting *setting, const char *value, char *why_out, size_t why_size);
    /* Takes effect in the next turn of the loop: the answer goes out first. */
    void (*shut_down)(void *context, enum shutdown_mode mode);
    void (*suspend)(void *context);
    void (*unsuspend)(void *context);
};

struct admin_commands {
    const struct admin_host *host;
    struct commons *commons;
    struct pools *pools;
};

struct command_failure {
    const char *sqlstate;
    const char *hint; /* NULL: none */
    char message[1024];
};

/* WAITS: it is done when admin_command_is_done says so. FAILED: nothing was done. */
enum command_outcome { COMMAND_DONE, COMMAND_WAITS, COMMAND_FAILED };
enum command_outcome admin_command_run(const struct admin_commands *on, const struct admin_command *command,
                                       struct command_failure *failure_out);
bool admin_command_is_done(const struct admin_commands *on, const struct admin_command *command);
/* Whoever gave it and waits has changed their mind: PAUSE and SUSPEND are taken back. */
void admin_command_cancel(const struct admin_commands *on, const struct admin_command *command);

#endif
