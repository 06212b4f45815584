#ifndef PROTOCOL_SQL_CANONICAL_H
#define PROTOCOL_SQL_CANONICAL_H

#include "protocol/sql_keyword.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The canonical tokens of a statement, on their way into a hash and, when there is room for it, into a text. A copy of the struct is a mark to which one
 * can go back.
 */
enum sql_canonical_kind { /* what decides about spaces */
                          CANONICAL_START,
                          CANONICAL_NAME,    /* a name, or a keyword that stands close to a parenthesis */
                          CANONICAL_KEYWORD, /* one that does not */
                          CANONICAL_PLACEHOLDER,
                          CANONICAL_OPEN,
                          CANONICAL_BRACKET,
                          CANONICAL_CLOSE, /* of either */
                          CANONICAL_COMMA,
                          CANONICAL_DOT,
                          CANONICAL_CAST,
                          CANONICAL_OPERATOR,
                          CANONICAL_ROWS,  /* (...) */
                          CANONICAL_ARRAY, /* [...] */
};

struct sql_canonical {
    uint64_t hash;
    uint32_t slot_count; /* placeholders so far */
    uint8_t last;        /* enum sql_canonical_kind */
    bool is_full;
    char *out; /* NULL: the hash only */
    size_t out_size, size;
};

void sql_canonical_init(struct sql_canonical *canonical, char *out, size_t out_size);

/* A text token behind a space where one belongs. Slow; only called when there is an `out`. */
void sql_canonical_write(struct sql_canonical *canonical, enum sql_canonical_kind kind, const char *text, size_t size);
void sql_canonical_write_folded(struct sql_canonical *canonical, enum sql_canonical_kind kind, const char *text, size_t size);
void sql_canonical_write_placeholder(struct sql_canonical *canonical);

/* The salts are odd, with as many ones as zeroes, and taken from the digits of pi. */
#define SQL_SALT_WORD  UINT64_C(0x3c6ef372fe94f82b)
#define SQL_SALT_TOKEN UINT64_C(0xa4093822299f31d1)

/* The two halves of a product, folded. */
static inline uint64_t sql_mix(uint64_t hash, uint64_t chunk, uint64_t salt)
{
    __extension__ unsigned __int128 product = (unsigned __int128)(hash ^ chunk) * salt;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Bytes as they are. `end` is where the readable memory ends. */
static inline uint64_t sql_mix_bytes(uint64_t hash, const char *text, size_t size, const char *end)
{
    uint64_t salt = SQL_SALT_TOKEN + (uint64_t)size * 0x100;
    size_t at = 0;
    for (; size - at > 8; at += 8) hash = sql_mix(hash, sql_load_chunk(text + at, 8, end), salt);
    return sql_mix(hash, sql_load_chunk(text + at, size - at, end), salt);
}

/* Many bytes as they are: 32 at once, so none waits for the one before. No bytes behind them are read. */
uint64_t sql_mix_run(uint64_t hash, const char *text, size_t size);

/* A token of one byte: the same hash as by sql_canonical_put(). */
static inline void sql_canonical_put_byte(struct sql_canonical *canonical, enum sql_canonical_kind kind, char byte)
{
    canonical->hash = sql_mix(canonical->hash, (uint8_t)byte, SQL_SALT_TOKEN + 0x100);
    if (canonical->out != NULL) sql_canonical_write(canonical, kind, &byte, 1);
    canonical->last = (uint8_t)kind;
}

static inline void sql_canonical_put(struct sql_canonical *canonical, enum sql_canonical_kind kind, const char *text, size_t size,
                                     const char *end)
{
    canonical->hash = sql_mix_bytes(canonical->hash, text, size, end);
    if (canonical->out != NULL) sql_canonical_write(canonical, kind, text, size);
    canonical->last = (uint8_t)kind;
}

/* The placeholder and the lists are one chunk each that no text has: a byte 0x01 is in no token that PostgreSQL takes. */
static inline void sql_canonical_put_placeholder(struct sql_canonical *canonical)
{
    canonical->hash = sql_mix(canonical->hash, 0x2401, SQL_SALT_TOKEN);
    canonical->slot_count++;
    if (canonical->out != NULL) sql_canonical_write_placeholder(canonical);
    canonical->last = CANONICAL_PLACEHOLDER;
}

/* CANONICAL_ROWS or CANONICAL_ARRAY. */
static inline void sql_canonical_put_list(struct sql_canonical *canonical, enum sql_canonical_kind kind)
{
    canonical->hash = sql_mix(canonical->hash, kind == CANONICAL_ROWS ? 0x2801 : 0x5b01, SQL_SALT_TOKEN);
    if (canonical->out != NULL) sql_canonical_write(canonical, kind, kind == CANONICAL_ROWS ? "(...)" : "[...]", 5);
    canonical->last = (uint8_t)kind;
}

uint64_t sql_canonical_finish(const struct sql_canonical *canonical);

#endif
