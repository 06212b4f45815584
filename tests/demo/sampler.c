/* Counts PostgreSQL's connections while the demonstration runs. Not for judging them: demo.c. */
#include "tests/demo/sampler.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PAUSE_MS = 5 };

struct sampler {
    pthread_t thread;
    PGconn *connection;
    atomic_bool is_stopping;
    struct sampler_result result;
};

static void *sample(void *argument)
{
    struct sampler *sampler = argument;
    struct sampler_result *result = &sampler->result;
    while (!atomic_load(&sampler->is_stopping)) {
        PGresult *answer = PQexec(sampler->connection, "SELECT count(*) FROM pg_stat_activity"
                                                       " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
        if (PQresultStatus(answer) != PGRES_TUPLES_OK) {
            result->has_failed = true;
            snprintf(result->error, sizeof result->error, "%s", PQerrorMessage(sampler->connection));
            PQclear(answer);
            return NULL;
        }
        result->end = atoi(PQgetvalue(answer, 0, 0));
        if (result->end > result->peak) result->peak = result->end;
        result->samples++;
        PQclear(answer);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
    return NULL;
}

struct sampler *sampler_start(const char *conninfo)
{
    struct sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler == NULL) abort();
    sampler->connection = PQconnectdb(conninfo);
    if (PQstatus(sampler->connection) != CONNECTION_OK || pthread_create(&sampler->thread, NULL, sample, sampler) != 0) {
        fprintf(stderr, "demo: %s", PQerrorMessage(sampler->connection));
        PQfinish(sampler->connection);
        free(sampler);
        return NULL;
    }
    return sampler;
}

struct sampler_result sampler_stop(struct sampler **sampler)
{
    atomic_store(&(*sampler)->is_stopping, true);
    pthread_join((*sampler)->thread, NULL);
    struct sampler_result result = (*sampler)->result;
    PQfinish((*sampler)->connection);
    free(*sampler);
    *sampler = NULL;
    return result;
}
