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
struct http_pages;
/* Listens, and answers nobody before http_pages_run. NULL with `error`. On the worker's thread, as all of these. */
struct http_pages *http_pages_open(struct pools *pools, const struct http_options *options, struct error *error);
/* From here on there are answers; the log says so if not. Harmless on NULL, as the rest. */
void http_pages_run(struct http_pages *pages);
/* The listening socket; -1: none. */
int http_pages_descriptor(const struct http_pages *pages);
/* Another process answers from now on; requests that are here already have two ticks' time. */
void http_pages_leave(struct http_pages *pages);
/* About once a second, for the history. */
void http_pages_tick(struct http_pages *pages);
/* Does not wait for the worker, which is the caller. */
void http_pages_stop(struct http_pages **pages);

#endif
