/* pgturnstile check: everything that is wrong with a configuration, the way compilers tell it. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proxy/commands.h"
#include "proxy/config.h"

static const char help[] = "Usage: pgturnstile check CONFIG\n\n"
                           "Prints every problem of the configuration as FILE:LINE: TEXT, also those of its auth_file.\n"
                           "Exits with 0 when there are none or only warnings, with 1 otherwise.\n";

int cmd_check(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    bool is_marked = argc == 3 && strcmp(argv[1], "--") == 0;
    if (!is_marked && (argc != 2 || argv[1][0] == '-')) {
        fputs(help, stderr);
        return 2;
    }
    struct config_problems problems;
    struct config *config = config_load(argv[argc - 1], &problems);
    config_problems_print(&problems, stdout);
    config_problems_fini(&problems);
    int status = config ? 0 : 1;
    config_unref(&config);
    if (fflush(stdout) || ferror(stdout)) return 1;
    return status;
}
