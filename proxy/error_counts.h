#ifndef PROXY_ERROR_COUNTS_H
#define PROXY_ERROR_COUNTS_H

#include <stdint.h>

/*
 * How often clients were told an error, by SQLSTATE. A server may make up any SQLSTATE it likes, so their number is bounded: what comes when the table is
 * full counts under "other".
 */
enum { ERROR_COUNTS_MAX = 256 };
enum error_source { ERROR_OF_SERVER, ERROR_OF_OURS };

struct error_count {
    char sqlstate[6];
    uint64_t of_servers, of_ours;
    int64_t last_us;
};

struct error_counts { /* a zeroed struct is empty */
    struct error_count counts[ERROR_COUNTS_MAX];
    uint32_t size;
};

/* `sqlstate` may be NULL, or longer than five bytes, which do not count. */
void error_counts_add(struct error_counts *counts, const char *sqlstate, enum error_source source, int64_t now_us);

#endif
