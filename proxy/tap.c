/*
 * Taps, and the journal through which all that they are told goes: written here as it passes, read by tap_sent.c and tap_received.c many messages at once.
 *
 * Invariant: whatever is asked of taps is answered after the journal has been read; so nobody can see that it is there, but for the time it saves.
 */
#include "proxy/tap.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/memory.h"
#include "proxy/tap_state.h"

enum {
    PARSED_SHAPES_MAX = 4096,
    TEMPLATE_BYTES_MAX = 4 * 1024 * 1024,
    UNREAD_MAX = TAP_JOURNAL_SIZE / 4 /* of one client: with more, it is found out whether further rows are wanted */
};

/* ---- reading ---- */

/* It reads a message: something is owed, or soon will be. */
static void make_pending(struct tap *tap)
{
    struct pending **pool = &tap->taps->free_pending;
    tap->pending = *pool;
    if (tap->pending)
        *pool = tap->pending->next_free;
    else
        tap->pending = memory_zalloc(sizeof *tap->pending);
}

static void rest(struct tap *tap)
{
    struct pending *pending = tap->pending;
    tap_received_rest(tap);
    if (!pending) return;
    tap_sent_unbind(tap);
    tap->pending = NULL;
    pending->next_free = tap->taps->free_pending;
    tap->taps->free_pending = pending;
}

static void free_pending(struct pending *pending)
{
    owed_fini(&pending->owed);
    free(pending->bound.tags);
    free(pending->bound.parameters);
    free(pending->columns);
    free(pending);
}

static void free_tap(struct tap *tap, int64_t now_us)
{
    detector_client_free(&tap->client, now_us);
    named_shapes_clear(&tap->names);
    rest(tap);
    free(tap->tag_memory);
    free(tap);
}

static inline void read_record(const struct tap_record *record, const uint8_t *body)
{
    struct tap *tap = record->tap;
    if (!tap->pending && (record->event == TAP_EVENT_SENT || record->event == TAP_EVENT_RECEIVED)) make_pending(tap);
    switch ((enum tap_event)record->event) {
    case TAP_EVENT_SENT: tap_sent_read(tap, record, body); break;
    case TAP_EVENT_RECEIVED:
        if (record->type == BACKEND_DATA_ROW && tap->rows == ROWS_UNWANTED) break;
        tap_received_read(tap, record, body);
        break;
    case TAP_EVENT_REST: break;
    case TAP_EVENT_APPLICATION_NAME: detector_application_name(tap->client, (const char *)body, record->now_us); break;
    case TAP_EVENT_LEFT: free_tap(tap, record->now_us); return;
    }
    if (record->is_at_rest) rest(tap);
}

/* Not in line: it would make the way of each message longer. */
__attribute__((noinline)) static void read_journal(struct taps *taps)
{
    size_t position = 0;
    for (const struct tap_record *record; (record = tap_journal_next(&taps->journal, &position)) != NULL;) {
        record->tap->unread = 0;
        read_record(record, (const uint8_t *)(record + 1));
    }
    tap_journal_clear(&taps->journal);
}

/* ---- writing ---- */

/* A record to be filled in, and then given to end_record with the body. */
static inline struct tap_record *begin_record(struct tap *tap, size_t available)
{
    struct taps *taps = tap->taps;
    tap->unread += (uint32_t)available + 1;
    return available <= TAP_JOURNAL_BODY_MAX ? tap_journal_add(&taps->journal, available) : &taps->alone;
}

__attribute__((noinline)) static void read_alone(struct taps *taps, const void *body)
{
    read_journal(taps);
    taps->alone.tap->unread = 0;
    read_record(&taps->alone, body);
}

static inline void end_record(struct taps *taps, struct tap_record *record, const void *body)
{
    if (record == &taps->alone) {
        read_alone(taps, body);
        return;
    }
    if (record->available > 0) memcpy(record + 1, body, record->available);
    if (tap_journal_is_full(&taps->journal)) read_journal(taps);
}

/* What has no body. */
static void note(struct tap_record event)
{
    struct tap_record *record = begin_record(event.tap, 0);
    *record = event;
    end_record(event.tap->taps, record, "");
}

static bool is_read_of_clients(uint8_t type)
{
    switch (type) {
    case FRONTEND_QUERY:
    case FRONTEND_PARSE:
    case FRONTEND_BIND:
    case FRONTEND_EXECUTE:
    case FRONTEND_DESCRIBE:
    case FRONTEND_CLOSE:
    case FRONTEND_SYNC:
    case FRONTEND_FUNCTION_CALL: return true;
    default: return false;
    }
}

void tap_sent(struct tap *tap, uint8_t type, const uint8_t *body, size_t available, size_t size, const struct tap_text *text,
              int64_t now_us)
{
    if (!is_read_of_clients(type)) return;
    struct tap_record *record = begin_record(tap, available);
    *record = (struct tap_record){.tap = tap,
                                  .now_us = now_us,
                                  .size = (uint32_t)size,
                                  .available = (uint32_t)available,
                                  .event = TAP_EVENT_SENT,
                                  .type = type,
                                  .is_scannable = text->is_scannable,
                                  .is_begun = text->is_begun,
                                  .strings = (uint8_t)text->strings};
    end_record(tap->taps, record, body);
}

