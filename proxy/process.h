#ifndef PROXY_PROCESS_H
#define PROXY_PROCESS_H

#include <stdint.h>

#include "proxy/error.h"

/* What the process is before it serves anybody: its environment, its user, its limits, its place in the background. */

/* Forget what libpq would take from the environment into the sessions that all clients share. */
void process_clean_environment(void);
/* When root: become `user`, for good. -1 with `error` when that cannot be, or `user` is "": the proxy reads what strangers send. */
int process_leave_root(const char *user, struct error *error) __attribute__((warn_unused_result));
/* As many open files as the system lets us have; a warning in the log when that is less than `needed`. */
void process_raise_descriptor_limit(uint64_t needed);

/*
 * Go into the background: returns in the child, which has a session of its own and still writes to the terminal. The parent waits, and ends with
 * 0 after process_is_ready, or with 1 when the child ends before. Before any thread is started. -1 with `error`.
 */
int process_go_to_background(struct error *error) __attribute__((warn_unused_result));
/* Lets the parent end, and lets go of the terminal. Nothing when not in the background. */
void process_is_ready(void);

#endif
