#ifndef PROXY_ENDING_H
#define PROXY_ENDING_H

#include "proxy/entrance.h"
#include "proxy/takeover.h"

/*
 * How a worker ends. Nobody new comes in; clients end with their transactions, at once, or when they please; then servers are told to go, and it is over when
 * PostgreSQL has let go of the last one. The console looks on to the end.
 */
struct ending {
    struct pools *pools;
    struct entrance *entrance;
    struct takeover *takeover; /* its other process ends with us */
    ev_timer timer;            /* restart_timeout, then shutdown_timeout, then the time that servers have to go */
    bool is_at_once;
};

void ending_init(struct ending *ending, struct pools *pools, struct entrance *entrance, struct takeover *takeover);
/* Each client ends with its transaction, and shutdown_timeout bounds that. Asked for again: at once. */
void ending_with_transactions(struct ending *ending);
/* Clients that are here stay for as long as they like. */
void ending_with_clients(struct ending *ending);
/* All clients end now. Asked for again: whatever is not done by now is left. */
void ending_at_once(struct ending *ending);
/* With the transactions, when this time is over. */
void ending_schedule(struct ending *ending, int64_t after_us);
/* To be called about once a second. */
void ending_tick(struct ending *ending);
/* To be called once a turn of the loop. True: clients and servers are gone. */
bool ending_is_over(struct ending *ending);

#endif
