#ifndef PROXY_HTTP_PAGES_H
#define PROXY_HTTP_PAGES_H

#include "proxy/http.h"
#include "proxy/pool.h"

/*
 * What HTTP shows of a worker:
 *   /            the live page, with its data at /live.json
 *   /metrics     for Prometheus (metrics.h)
 *   /healthz     200 as long as the worker answers
 *   /readyz      200, or 503 and a reason: draining, or no database can be logged in to
 *   /report, /report.json   repeated statements; ?since=10m for the last ten minutes
 * All but the page ask the worker, and are 503 when it does not answer within two seconds.
 */
struct http_pages_options {
    struct http_options http;
    bool waits_for_address; /* another process still listens there and is going to stop: tried at each tick until it works */
};

struct http_pages;
/* Listens already, unless it waits for the address. NULL with `error`. On the worker's thread, as all of these. */
struct http_pages *http_pages_start(struct pools *pools, const struct http_pages_options *options, struct error *error);
/* About once a second, for the history. Harmless on NULL. */
void http_pages_tick(struct http_pages *pages);
/* Does not wait for the worker, which is the caller. Harmless on NULL. */
void http_pages_stop(struct http_pages **pages);

#endif
