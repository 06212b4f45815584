/* The program: which command, and from there on it is the command's. */
#include <signal.h>
#include <stddef.h>

#include "proxy/commands.h"
#include "proxy/process.h"

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    command_function *command = argc > 1 ? commands_find(argv[1]) : NULL;
    if (command) return command(argc - 1, argv + 1);
    process_clean_environment();
    return cmd_run(argc, argv);
}
