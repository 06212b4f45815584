/* pgturnstile report: which statements are asked again and again. */
#include <stdio.h>
#include <string.h>

#include "proxy/commands.h"

static const char help[] = "Usage: pgturnstile report [OPTION]...\n\n"
                           "Tells which statements are asked again and again. This version does not look for them yet.\n";

int cmd_report(int argc, char **argv)
{
    if (argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    fputs("pgturnstile report: this version does not look for repeated statements yet\n", stderr);
    return 1;
}
