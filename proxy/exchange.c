/*
 * The accounting of what a server owes. One byte an entry in a ring that grows; no contents, no sockets, no clock.
 *
 * Invariants: the first entry is never one that no reply will ever come for (they are trimmed as soon as they reach the front), so an empty
 * ring means that nothing is owed. Only Syncs are ever in doubt; `doubtful` counts them. They stand together, behind the certain Syncs next
 * to them, in the first run of Syncs of the ring: since all Syncs are answered alike it does not matter which of a run are answered,
 * but only how many, and what is certain is expected first.
 */
#include "proxy/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/memory.h"

enum kind {
    NOTHING,  /* withdrawn: no reply will come */
    COPY_END, /* CopyDone or CopyFail went by here: no reply of its own */
    PARSE,
    BIND,
    DESCRIBE_STATEMENT,
    DESCRIBE_PORTAL,
    EXECUTE,
    CLOSE,
    LOCAL_PARSE = EXCHANGE_KIND_LOCAL_PARSE, /* answered here */
    LOCAL_CLOSE = EXCHANGE_KIND_LOCAL_CLOSE,
    QUERY,
    SYNC,
    CALL
};

enum {
    KIND_MASK = EXCHANGE_KIND_MASK,
    IS_WATCHED = EXCHANGE_BIT_WATCHED,
    IS_INJECTED = 0x20,
    IS_OURS = EXCHANGE_BIT_OURS,
    IN_DOUBT = 0x80,
    FIRST_CAPACITY = 64
};

void exchange_init(struct exchange *exchange)
{
    *exchange = (struct exchange){.status = 'I'};
}

void exchange_fini(struct exchange *exchange)
{
    free(exchange->entries);
    *exchange = (struct exchange){.status = 'I'};
}

static uint8_t *entry_at(const struct exchange *exchange, uint32_t i)
{
    return &exchange->entries[(exchange->first + i) & (exchange->capacity - 1)];
}

static void grow(struct exchange *exchange)
{
    uint32_t capacity = exchange->capacity ? exchange->capacity * 2 : FIRST_CAPACITY;
    uint8_t *entries = memory_alloc(capacity);
    for (uint32_t i = 0; i < exchange->count; i++) entries[i] = *entry_at(exchange, i);
    free(exchange->entries);
    exchange->entries = entries;
    exchange->capacity = capacity;
    exchange->first = 0;
}

static void push(struct exchange *exchange, enum exchange_owner owner, enum kind kind)
{
    if (exchange->count == exchange->capacity) grow(exchange);
    uint8_t entry = (uint8_t)kind;
    if (owner == EXCHANGE_OURS) entry |= IS_OURS;
    if (owner == EXCHANGE_INJECTED) entry |= IS_OURS | IS_INJECTED;
    *entry_at(exchange, exchange->count++) = entry;
}

static bool is_reported(uint8_t entry)
{
    enum kind kind = entry & KIND_MASK;
    return kind == PARSE || kind == CLOSE || kind == LOCAL_PARSE || kind == LOCAL_CLOSE || (entry & IS_WATCHED);
}

static void pop(struct exchange *exchange, enum exchange_outcome outcome)
{
    assert(exchange->count > 0);
    uint8_t entry = exchange->entries[exchange->first];
    if (entry & IN_DOUBT) exchange->doubtful--;
    exchange->first = (exchange->first + 1) & (exchange->capacity - 1);
    exchange->count--;
    if (exchange->ended && is_reported(entry)) exchange->ended(exchange->ended_context, outcome);
}

static void trim(struct exchange *exchange)
{
    while (exchange->count > 0 && (exchange->entries[exchange->first] & KIND_MASK) <= COPY_END) pop(exchange, EXCHANGE_DONE);
}

static enum kind kind_at(const struct exchange *exchange, uint32_t i)
{
    return *entry_at(exchange, i) & KIND_MASK;
}

/* The end of the run of Syncs that begins at or right behind `from`. */
static uint32_t end_of_syncs(const struct exchange *exchange, uint32_t from)
{
    while (from < exchange->count && (kind_at(exchange, from) <= COPY_END || kind_at(exchange, from) == SYNC)) from++;
    return from;
}

