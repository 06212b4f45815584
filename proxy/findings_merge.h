#ifndef PROXY_FINDINGS_MERGE_H
#define PROXY_FINDINGS_MERGE_H

#include "proxy/findings.h"

/*
 * What two processes found, as if one had: of units of work that only one of them has counted. Buckets of time are merged, so both must have been
 * made for the same window (findings_new_alike).
 */

void findings_merge(struct findings *into, const struct findings *from);

#endif
