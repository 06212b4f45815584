#ifndef PROXY_TAP_JOURNAL_H
#define PROXY_TAP_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "protocol/sql_lex.h"

/*
 * Messages of all clients in the order in which they passed, kept for a moment: what reads them finds its code and its tables in the caches when it reads many at once,
 * and not when it reads each one between two pieces of the relay's work. A fixed stretch of memory, filled from the front and emptied as a whole. All of it is in
 * line, since it is in the way of every message.
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
    bool is_at_rest;    /* after it nothing is owed to the client */
    enum sql_strings strings;
};

enum { TAP_JOURNAL_SIZE = 16384 };
struct tap_journal {
    size_t used;
    struct tap_record *last; /* NULL: it is empty */
    _Alignas(struct tap_record) uint8_t bytes[TAP_JOURNAL_SIZE];
};

static inline size_t tap_journal_bytes(const struct tap_record *record)
{
    size_t alignment = _Alignof(struct tap_record);
    return (sizeof *record + record->available + alignment - 1) & ~(alignment - 1);
}

/* False: there is no room. */
static inline bool tap_journal_add(struct tap_journal *journal, struct tap_record record, const void *body)
{
    size_t bytes = tap_journal_bytes(&record);
    if (bytes > sizeof journal->bytes - journal->used) return false;
    journal->last = (struct tap_record *)(void *)(journal->bytes + journal->used);
    *journal->last = record;
    if (record.available > 0) memcpy(journal->last + 1, body, record.available);
    journal->used += bytes;
    return true;
}

/* The record at *position, which goes on to the next one; NULL: there is none. Its body is right behind it. */
static inline const struct tap_record *tap_journal_next(const struct tap_journal *journal, size_t *position)
{
    if (*position == journal->used) return NULL;
    const struct tap_record *record = (const struct tap_record *)(const void *)(journal->bytes + *position);
    *position += tap_journal_bytes(record);
    return record;
}

static inline void tap_journal_clear(struct tap_journal *journal)
{
    journal->used = 0;
    journal->last = NULL;
}

#endif