/* Put the doubt on the last Syncs of the first run. */
static void move_doubt_back(struct exchange *exchange)
{
    uint32_t from = kind_at(exchange, 0) == SYNC ? 0 : 1, left = exchange->doubtful;
    for (uint32_t i = end_of_syncs(exchange, from); i-- > from;) {
        uint8_t *entry = entry_at(exchange, i);
        if ((*entry & KIND_MASK) != SYNC) continue;
        *entry &= (uint8_t)~IN_DOUBT;
        if (left > 0) {
            *entry |= IN_DOUBT;
            left--;
        }
    }
    assert(left == 0);
}

static bool is_extended(enum kind kind)
{
    return kind >= PARSE && kind <= LOCAL_CLOSE;
}

/* Of each message that a server gets: what it is here. Describe is of one kind or the other. */
static const uint8_t kinds[UINT8_MAX + 1] = {
    [FRONTEND_PARSE] = PARSE,        [FRONTEND_BIND] = BIND,          [FRONTEND_DESCRIBE] = DESCRIBE_PORTAL,
    [FRONTEND_EXECUTE] = EXECUTE,    [FRONTEND_CLOSE] = CLOSE,        [FRONTEND_QUERY] = QUERY,
    [FRONTEND_SYNC] = SYNC,          [FRONTEND_FUNCTION_CALL] = CALL, [FRONTEND_COPY_DONE] = COPY_END,
    [FRONTEND_COPY_FAIL] = COPY_END,
};

static enum kind kind_of_message(uint8_t type, char target_kind)
{
    enum kind kind = (enum kind)kinds[type];
    return kind == DESCRIBE_PORTAL && target_kind == 'S' ? DESCRIBE_STATEMENT : kind;
}

bool exchange_sent(struct exchange *exchange, enum exchange_owner owner, uint8_t type, char target_kind)
{
    enum kind kind = kind_of_message(type, target_kind);
    if (kind == NOTHING) return !exchange->is_skipping;
    if (kind == SYNC) {
        exchange->is_skipping = false;
        exchange->is_maybe_skipping = false;
        exchange->needs_sync = exchange_wants_copy_data(exchange) && kind_at(exchange, 0) == EXECUTE; /* ignored, then */
    } else if (exchange->is_skipping) {
        return false;
    } else if (kind == COPY_END) {
        if (exchange->is_copy_in) exchange->has_copy_end = true;
        if (exchange->count == 0) return true;
    } else {
        if (exchange->is_maybe_skipping) exchange->is_lost = true;
        exchange->needs_sync = is_extended(kind);
    }
    push(exchange, owner, kind);
    if (kind == SYNC && exchange->doubtful > 0) move_doubt_back(exchange);
    return true;
}

bool exchange_answer_here(struct exchange *exchange, uint8_t type)
{
    if (exchange->is_skipping) return false;
    if (exchange->is_maybe_skipping) exchange->is_lost = true;
    exchange->needs_sync = true;
    push(exchange, EXCHANGE_CLIENT, type == FRONTEND_PARSE ? LOCAL_PARSE : LOCAL_CLOSE);
    return true;
}

void exchange_watch_last(struct exchange *exchange)
{
    assert(exchange->count > 0);
    uint8_t *entry = entry_at(exchange, exchange->count - 1);
    assert((*entry & KIND_MASK) == EXECUTE || (*entry & KIND_MASK) == QUERY);
    *entry |= IS_WATCHED;
}

uint8_t exchange_local_reply(struct exchange *exchange)
{
    if (exchange->count == 0) return 0;
    enum kind kind = exchange->entries[exchange->first] & KIND_MASK;
    if (kind != LOCAL_PARSE && kind != LOCAL_CLOSE) return 0;
    pop(exchange, EXCHANGE_DONE);
    trim(exchange);
    return kind == LOCAL_PARSE ? BACKEND_PARSE_COMPLETE : BACKEND_CLOSE_COMPLETE;
}

