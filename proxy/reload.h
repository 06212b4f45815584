#ifndef PROXY_RELOAD_H
#define PROXY_RELOAD_H

#include "proxy/restart.h"

/*
 * From a changed file, or from SET on the console, to a snapshot of the configuration that is in force everywhere; or to words about what is wrong with it, and
 * the one before it stays.
 */
struct reload {
    struct pools *pools;
    struct restart *restart; /* which has a say in the budget */
    bool is_verbose;         /* whatever the configuration says */
};

/* False: nothing has changed. What is wrong stands in the log, and in `why_out`, cut at its size. */
bool reload_file(const struct reload *reload, char *why_out, size_t why_size);
/* The same with one setting changed, until the file is read again. */
bool reload_setting(const struct reload *reload, const struct setting *setting, const char *value, char *why_out, size_t why_size);

#endif
