#ifndef PROXY_OPTIONS_H
#define PROXY_OPTIONS_H

#include <stdbool.h>

/* The command line of a pgturnstile that runs. The letters are PgBouncer's. */
struct options {
    bool is_daemon;     /* -d */
    bool is_quiet;      /* -q */
    unsigned verbosity; /* -v, counted */
    const char *user;   /* -u; NULL: as the configuration says */
    bool takes_over;    /* -R */
    const char *config;
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD };

/* Texts are argv's. BAD: what is wrong was said on stderr. Options may stand behind the configuration, too. */
enum options_result options_parse(int argc, char **argv, struct options *options_out);

#endif
