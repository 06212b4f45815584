/* Options of the commands that ask a running pgturnstile. */
#include "proxy/admin_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const double SHORTEST_INTERVAL = 0.1, LONGEST_INTERVAL = 3600;

bool admin_options_parse(int argc, char **argv, struct admin_options *options)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'}, {"host", required_argument, NULL, 'H'},     {"port", required_argument, NULL, 'p'},
        {"user", required_argument, NULL, 'U'},   {"json", no_argument, NULL, 'j'},           {"once", no_argument, NULL, '1'},
        {"help", no_argument, NULL, 'h'},         {"interval", required_argument, NULL, 'n'}, {0}};
    *options = (struct admin_options){.interval_s = 1};
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, "s:H:p:U:j1hn:", known, NULL)) != -1;) {
        switch (option) {
        case 's':
        case 'H':
            options->target.host = optarg;
            options->target.is_socket = option == 's';
            break;
        case 'p': options->target.port = optarg; break;
        case 'U': options->target.user = optarg; break;
        case 'j': options->is_json = true; break;
        case '1': options->is_once = true; break;
        case 'h': options->is_help = true; break;
        case 'n':
            options->interval_s = atof(optarg);
            if (options->interval_s >= SHORTEST_INTERVAL && options->interval_s <= LONGEST_INTERVAL) break;
            fprintf(stderr, "pgturnstile %s: the interval is a number of seconds from %g to %g\n", argv[0], SHORTEST_INTERVAL,
                    LONGEST_INTERVAL);
            return false;
        default: return false;
        }
    }
    options->argument_count = argc - optind;
    options->arguments = argv + optind;
    return true;
}
