#ifndef PROXY_COMMANDS_H
#define PROXY_COMMANDS_H

#include <stdio.h>

/*
 * The commands of the program, one for each line of commands.def, and what it does without one. Each gets argv from its own name on, returns the
 * exit status: 0, 1 when what it was to do failed, 2 when it was called wrongly.
 */
typedef int command_function(int argc, char **argv);
#define COMMAND(name, function, arguments, text) command_function function;
#include "proxy/commands.def"
#undef COMMAND
int cmd_run(int argc, char **argv);

/* NULL: no command has this name. A configuration file of such a name is run as ./name. */
command_function *commands_find(const char *name);
/* The help of the program as a whole. */
void commands_print_help(FILE *out);

#endif
