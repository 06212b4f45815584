#ifndef PROXY_ADMIN_OPTIONS_H
#define PROXY_ADMIN_OPTIONS_H

#include <stdbool.h>

#include "proxy/admin_client.h"

/* What the commands that ask a running pgturnstile have in common on the command line. */
struct admin_options {
    struct admin_target target;
    bool is_json, is_help, is_once;
    double interval_s;
    int argument_count; /* what is left over */
    char **arguments;
};
#define ADMIN_OPTIONS_HELP                                                                           \
    "  -s, --socket=PATH  the Unix socket, or the directory that it is in\n"                         \
    "  -H, --host=NAME    the host (default: $PGHOST, or 127.0.0.1)\n"                               \
    "  -p, --port=NUMBER  the port (default: $PGPORT, or 6432)\n"                                    \
    "  -U, --user=NAME    the user, one of admin_users or stats_users; its password is looked for\n" \
    "                     where libpq looks for it ($PGPASSWORD, ~/.pgpass)\n"                       \
    "  -h, --help         show this and exit\n"

/* argv[0] is the command's name. False: what is wrong was said on stderr. */
bool admin_options_parse(int argc, char **argv, struct admin_options *options_out);

#endif
