/* The command line of a pgturnstile that runs; those of the other commands are in cmd_*.c. */
#include "proxy/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

enum options_result options_parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"daemon", no_argument, NULL, 'd'},  {"quiet", no_argument, NULL, 'q'},
                                          {"verbose", no_argument, NULL, 'v'}, {"user", required_argument, NULL, 'u'},
                                          {"reboot", no_argument, NULL, 'R'},  {"version", no_argument, NULL, 'V'},
                                          {"help", no_argument, NULL, 'h'},    {0}};
    *options = (struct options){.config = NULL};
    optind = 0; /* glibc: start anew, also when somebody has parsed before */
    for (int option; (option = getopt_long(argc, argv, "dqvu:RVh", known, NULL)) != -1;) {
        switch (option) {
        case 'd': options->is_daemon = true; break;
        case 'q': options->is_quiet = true; break;
        case 'v': options->verbosity++; break;
        case 'u': options->user = optarg; break;
        case 'R': options->takes_over = true; break;
        case 'V': return OPTIONS_VERSION;
        case 'h': return OPTIONS_HELP;
        default: return OPTIONS_BAD; /* getopt_long has said which */
        }
    }
    if (optind + 1 == argc) {
        options->config = argv[optind];
        return OPTIONS_RUN;
    }
    if (optind < argc)
        fprintf(stderr, "pgturnstile: one configuration file is wanted, not \"%s\" as well\n", argv[optind + 1]);
    else
        fputs("pgturnstile: a configuration file or a command is wanted\n", stderr);
    return OPTIONS_BAD;
}
