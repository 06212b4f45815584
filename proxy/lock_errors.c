/* Errors that tell of contention. At most a few lines a second: a storm of them is told by its count. */
#include "proxy/lock_errors.h"

#include <string.h>

#include "protocol/backend.h"
#include "proxy/client_clocks.h"
#include "proxy/log.h"
#include "proxy/observe.h"

enum { LINES_A_SECOND = 10, SECOND_US = 1000000 };

static bool may_log(struct commons *commons, uint64_t *left_out_out)
{
    struct lock_log *log = &commons->lock_log;
    *left_out_out = 0;
    if (commons->now_us - log->since_us >= SECOND_US) {
        *left_out_out = log->left_out;
        *log = (struct lock_log){.since_us = commons->now_us};
    }
    if (log->lines >= LINES_A_SECOND) {
        log->left_out++;
        return false;
    }
    log->lines++;
    return true;
}

void lock_errors_note(struct client *client, const char *sqlstate)
{
    struct commons *commons = client->host->commons;
    const char *event;
    uint64_t left_out;
    if (!sqlstate) return;
    if (strcmp(sqlstate, SQLSTATE_DEADLOCK) == 0) {
        event = "deadlock";
        commons->stats.deadlocks++;
    } else if (strcmp(sqlstate, SQLSTATE_LOCK_NOT_AVAILABLE) == 0) {
        event = "lock_not_available";
        commons->stats.locks_not_available++;
    } else if (strcmp(sqlstate, SQLSTATE_QUERY_CANCELED) == 0) {
        event = "statement_canceled";
        commons->stats.statements_canceled++;
    } else {
        return;
    }
    char shape[LOCK_SHAPE_SIZE];
    lock_counts_cut(observe_running(client), shape);
    int64_t run_us = client_clocks_run_us(client);
    lock_counts_add(&commons->locks,
                    &(struct lock_event){.sqlstate = sqlstate,
                                         .class = client_clocks_class(client),
                                         .user = client->user,
                                         .database = client->database,
                                         .shape = shape,
                                         .run_us = run_us},
                    commons->now_us);
    if (!may_log(commons, &left_out)) return;
    struct log_line line;
    client_log_begin(client, &line, LOG_LEVEL_WARNING, event);
    log_text(&line, "class", client_clocks_class(client));
    log_text(&line, "sqlstate", sqlstate);
    log_number(&line, "ran_ms", run_us / 1000);
    if (*shape) log_text(&line, "shape", shape);
    if (left_out > 0) log_number(&line, "left_out", (int64_t)left_out);
    log_end(&line);
}
