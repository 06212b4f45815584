#ifndef PROXY_REPORT_HANDOVER_H
#define PROXY_REPORT_HANDOVER_H

#include "proxy/commons.h"

/*
 * The findings on their way from one process to the next, in an online restart. The older gives what it has found when the younger begins, goes on from
 * nothing, and gives the rest when it ends: so each unit of work is counted once.
 */

/*
 * A descriptor to be read by the next process; they are nobody's here afterwards. `is_end`: units of work that are open end here. -1: they stay, and the log says
 * why.
 */
int report_handover_give(struct commons *commons, bool is_end);
/* Adds what was given; the descriptor is closed. */
void report_handover_take(struct commons *commons, int fd);

#endif
