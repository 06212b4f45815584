#ifndef PROXY_DETECTOR_H
#define PROXY_DETECTOR_H

#include "proxy/execution.h"
#include "proxy/findings.h"
#include "proxy/settings.h"
#include "proxy/shapes.h"
#include "proxy/verdicts.h"

/*
 * The search for duplicate queries, as the relay drives it: it is told what each client sends and what comes back, puts it into units of work, and adds what it finds
 * there to the findings. Knows no SQL and no sockets; times are the caller's monotonic clock. Belongs to one thread.
 *
 * One client's events, in the order of the wire:
 *
 *     detector_statement   an execution goes to a server (an Execute; each statement of a Query)
 *     detector_sync        the end of a round of messages: a Sync, a Query
 *     detector_columns, detector_row     of the oldest execution that is not completed, if detector_wants_rows
 *     detector_done        that execution is completed (CommandComplete, EmptyQueryResponse, PortalSuspended) or failed
 *     detector_ready       ReadyForQuery; executions of its round that the server skipped after an error are forgotten here
 */
struct detector_settings {
    enum analysis analysis;
    struct verdict_thresholds thresholds;
    int64_t unit_gap_us;          /* a pause of a client that ends its unit */
    int64_t unit_silence_us;      /* silence after which any unit is taken for ended */
    uint32_t statements_per_unit; /* 0: no limit; a unit with more is told to the host */
    uint32_t sample_every;        /* 1 in so many results is looked at without a reason; 0: none */
    int64_t window_us;            /* of the trend */
    int64_t cooldown_us;          /* between two log lines of one finding */
    uint32_t sample_values;       /* so many parameters of a statement that repeats are kept as they are; 0: no value ever is */
    const char *ignore;           /* as analysis_ignore; copied */
    size_t memory_max;            /* bytes for units, their parameters and rows; beyond it less is counted, and counted that it is */
};
void detector_settings_from(const struct settings *from, struct detector_settings *settings_out);

struct detector_host {
    void *context;
    /* To be logged: the cooldown lets it through. Called from within detector_*; must not call back. */
    void (*found)(void *context, const struct finding_notice *notice, const struct observation *observation);
    /* A unit had more statements than statements_per_unit. */
    void (*over_budget)(void *context, const char *database, const char *user, const char *route, uint32_t statements);
};

struct detector;
struct detector_client;

/* `wall_offset_us`: what to add to the monotonic clock for wall-clock time. The host is copied. */
struct detector *detector_new(const struct detector_settings *settings, const struct detector_host *host, int64_t wall_offset_us);
void detector_free(struct detector **detector); /* no client is left: asserted */
void detector_configure(struct detector *detector, const struct detector_settings *settings);
struct findings *detector_findings(struct detector *detector);
struct shapes *detector_shapes(struct detector *detector);

/* Counters for the outlets. */
struct detector_counters {
    uint64_t statements, units, units_overflowed, groups_overflowed, flights_overflowed, memory_refusals, rows_sampled, results_sampled;
    uint64_t found[VERDICT_COUNT]; /* observations */
    size_t memory_bytes;
};
void detector_counters(const struct detector *detector, struct detector_counters *counters_out);

/* At a client's login, or before its first statement. Texts are copied; `address` for the report's samples. */
struct detector_client *detector_client_new(struct detector *detector, const char *database, const char *user, const char *address,
                                            int64_t now_us);
/* The client is gone: its unit ends. NULL is accepted. */
void detector_client_free(struct detector_client **client, int64_t now_us);
/* At login and at each change. A change ends the unit. */
void detector_application_name(struct detector_client *client, const char *name, int64_t now_us);

/* Whether events are wanted at all: false when analysis is off. Then they may be left out, or come and be ignored. */
bool detector_is_on(const struct detector *detector);
/* Whether the parameters of executions are wanted as texts. */
bool detector_wants_values(const struct detector *detector);
/* False: the shape is not known, nothing has been noted; tell what it is with detector_learn, and this again. */
bool detector_statement(struct detector_client *client, const struct execution *execution, int64_t now_us)
    __attribute__((warn_unused_result));
/* The execution that is told next is in a transaction, whose BEGIN was not told. */
void detector_begun(struct detector_client *client);
void detector_learn(struct detector_client *client, uint64_t fingerprint, const struct shape_description *description, int64_t now_us);
void detector_sync(struct detector_client *client);
/* The text of the shape that the oldest execution not completed is of, without values; NULL: not known. Valid until the next call of anything here. */
const char *detector_running(struct detector_client *client);
/* Of the oldest execution that is not completed. Ask once, when its RowDescription comes or its first DataRow. */
bool detector_wants_rows(const struct detector_client *client);
/* Its columns, at most the first DETECTOR_COLUMNS_MAX that can be hashed, in the order of detector_row's hashes. For a portal that was described earlier, too. */
enum { DETECTOR_COLUMNS_MAX = 16, DETECTOR_ROWS_MAX = 256 };
void detector_columns(struct detector_client *client, const struct result_column *columns, size_t count);
/* One row: so many hashes as there are columns; 0 for NULL and what is too long. False: no further ones are wanted. */
bool detector_row(struct detector_client *client, const uint64_t *hashes);
/* It has more rows than it was told of, which come with executions that are not told. */
void detector_suspended(struct detector_client *client);
void detector_done(struct detector_client *client, uint64_t rows, bool is_error, int64_t now_us);
/* `status` as in ReadyForQuery: 'I', 'T', 'E'. */
void detector_ready(struct detector_client *client, char status, int64_t now_us);

/* Ends the units whose time is up. To be called now and then, best every unit_gap_us while detector_next_due_us says so. */
void detector_tick(struct detector *detector, int64_t now_us);
/* When detector_tick has something to do next; INT64_MAX: nothing is open. */
int64_t detector_next_due_us(const struct detector *detector);
/* Ends all units. */
void detector_flush(struct detector *detector, int64_t now_us);

#endif
