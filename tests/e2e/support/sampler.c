/*
 * The witness of the budget: PostgreSQL itself. Not for anything finer than a number of connections.
 * Invariant: the thread never fails the test; a lost connection ends the samples, which sampler_count shows.
 */
#include "tests/e2e/support/sampler.h"

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/e2e/support/files.h"

struct sampler {
    pthread_t thread;
    PGconn *connection;
    atomic_bool is_stopping;
    atomic_int peak;
    atomic_int count;
};

/* A direct connection that is just logging in has no application_name yet, hence the user as well. */
static const char question[] = "select count(*) from pg_stat_activity where backend_type = 'client backend' "
                               "and application_name <> 'e2e-direct' "
                               "and usename is distinct from 'postgres'";

static void *sample(void *argument)
{
    struct sampler *sampler = argument;
    while (!sampler->is_stopping) {
        PGresult *result = PQexecPrepared(sampler->connection, "sample", 0, NULL, NULL, NULL, 0);
        bool is_good = PQresultStatus(result) == PGRES_TUPLES_OK;
        int count = is_good ? atoi(PQgetvalue(result, 0, 0)) : 0;
        PQclear(result);
        if (!is_good) break;
        if (count > sampler->peak) sampler->peak = count;
        sampler->count++;
    }
    return NULL;
}

struct sampler *sampler_start(const struct postgres *postgres)
{
    struct sampler *sampler = calloc(1, sizeof *sampler);
    char *direct = postgres_direct(postgres, "postgres");
    sampler->connection = PQconnectdb(direct);
    PGresult *result = PQprepare(sampler->connection, "sample", question, 0, NULL);
    cr_assert(PQresultStatus(result) == PGRES_COMMAND_OK, "%s", PQerrorMessage(sampler->connection));
    PQclear(result);
    free(direct);
    cr_assert(pthread_create(&sampler->thread, NULL, sample, sampler) == 0);
    return sampler;
}

int sampler_peak(const struct sampler *sampler)
{
    return sampler->peak;
}

int sampler_count(const struct sampler *sampler)
{
    return sampler->count;
}

int sampler_stop(struct sampler **sampler)
{
    (*sampler)->is_stopping = true;
    pthread_join((*sampler)->thread, NULL);
    PQfinish((*sampler)->connection);
    int peak = (*sampler)->peak;
    free(*sampler);
    *sampler = NULL;
    return peak;
}