/* The kinds of entries that a reply of each type belongs to: a bit for each. Some end the entry, with others it goes on. */
#define K(kind) (1u << (kind))
static const struct fit {
    uint16_t continues, ends;
} fits[UINT8_MAX + 1] = {
    [BACKEND_DATA_ROW] = {.continues = K(EXECUTE) | K(QUERY)},
    [BACKEND_ROW_DESCRIPTION] = {.continues = K(QUERY), .ends = K(DESCRIBE_STATEMENT) | K(DESCRIBE_PORTAL)},
    [BACKEND_COMMAND_COMPLETE] = {.continues = K(QUERY), .ends = K(EXECUTE)},
    [BACKEND_EMPTY_QUERY] = {.continues = K(QUERY), .ends = K(EXECUTE)},
    [BACKEND_PORTAL_SUSPENDED] = {.ends = K(EXECUTE)},
    [BACKEND_READY_FOR_QUERY] = {.ends = K(QUERY) | K(SYNC) | K(CALL)},
    [BACKEND_PARSE_COMPLETE] = {.ends = K(PARSE)},
    [BACKEND_BIND_COMPLETE] = {.ends = K(BIND)},
    [BACKEND_CLOSE_COMPLETE] = {.ends = K(CLOSE)},
    [BACKEND_PARAMETER_DESCRIPTION] = {.continues = K(DESCRIBE_STATEMENT)},
    [BACKEND_NO_DATA] = {.ends = K(DESCRIBE_STATEMENT) | K(DESCRIBE_PORTAL)},
    [BACKEND_COPY_IN] = {.continues = K(EXECUTE) | K(QUERY)},
    [BACKEND_COPY_OUT] = {.continues = K(EXECUTE) | K(QUERY)},
    [BACKEND_COPY_DATA] = {.continues = K(EXECUTE) | K(QUERY)},
    [BACKEND_COPY_DONE] = {.continues = K(EXECUTE) | K(QUERY)},
    [BACKEND_FUNCTION_RESULT] = {.continues = K(CALL)},
};
#undef K

/* The COPY that the front entry runs succeeded: the server has read its CopyDone, and ignored each Sync before that. */
static void copy_in_succeeded(struct exchange *exchange)
{
    for (uint32_t i = 1; i < exchange->count; i++) {
        enum kind kind = kind_at(exchange, i);
        if (kind == COPY_END || kind == SYNC) *entry_at(exchange, i) = NOTHING;
        if (kind == COPY_END) break;
    }
}

/*
 * It failed, nobody knows how far the server had read: it may have ignored each Sync before CopyDone. Not those behind anything else: that it
 * would have died of.
 */
static void copy_in_failed(struct exchange *exchange)
{
    for (uint32_t i = 1; i < exchange->count; i++) {
        enum kind kind = kind_at(exchange, i);
        if (kind == COPY_END) *entry_at(exchange, i) = NOTHING;
        if (kind != NOTHING && kind != SYNC) break;
        if (kind != SYNC) continue;
        *entry_at(exchange, i) |= IN_DOUBT;
        exchange->doubtful++;
    }
    if (exchange->doubtful > 0) move_doubt_back(exchange);
}

/*
 * The front entry reads COPY data from now on. Was its end sent already? The Syncs before that end nothing: unless there is one behind it,
 * an Execute needs another.
 */
static void copy_in_begins(struct exchange *exchange)
{
    uint32_t i = 1;
    while (i < exchange->count && kind_at(exchange, i) != COPY_END) i++;
    exchange->is_copy_in = true;
    exchange->has_copy_end = i < exchange->count;
    while (i < exchange->count && kind_at(exchange, i) < QUERY) i++;
    if (i >= exchange->count && kind_at(exchange, 0) == EXECUTE) exchange->needs_sync = true;
}

/* An error in the extended protocol: the server reads on to the next Sync without answering. */
static void skip_to_sync(struct exchange *exchange)
{
    for (enum exchange_outcome outcome = EXCHANGE_FAILED; exchange->count > 0 && kind_at(exchange, 0) != SYNC; outcome = EXCHANGE_SKIPPED)
        pop(exchange, outcome);
    if (exchange->count == 0) {
        exchange->is_skipping = true;
        exchange->needs_sync = true;
    } else if (exchange->entries[exchange->first] & IN_DOUBT) {
        /* Behind Syncs that may all have been ignored, what is not a Sync may be skipped or answered. */
        if (end_of_syncs(exchange, 0) < exchange->count) exchange->is_lost = true;
        exchange->is_maybe_skipping = true;
        exchange->needs_sync = true;
    }
}

