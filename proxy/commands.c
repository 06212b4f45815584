/* The table of commands, and the help that comes from it. */
#include "proxy/commands.h"

#include <string.h>

static const struct {
    const char *name;
    command_function *function;
    const char *arguments, *text;
} table[] = {
#define COMMAND(name_, function_, arguments_, text_) {#name_, function_, arguments_, text_},
#include "proxy/commands.def"
#undef COMMAND
};
enum { TABLE_COUNT = sizeof table / sizeof *table };

command_function *commands_find(const char *name)
{
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (strcmp(table[i].name, name) == 0) return table[i].function;
    return NULL;
}

void commands_print_help(FILE *out)
{
    fputs("Usage: pgturnstile [OPTION]... CONFIG      run with this configuration\n", out);
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        int width = fprintf(out, "       pgturnstile %s %s", table[i].name, table[i].arguments);
        fprintf(out, "%*s%s\n", width < 43 ? 43 - width : 1, "", table[i].text);
    }
    fputs("\n"
          "Lets many PostgreSQL clients share a small budget of server connections.\n\n"
          "  -d, --daemon     go into the background (needs pidfile, and logfile or syslog)\n"
          "  -q, --quiet      log nothing to standard error\n"
          "  -v, --verbose    log what helps to find a fault\n"
          "  -u, --user=NAME  when started as root: the user to become\n"
          "  -R, --reboot     take over from the one that runs, without refusing a connection\n"
          "  -V, --version    show the version and exit\n"
          "  -h, --help       show this and exit\n\n"
          "pgturnstile COMMAND --help tells of one command. A configuration file that has the name of a command is run as ./NAME.\n",
          out);
}
