#ifndef PROXY_LOOKUP_H
#define PROXY_LOOKUP_H

#include "proxy/pool.h"

/*
 * The names of the columns that feed N+1 queries: results tell them by number, PostgreSQL's catalog by name. One question at a time, seldom, and only of a server
 * that nobody needs. A zeroed struct has asked nothing. Belongs to one worker.
 */
enum { LOOKUP_FRUITLESS_MAX = 16, LOOKUP_NAME_MAX = 64 };

struct lookup_subject {
    char database[LOOKUP_NAME_MAX];
    uint32_t table_oid;
    int16_t attnum;
};

struct lookup {
    size_t rotation;
    int64_t due_us;        /* of the next question */
    struct server *server; /* that is answering; NULL: none */
    struct lookup_subject subject;
    bool has_names;
    struct lookup_subject fruitless[LOOKUP_FRUITLESS_MAX]; /* dropped since: asked once */
    uint32_t fruitless_count;
};

/* Asks, when it is time for it, there is something to ask, and a server of that database is idle. To be called about once a second. */
void lookup_run(struct lookup *lookup, struct pools *pools);
/* A message of the server's answer; `size` 0: its body is not whole. */
void lookup_answer(struct server *server, uint8_t type, const uint8_t *body, size_t size);
/* The server is gone; harmless when it was not asked. */
void lookup_forget(struct server *server);

#endif
