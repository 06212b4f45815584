#ifndef PROXY_TAP_JOURNAL_H
#define PROXY_TAP_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/sql_lex.h"

/*
 * Messages of all clients in the order in which they passed, kept for a moment: what reads them finds its code and its tables in the caches when it reads many at once,
 * and not when it reads each one between two pieces of the relay's work. A fixed stretch of memory, filled from the front and emptied as a whole, as soon as
 * tap_journal_is_full. All of it is in line, since it is in the way of every message.
 */
enum tap_event {
    TAP_EVENT_SENT,
    TAP_EVENT_RECEIVED,
    TAP_EVENT_REST,             /* nothing but is_at_rest */
    TAP_EVENT_APPLICATION_NAME, /* the body is the name, with its 0 */
    TAP_EVENT_LEFT              /* the client is gone */
};
struct tap_record {
    struct tap *tap;
    int64_t now_us;
    uint32_t size;      /* of the message's body */
    uint32_t available; /* so many bytes of it follow the record */
    uint8_t event;      /* enum tap_event */
    uint8_t type;       /* of the message */
    bool is_scannable;  /* SENT: as in struct tap_text */
    bool is_begun;      /* the same */
    uint8_t strings;    /* the same: enum sql_strings */
    bool is_at_rest;    /* after it nothing is owed to the client */
};

enum { TAP_JOURNAL_SIZE = 16384, TAP_JOURNAL_BODY_MAX = 4096 /* of one message */ };
struct tap_journal {
    size_t used;
    struct tap_record *last; /* NULL: it is empty */
    _Alignas(struct tap_record) uint8_t bytes[TAP_JOURNAL_SIZE];
};

/* With a body of so many bytes. */
static inline size_t tap_journal_bytes(size_t available)
{
    size_t alignment = _Alignof(struct tap_record);
    return (sizeof(struct tap_record) + available + alignment - 1) & ~(alignment - 1);
}

/* It must be emptied before anything is added. */
static inline bool tap_journal_is_full(const struct tap_journal *journal)
{
    return journal->used > TAP_JOURNAL_SIZE - sizeof(struct tap_record) - TAP_JOURNAL_BODY_MAX;
}

/* A record for the caller to fill in, with room for at most TAP_JOURNAL_BODY_MAX bytes behind it. */
static inline struct tap_record *tap_journal_add(struct tap_journal *journal, size_t available)
{
    struct tap_record *record = (struct tap_record *)(void *)(journal->bytes + journal->used);
    journal->last = record;
    journal->used += tap_journal_bytes(available);
    return record;
}

/* The record at *position, which goes on to the next one; NULL: there is none. Its body is right behind it. */
static inline const struct tap_record *tap_journal_next(const struct tap_journal *journal, size_t *position)
{
    if (*position == journal->used) return NULL;
    const struct tap_record *record = (const struct tap_record *)(const void *)(journal->bytes + *position);
    *position += tap_journal_bytes(record->available);
    return record;
}

static inline void tap_journal_clear(struct tap_journal *journal)
{
    journal->used = 0;
    journal->last = NULL;
}

#endif
