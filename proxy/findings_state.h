#ifndef PROXY_FINDINGS_STATE_H
#define PROXY_FINDINGS_STATE_H

#include "proxy/error.h"
#include "proxy/findings.h"

/*
 * Findings as text, so that they survive a restart. A line a finding, a line a route; the first line names the version. What is not understood is refused as
 * a whole: a half-read state would show findings as gone that are not. Values of parameters are never in it.
 */

/* The caller frees it. */
char *findings_encode(const struct findings *findings, size_t *size_out);
/* Into empty findings. 0, or -1 with `error` filled and the findings empty. */
int findings_decode(struct findings *findings, const char *text, size_t size, struct error *error) __attribute__((warn_unused_result));

#endif
