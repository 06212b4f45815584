/*
 * The report as a page: what it costs by route, queries of a unit with and without the repeats, then each finding. Whatever comes from outside is escaped.
 */
#include "proxy/report_html.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"
#include "proxy/report.h"
#include "proxy/utf8.h"

enum { ROUTES_MAX = 10 };

static const char head[] =
    "<!DOCTYPE html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width,initial-scale=1\">"
    "<title>Repeated queries - pgturnstile</title><style>"
    ":root{--back:#f6f7f9;--card:#fff;--text:#1c2330;--soft:#5b6472;--line:#dde1e7;--one:#0072b2;--two:#e69f00;--bad:#b3261e;--good:#"
    "1b7f4d}"
    "@media(prefers-color-scheme:dark){:root{--back:#12161c;--card:#1b212a;--text:#e6eaf0;--soft:#9aa4b2;--line:#2c3440;--bad:#ff8a80;--"
    "good:#6fd6a2}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,'DejaVu Sans',sans-serif}"
    "main{max-width:1100px;margin:0 auto;padding:20px}h1{font-size:22px;margin:0}h2{font-size:16px;margin:0 0 12px}p{margin:4px 0 "
    "14px;color:var(--soft)}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;margin:0 0 16px;overflow-x:auto}"
    ".cards{display:flex;flex-wrap:wrap;gap:16px;margin:16px 0}.cards div{background:var(--card);border:1px solid "
    "var(--line);border-radius:10px;"
    "padding:12px 18px;flex:1 1 150px}.cards b{display:block;font-size:26px}.cards span{color:var(--soft);font-size:13px}"
    ".chart{display:grid;grid-template-columns:minmax(80px,30%) 1fr;gap:8px 14px;align-items:center;font-size:13px;margin:0}"
    ".chart>*{min-width:0}.chart dt{color:var(--text);text-align:right;overflow-wrap:anywhere}.chart "
    "dd{margin:0}.bar{display:flex;align-items:center;gap:8px;"
    "padding-right:12.5em;margin:2px 0}.bar i{flex:none;height:14px;min-width:2px;border-radius:3px}.bar span{flex:none;width:12em;"
    "white-space:nowrap;color:var(--soft)}"
    "@media(max-width:640px){.chart{grid-template-columns:1fr;gap:2px}.chart dt{text-align:left;margin-top:8px}}"
    "article{border-top:1px solid var(--line);padding:14px 0}article:first-of-type{border:0}h3{font-size:15px;margin:0 0 "
    "6px;overflow-wrap:anywhere}p::first-letter{text-transform:uppercase}"
    "code{display:block;background:var(--back);border-radius:6px;padding:8px 10px;font:12.5px/1.5 ui-monospace,'DejaVu Sans "
    "Mono',monospace;"
    "white-space:pre-wrap;word-break:break-word;margin:6px 0}.tag{display:inline-block;border:1px solid "
    "var(--line);border-radius:20px;padding:0 9px;"
    "font-size:12px;margin-right:6px;color:var(--soft)}.critical{color:var(--bad);border-color:var(--bad)}.gone,.better{color:var(--good);"
    "border-color:var(--good)}"
    ".fix{border-left:3px solid var(--good);padding-left:10px;margin:8px 0}dl{display:flex;flex-wrap:wrap;gap:2px 22px;margin:6px "
    "0;font-size:13px}"
    "dt{color:var(--soft)}dd{margin:0 0 0 6px}dl div{display:flex}</style></head><body><main>";

/* ---- texts ---- */

static void put(FILE *out, const char *text)
{
    while (*text) {
        uint32_t code;
        size_t size = utf8_decode(text, &code);
        if (size == 0 || (utf8_is_steering(code) && code != '\n'))
            fputs("&#xfffd;", out);
        else if (strchr("<>&\"'", *text))
            fprintf(out, "&#%u;", (unsigned char)*text);
        else
            fwrite(text, 1, size, out);
        text += size > 0 ? size : 1;
    }
}

static const char *cell(const struct text_table *table, size_t row, const char *name)
{
    return text_table_cell(table, row, text_table_find(table, name));
}

static bool is_gone(const struct text_table *table, size_t row)
{
    return strcmp(cell(table, row, "trend"), trend_word(TREND_GONE)) == 0;
}

static void put_time(FILE *out, double ms)
{
    if (ms >= 60000)
        fprintf(out, "%.1f min", ms / 60000);
    else if (ms >= 1000)
        fprintf(out, "%.1f s", ms / 1000);
    else
        fprintf(out, "%.*f ms", ms < 10 ? 1 : 0, ms);
}

/* ---- routes ---- */

/* What is summed up of one route: in a unit of it, so many statements, of which so many are repeats. */
struct route {
    const char *name;
    double lost_ms, statements, repeats;
    bool is_gone; /* all of its findings are */
};

