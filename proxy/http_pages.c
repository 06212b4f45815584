/*
 * The pages: which path shows what. Rendering is on HTTP's thread, from a snapshot.
 */
#include "proxy/http_pages.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy/clock.h"
#include "proxy/live_json.h"
#include "proxy/live_page.h"
#include "proxy/log.h"
#include "proxy/memory.h"
#include "proxy/metrics.h"
#include "proxy/report.h"
#include "proxy/report_html.h"
#include "proxy/report_json.h"
#include "proxy/snapshot_desk.h"

static const int64_t worker_timeout_us = 2000000;
enum { TICKS_TO_LEAVE = 2 };

struct http_pages {
    struct http *http; /* NULL: it was left to another process */
    int ticks_to_leave;
    struct snapshot_desk desk;
    struct pools *pools;
    struct history history; /* the worker's thread */
    /* What the next snapshot is to hold besides: HTTP's thread says so before it asks. */
    atomic_bool wants_report;
    _Atomic int64_t report_since_us;
    int64_t started_us, started_s; /* monotonic; since 1970 */
};

/* ---- on HTTP's thread ---- */

static void reply_with(struct http_reply *reply, unsigned status, const char *content_type, struct text_buffer *body)
{
    *reply = (struct http_reply){.status = status, .content_type = content_type, .body = body->text, .size = body->size};
}

static void reply_with_words(struct http_reply *reply, unsigned status, const char *words)
{
    struct text_buffer body = {0};
    text_buffer_print(&body, "%s\n", words);
    reply_with(reply, status, "text/plain; charset=utf-8", &body);
}

static void show_health(const struct http_pages *pages, const struct http_request *request, const struct snapshot *snapshot,
                        struct http_reply *reply)
{
    (void)pages, (void)request, (void)snapshot;
    reply_with_words(reply, 200, "ok");
}

static void show_readiness(const struct http_pages *pages, const struct http_request *request, const struct snapshot *snapshot,
                           struct http_reply *reply)
{
    (void)pages, (void)request;
    reply_with_words(reply, snapshot->why_not_ready ? 503 : 200, snapshot->why_not_ready ? snapshot->why_not_ready : "ready");
}

static void show_metrics(const struct http_pages *pages, const struct http_request *request, const struct snapshot *snapshot,
                         struct http_reply *reply)
{
    enum metrics_format format = metrics_choose(request->accept);
    struct text_buffer body = {0};
    metrics_render(snapshot, pages->started_s, format, &body);
    reply_with(reply, 200, metrics_content_type(format), &body);
}

static void show_live(const struct http_pages *pages, const struct http_request *request, const struct snapshot *snapshot,
                      struct http_reply *reply)
{
    (void)request;
    struct text_buffer body = {0};
    live_json_render(snapshot, snapshot->now_us - pages->started_us, &body);
    reply_with(reply, 200, "application/json", &body);
}

static void show_page(struct http_reply *reply)
{
    *reply = (struct http_reply){.status = 200, .content_type = "text/html; charset=utf-8", .size = live_page_size};
    reply->body = memory_alloc(live_page_size);
    memcpy(reply->body, live_page, live_page_size);
}

static void show_report(const struct http_pages *pages, const struct http_request *request, const struct snapshot *snapshot,
                        struct http_reply *reply)
{
    bool is_json = strcmp(request->path, "/report.json") == 0;
    if (!snapshot->report) {
        reply_with_words(reply, 503, "the report was not ready; ask again");
        return;
    }
    int64_t now_us = clock_wall_us(), span_us = pages->report_since_us, since_us = span_us > 0 ? now_us - span_us : 0;
    reply->body = is_json ? report_json(snapshot->report, since_us, now_us) : report_html(snapshot->report, since_us, now_us);
    reply->size = strlen(reply->body);
    reply->status = 200;
    reply->content_type = is_json ? "application/json" : "text/html; charset=utf-8";
}

