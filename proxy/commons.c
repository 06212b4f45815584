/*
 * What everything on a worker's thread shares: made here, and freed in one piece. The lists of deadlines are timeouts.c's.
 */
#include "proxy/commons.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "proxy/clock.h"
#include "proxy/memory.h"

/* cancel.c sees to it that few of its threads are busy, unless a database hangs. */
enum { CANCEL_THREADS = 1024, PASSWORD_THREADS = 1 };

void commons_init(struct commons *commons, struct config *config)
{
    const struct settings *settings = &config->settings;
    commons->loop = ev_default_loop(EVFLAG_NOENV);
    if (!commons->loop) abort(); /* no epoll, no descriptors: nothing could work */
    commons->config = config;
    commons->now_us = clock_now_us();
    commons->scratch = memory_alloc(COMMONS_SCRATCH_SIZE);
    commons->turnstile = turnstile_new((uint32_t)settings->budget, (uint32_t)settings->max_server_logins);
    commons->scaling = memory_zalloc(sizeof *commons->scaling);
    commons->cancel_keys = cancel_keys_new();
    commons->states = session_states_new();
    commons->statements = statements_new();
    commons->logins = offload_new(commons->loop, (unsigned)settings->max_server_logins);
    commons->cancels = offload_new(commons->loop, CANCEL_THREADS);
    commons->passwords = offload_new(commons->loop, PASSWORD_THREADS);
    RAND_bytes(commons->mock_key, sizeof commons->mock_key);
}

bool commons_has_jobs(const struct commons *commons)
{
    return offload_pending(commons->logins) || offload_pending(commons->cancels) || offload_pending(commons->passwords);
}

void commons_fini(struct commons *commons)
{
    offload_free(&commons->logins);
    offload_free(&commons->cancels);
    offload_free(&commons->passwords);
    error_counts_fini(&commons->errors);
    lock_counts_fini(&commons->locks);
    free(commons->scaling);
    session_states_free(&commons->states);
    statements_free(&commons->statements);
    cancel_keys_free(&commons->cancel_keys);
    turnstile_free(&commons->turnstile);
    deadline_heap_fini(&commons->clocks);
    free(commons->scratch);
    config_unref(&commons->config);
    ev_loop_destroy(commons->loop);
}
