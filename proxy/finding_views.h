#ifndef PROXY_FINDING_VIEWS_H
#define PROXY_FINDING_VIEWS_H

#include "proxy/findings.h"

/* Findings as reports show them: over a stretch of time, in order, with a trend. Times as in findings.h. */
enum trend { TREND_STEADY, TREND_NEW, TREND_WORSE, TREND_BETTER, TREND_GONE };
const char *trend_word(enum trend trend);

/* A finding over a stretch of time, as reports show it. */
struct finding_view {
    const struct finding *finding;
    struct finding_totals totals; /* of that stretch */
    uint64_t units_of_route;
    uint32_t n_p50, n_p95, n_max;
    uint32_t distinct, duplicates, round_trips; /* of a unit, on average */
    int64_t lost_us_per_unit;
    enum trend trend; /* of the last window against the one before it */
};

/*
 * All that were seen since `since_us` (0: ever), and those that are gone (their totals may be zero then), the largest total lost time first. *views_out is the
 * caller's to free; valid until the next change of the findings.
 */
size_t finding_views_rank(const struct findings *findings, int64_t since_us, int64_t now_us, struct finding_view **views_out);
void finding_view(const struct findings *findings, const struct finding *finding, int64_t since_us, int64_t now_us,
                  struct finding_view *view_out);
void finding_suggestion(const struct finding *finding, char *text_out, size_t size); /* SUGGESTION_MAX */

#endif