/* Those that need the worker. */
static const struct {
    const char *path;
    void (*show)(const struct http_pages *pages, const struct http_request *request, const struct snapshot *snapshot,
                 struct http_reply *reply);
    bool needs_report;
} views[] = {{"/metrics", show_metrics, false}, {"/healthz", show_health, false}, {"/readyz", show_readiness, false},
             {"/live.json", show_live, false},  {"/report", show_report, true},   {"/report.json", show_report, true}};

/* The report may be asked for a span of time: /report?since=10m. False: it is none. */
static bool note_span(struct http_pages *pages, const struct http_request *request, bool needs_report)
{
    const char *since = request->argument(request, "since");
    int64_t span_us = 0;
    if (needs_report && since && !report_read_span(since, &span_us)) return false;
    pages->report_since_us = span_us;
    pages->wants_report = needs_report;
    return true;
}

static void on_request(void *context, const struct http_request *request, struct http_reply *reply)
{
    struct http_pages *pages = context;
    if (strcmp(request->path, "/") == 0) {
        show_page(reply);
        return;
    }
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        if (strcmp(request->path, views[i].path) != 0) continue;
        if (!note_span(pages, request, views[i].needs_report)) {
            reply_with_words(reply, 400, "since takes a span of time: 90s, 10m, 2h, 1d");
            return;
        }
        struct snapshot *snapshot = snapshot_desk_ask(&pages->desk, worker_timeout_us);
        if (snapshot)
            views[i].show(pages, request, snapshot, reply);
        else
            reply_with_words(reply, 503, "the worker does not answer");
        snapshot_free(&snapshot);
    }
}

/* ---- on the worker's thread ---- */

static struct snapshot *take(void *context)
{
    struct http_pages *pages = context;
    struct snapshot *snapshot = snapshot_take(pages->pools, &pages->history);
    int64_t now_us = clock_wall_us(), span_us = pages->report_since_us;
    if (pages->wants_report)
        snapshot->report =
            report_table(detector_findings(taps_detector(pages->pools->commons->taps)), span_us > 0 ? now_us - span_us : 0, now_us);
    return snapshot;
}

struct http_pages *http_pages_open(struct pools *pools, const struct http_options *options, struct error *error)
{
    struct http_pages *pages = memory_zalloc(sizeof *pages);
    pages->pools = pools;
    pages->started_us = clock_now_us();
    pages->started_s = time(NULL);
    snapshot_desk_init(&pages->desk, pools->commons->loop, take, pages);
    pages->http = http_open(options, on_request, pages, error);
    if (!pages->http) http_pages_stop(&pages);
    return pages;
}

void http_pages_run(struct http_pages *pages)
{
    struct error error;
    if (!pages || http_run(pages->http, &error) == 0) return;
    struct log_line line;
    log_begin(&line, LOG_LEVEL_ERROR, "http_failed");
    log_text(&line, "message", error.text);
    log_end(&line);
    http_stop(&pages->http);
}

int http_pages_descriptor(const struct http_pages *pages)
{
    return pages && pages->http ? http_descriptor(pages->http) : -1;
}

void http_pages_leave(struct http_pages *pages)
{
    if (!pages || !pages->http) return;
    http_leave(pages->http);
    pages->ticks_to_leave = TICKS_TO_LEAVE;
}

void http_pages_tick(struct http_pages *pages)
{
    if (!pages) return;
    if (pages->ticks_to_leave > 0 && --pages->ticks_to_leave == 0) {
        snapshot_desk_close(&pages->desk);
        http_stop(&pages->http);
    }
    const struct commons *commons = pages->pools->commons;
    struct history_reading reading = snapshot_reading(commons);
    history_read(&pages->history, &reading, commons->now_us);
}

void http_pages_stop(struct http_pages **pages_pointer)
{
    struct http_pages *pages = *pages_pointer;
    *pages_pointer = NULL;
    if (!pages) return;
    snapshot_desk_close(&pages->desk); /* a request may be waiting for us */
    http_stop(&pages->http);
    snapshot_desk_fini(&pages->desk);
    free(pages);
}