static struct route *find_route(struct route *routes, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(routes[i].name, name) == 0) return &routes[i];
    routes[*count] = (struct route){.name = name, .is_gone = true};
    return &routes[(*count)++];
}

/* One statement may be told twice, as an N+1 and for its exact duplicates: its repeats count once. */
static bool is_told_already(const struct text_table *table, size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (strcmp(cell(table, i, "route"), cell(table, row, "route")) == 0 &&
            strcmp(cell(table, i, "shape"), cell(table, row, "shape")) == 0)
            return true;
    return false;
}

static int compare_routes(const void *a, const void *b)
{
    const struct route *x = a, *y = b;
    return x->lost_ms < y->lost_ms ? 1 : x->lost_ms > y->lost_ms ? -1 : strcmp(x->name, y->name);
}

static size_t sum_routes(const struct text_table *table, struct route *routes)
{
    size_t count = 0;
    for (size_t row = 0; row < text_table_rows(table); row++) {
        struct route *route = find_route(routes, &count, cell(table, row, "route"));
        double statements = text_table_number(table, row, "unit_statements");
        if (statements > route->statements) route->statements = statements;
        if (!is_gone(table, row)) route->is_gone = false;
        if (is_told_already(table, row)) continue;
        route->lost_ms += text_table_number(table, row, "lost_ms");
        route->repeats += report_times(table, row) > 1 ? report_times(table, row) - 1 : 0;
    }
    qsort(routes, count, sizeof *routes, compare_routes);
    return count;
}

static double after_fix(const struct route *route)
{
    return route->statements - route->repeats > 1 ? route->statements - route->repeats : 1;
}

/* ---- charts ---- */

static void put_bar(FILE *out, double value, double most, const char *colour)
{
    fprintf(out, "<div class=bar><i style=\"width:%.1f%%;background:var(--%s)\"></i><span>", most > 0 ? 100 * value / most : 0, colour);
}

static void put_label(FILE *out, const char *name)
{
    fputs("<dt>", out);
    put(out, name);
    fputs("</dt><dd>", out);
}

static void put_charts(FILE *out, const struct route *routes, size_t count)
{
    double most_lost = 0, most_statements = 0;
    if (count > ROUTES_MAX) count = ROUTES_MAX;
    for (size_t i = 0; i < count; i++) {
        if (routes[i].lost_ms > most_lost) most_lost = routes[i].lost_ms;
        if (routes[i].statements > most_statements) most_statements = routes[i].statements;
    }
    fputs("<section><h2>Time lost by route</h2><dl class=chart>", out);
    for (size_t i = 0; i < count; i++) {
        put_label(out, routes[i].name);
        put_bar(out, routes[i].lost_ms, most_lost, "two");
        put_time(out, routes[i].lost_ms);
        fputs("</span></div></dd>", out);
    }
    fputs("</dl></section><section><h2>Queries for one request, and without the repeats</h2><dl class=chart>", out);
    for (size_t i = 0; i < count; i++) {
        put_label(out, routes[i].name);
        put_bar(out, routes[i].statements, most_statements, "two");
        fprintf(out, "%.0f %s</span></div>", routes[i].statements, routes[i].is_gone ? "before: they are gone" : "now");
        put_bar(out, after_fix(&routes[i]), most_statements, "one");
        fprintf(out, "%.0f without the repeats</span></div></dd>", after_fix(&routes[i]));
    }
    fputs("</dl></section>", out);
}

/* ---- findings ---- */

static void put_fact(FILE *out, const char *name, const char *value)
{
    if (!*value) return;
    fprintf(out, "<div><dt>%s</dt><dd>", name);
    put(out, value);
    fputs("</dd></div>", out);
}

static void put_parent(FILE *out, const struct text_table *table, size_t row)
{
    if (!*cell(table, row, "parent_shape")) return;
    const char *name = cell(table, row, "parent_table");
    const char *slot = cell(table, row, "parent_slot");
    fputs(*slot ? "<p>Its parameter " : "<p>What is in its list", out);
    put(out, slot);
    fputs(" is ", out);
    put(out, name);
    if (*name) fputs(".", out);
    put(out, cell(table, row, "parent_column"));
    fputs(" of the ", out);
    put(out, cell(table, row, "parent_rows"));
    fputs(" rows of:</p><code>", out);
    put(out, cell(table, row, "parent_shape"));
    fputs("</code>", out);
}

static void put_values(FILE *out, const struct text_table *table, size_t row)
{
    if (!*cell(table, row, "sample_values")) return;
    fputs("<p>Parameters of one unit, the first ones:</p><code>", out);
    put(out, cell(table, row, "sample_values"));
    fputs("</code>", out);
}

/* What a unit is to those who have never heard of units. */
static const char *unit_word(const struct text_table *table, size_t row)
{
    const char *kind = cell(table, row, "unit");
    return strcmp(kind, unit_kind_word(UNIT_TAG)) == 0 ? "request" : kind;
}