/* Whether the row may be wanted. */
static bool is_row_for_us(const struct tap *tap)
{
    return tap->taps->looks_at_rows && (tap->unread > 0 || tap->rows != ROWS_UNWANTED);
}

static bool is_read_of_servers(uint8_t type)
{
    switch (type) {
    case BACKEND_DATA_ROW:
    case BACKEND_ERROR:
    case BACKEND_ROW_DESCRIPTION:
    case BACKEND_NO_DATA:
    case BACKEND_PARAMETER_DESCRIPTION:
    case BACKEND_COMMAND_COMPLETE:
    case BACKEND_EMPTY_QUERY:
    case BACKEND_PORTAL_SUSPENDED:
    case BACKEND_READY_FOR_QUERY: return true;
    default: return false;
    }
}

void tap_received(struct tap *tap, uint8_t type, const uint8_t *body, size_t size, int64_t now_us)
{
    if (!is_read_of_servers(type) || (type == BACKEND_DATA_ROW && !is_row_for_us(tap))) return;
    if (type == BACKEND_ERROR) size = 0; /* what it says does not matter */
    struct tap_record *record = begin_record(tap, size);
    *record = (struct tap_record){
        .tap = tap, .now_us = now_us, .size = (uint32_t)size, .available = (uint32_t)size, .event = TAP_EVENT_RECEIVED, .type = type};
    end_record(tap->taps, record, body);
    if (type == BACKEND_DATA_ROW && tap->unread > UNREAD_MAX) read_journal(tap->taps);
}

void tap_rest(struct tap *tap)
{
    struct tap_journal *journal = &tap->taps->journal;
    if (journal->last && journal->last->tap == tap)
        journal->last->is_at_rest = true;
    else
        note((struct tap_record){.tap = tap, .event = TAP_EVENT_REST, .is_at_rest = true});
}

void tap_application_name(struct tap *tap, const char *name, int64_t now_us)
{
    uint32_t size = (uint32_t)strlen(name) + 1;
    struct tap_record *record = begin_record(tap, size);
    *record = (struct tap_record){.tap = tap, .now_us = now_us, .size = size, .available = size, .event = TAP_EVENT_APPLICATION_NAME};
    end_record(tap->taps, record, name);
}

const char *tap_running(struct tap *tap)
{
    read_journal(tap->taps);
    return tap_received_running(tap);
}

/* ---- making and freeing ---- */

struct taps *taps_new(const struct detector_settings *settings, const struct detector_host *host, int64_t wall_offset_us)
{
    struct taps *taps = memory_zalloc(sizeof *taps);
    if (RAND_bytes((unsigned char *)&taps->key, sizeof taps->key) != 1) abort(); /* without it values could be guessed from hashes */
    statement_tags_init(&taps->tags, &taps->key);
    taps->detector = detector_new(settings, host, wall_offset_us);
    taps->looks_at_rows = settings->analysis == ANALYSIS_FULL;
    taps->parsed = parsed_shapes_new(&taps->key, PARSED_SHAPES_MAX);
    taps->templates = statement_templates_new(&taps->key, TEMPLATE_BYTES_MAX);
    return taps;
}

void taps_configure(struct taps *taps, const struct detector_settings *settings)
{
    read_journal(taps);
    detector_configure(taps->detector, settings);
    taps->looks_at_rows = settings->analysis == ANALYSIS_FULL;
    value_text_wipe(&taps->bound_shown);
    taps->bound_shown_of = NULL;
}

void taps_free(struct taps **taps_pointer)
{
    struct taps *taps = *taps_pointer;
    *taps_pointer = NULL;
    if (!taps) return;
    read_journal(taps);
    parsed_shapes_free(&taps->parsed);
    statement_templates_free(&taps->templates);
    for (struct pending *pending = taps->free_pending, *next; pending; pending = next) {
        next = pending->next_free;
        free_pending(pending);
    }
    detector_free(&taps->detector);
    free(taps);
}

struct detector *taps_detector(struct taps *taps)
{
    read_journal(taps);
    return taps->detector;
}

struct tap *tap_new(struct taps *taps, const char *database, const char *user, const char *address, int64_t now_us)
{
    struct tap *tap = memory_zalloc(sizeof *tap);
    tap->taps = taps;
    tap->client = detector_client_new(taps->detector, database, user, address, now_us);
    return tap;
}

void tap_free(struct tap **tap_pointer, int64_t now_us)
{
    struct tap *tap = *tap_pointer;
    *tap_pointer = NULL;
    if (tap) note((struct tap_record){.tap = tap, .now_us = now_us, .event = TAP_EVENT_LEFT});
}
