#ifndef PROXY_FINDING_LOG_H
#define PROXY_FINDING_LOG_H

#include "proxy/findings.h"

/*
 * The log line of a finding in one unit of work: what a person who only greps the log gets. While the unit goes on its numbers are lower bounds, and n is
 * written as ">=5". The canonical text has no literals, so no value of a query is in the line.
 */
void finding_log(const struct finding_notice *notice, const struct observation *observation);

#endif