static void put_seen(FILE *out, const struct text_table *table, size_t row)
{
    fputs("<div><dt>seen in</dt><dd>", out);
    put(out, cell(table, row, "units"));
    fputs(" of ", out);
    put(out, cell(table, row, "units_of_route"));
    fprintf(out, " %ss</dd></div>", unit_word(table, row));
}

static const char *meaning(const struct text_table *table, size_t row)
{
    int verdict = verdict_find(cell(table, row, "verdict"));
    return verdict < 0 ? "" : verdict_text((enum verdict)verdict);
}

static void put_finding(FILE *out, const struct text_table *table, size_t row)
{
    static const char *const tags[] = {"confidence", "severity", "trend"};
    fputs("<article><h3>", out);
    put(out, cell(table, row, "route"));
    fputs(": ", out);
    put(out, report_title(table, row));
    fprintf(out, ", %.0f times in a %s</h3>", report_times(table, row), unit_word(table, row));
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        fputs("<span class=\"tag ", out);
        put(out, cell(table, row, tags[i]));
        fputs("\">", out);
        put(out, cell(table, row, tags[i]));
        fputs("</span>", out);
    }
    fprintf(out, "<p>%s</p><code>", meaning(table, row));
    put(out, cell(table, row, "shape"));
    fputs("</code>", out);
    put_parent(out, table, row);
    put_values(out, table, row);
    if (*cell(table, row, "suggestion")) {
        fputs("<div class=fix>", out);
        put(out, cell(table, row, "suggestion"));
        fputs("</div>", out);
    }
    fputs("<dl>", out);
    put_fact(out, "different parameters", cell(table, row, "distinct"));
    put_fact(out, "exact duplicates", cell(table, row, "dup"));
    put_fact(out, "round trips", cell(table, row, "round_trips"));
    put_fact(out, "at most", cell(table, row, "n_max"));
    put_seen(out, table, row);
    fputs("<div><dt>lost each time</dt><dd>", out);
    put_time(out, text_table_number(table, row, "lost_ms_per_unit"));
    fputs("</dd></div>", out);
    put_fact(out, "database", cell(table, row, "database"));
    put_fact(out, "user", cell(table, row, "user"));
    put_fact(out, "first seen", cell(table, row, "first_seen"));
    put_fact(out, "last seen", cell(table, row, "last_seen"));
    put_fact(out, "id", cell(table, row, "id"));
    fputs("</dl></article>", out);
}

static void put_cards(FILE *out, const struct text_table *table, const struct route *routes, size_t route_count)
{
    size_t gone = 0, critical = 0;
    double lost_ms = 0;
    for (size_t row = 0; row < text_table_rows(table); row++) {
        gone += is_gone(table, row);
        critical += !is_gone(table, row) && strcmp(cell(table, row, "severity"), severity_word(SEVERITY_CRITICAL)) == 0;
    }
    for (size_t i = 0; i < route_count; i++) lost_ms += routes[i].lost_ms;
    fprintf(out,
            "<div "
            "class=cards><div><b>%zu</b><span>findings</span></div><div><b>%zu</b><span>critical</span></div><div><b>%zu</b><span>gone</"
            "span></div><div><b>",
            text_table_rows(table) - gone, critical, gone);
    put_time(out, lost_ms);
    fputs("</b><span>lost in repeats</span></div></div>", out);
}

char *report_html(const struct text_table *table, int64_t since_us, int64_t now_us)
{
    char *text = NULL, now_text[REPORT_TIME_SIZE], since_text[REPORT_TIME_SIZE];
    size_t size = 0, rows = text_table_rows(table);
    FILE *out = open_memstream(&text, &size);
    if (!out) abort();
    struct route *routes = memory_zalloc((rows + 1) * sizeof *routes);
    size_t route_count = sum_routes(table, routes);
    report_format_time(now_us, now_text);
    report_format_time(since_us, since_text);
    fprintf(out,
            "%s<h1>Repeated queries</h1><p>Made at %s by pgturnstile, of %s%s. Time lost is a floor: what the repeats took, without the "
            "cost of the one query that could stand for them.</p>",
            head, now_text, since_us > 0 ? "what was seen since " : "all that was seen", since_us > 0 ? since_text : "");
    put_cards(out, table, routes, route_count);
    if (rows == 0) {
        fputs("<section>No repeated statements were seen.</section>", out);
    } else {
        put_charts(out, routes, route_count);
        fputs("<section><h2>Findings</h2>", out);
        for (size_t row = 0; row < rows; row++) put_finding(out, table, row);
        fputs("</section>", out);
    }
    fputs("</main></body></html>\n", out);
    free(routes);
    if (fclose(out)) abort();
    return text;
}