/* A reply that is no ReadyForQuery came: the Syncs in doubt at the front were ignored. */
static void drop_doubtful(struct exchange *exchange)
{
    while (exchange->count > 0 && (exchange->entries[exchange->first] & IN_DOUBT)) {
        pop(exchange, EXCHANGE_SKIPPED);
        trim(exchange);
    }
}

static enum exchange_reply received_error(struct exchange *exchange)
{
    drop_doubtful(exchange);
    if (exchange->count == 0) return EXCHANGE_ASYNC; /* the server's last words */
    uint8_t front = exchange->entries[exchange->first];
    if (exchange->is_copy_in) copy_in_failed(exchange);
    exchange->is_copy_in = exchange->has_copy_end = false;
    if (is_extended(front & KIND_MASK)) skip_to_sync(exchange);
    return (front & IS_OURS) && !(front & IS_INJECTED) ? EXCHANGE_SWALLOW : EXCHANGE_FORWARD;
}

static void end_front(struct exchange *exchange)
{
    if (exchange->is_maybe_skipping) { /* a Sync in doubt was answered: that has ended it */
        exchange->is_maybe_skipping = false;
        exchange->needs_sync = false;
    }
    exchange->is_copy_in = exchange->has_copy_end = false;
    pop(exchange, EXCHANGE_DONE);
    trim(exchange);
}

enum exchange_reply exchange_received(struct exchange *exchange, uint8_t type, char status)
{
    switch (type) {
    case BACKEND_NOTICE:
    case BACKEND_PARAMETER_STATUS:
    case BACKEND_NOTIFICATION: return EXCHANGE_ASYNC;
    case BACKEND_ERROR: return exchange->is_lost ? EXCHANGE_UNEXPECTED : received_error(exchange);
    default: break;
    }
    if (exchange->is_lost) return EXCHANGE_UNEXPECTED;
    if (exchange->doubtful > 0 && type != BACKEND_READY_FOR_QUERY) drop_doubtful(exchange);
    if (exchange->count == 0) return EXCHANGE_UNEXPECTED;
    uint8_t front = exchange->entries[exchange->first];
    const struct fit *fit = &fits[type];
    unsigned kind = 1u << (front & KIND_MASK);
    if (!((fit->continues | fit->ends) & kind)) return EXCHANGE_UNEXPECTED;

    switch (type) {
    case BACKEND_COPY_IN:
        if (exchange->doubtful > 0) return EXCHANGE_UNEXPECTED; /* a COPY of this Query has failed already */
        copy_in_begins(exchange);
        break;
    case BACKEND_COMMAND_COMPLETE:
        if (exchange->is_copy_in) copy_in_succeeded(exchange);
        exchange->is_copy_in = exchange->has_copy_end = false;
        break;
    case BACKEND_READY_FOR_QUERY: exchange->status = status; break;
    default: break;
    }
    if (fit->ends & kind) end_front(exchange);
    return front & IS_OURS ? EXCHANGE_SWALLOW : EXCHANGE_FORWARD;
}

bool exchange_is_all_ours(const struct exchange *exchange)
{
    for (uint32_t i = 0; i < exchange->count; i++) {
        uint8_t entry = exchange->entries[(exchange->first + i) & (exchange->capacity - 1)];
        if (!(entry & IS_OURS) || (entry & IS_INJECTED)) return false;
    }
    return true;
}

bool exchange_is_doubtful(const struct exchange *exchange)
{
    if (exchange->doubtful == 0 || exchange->is_maybe_skipping) return false;
    return (exchange->entries[exchange->first] & IN_DOUBT) && end_of_syncs(exchange, 0) == exchange->count;
}

bool exchange_may_have_failed(const struct exchange *exchange)
{
    enum { LOOKED_AT_MAX = 64 };
    if (exchange->status == 'E' || exchange->count > LOOKED_AT_MAX) return true;
    for (uint32_t i = 0; i < exchange->count; i++) {
        uint8_t entry = *entry_at(exchange, i);
        if ((entry & KIND_MASK) >= QUERY && !(entry & IS_OURS)) return true;
    }
    return false;
}
