/*
 * The server's half of the tap: which execution each reply belongs to. Not for: values (result_columns), judgement (detector).
 */
#include <string.h>

#include "protocol/backend.h"
#include "proxy/memory.h"
#include "proxy/tap_state.h"

/* ---- replies ---- */

static struct result_columns *columns_of(struct tap *tap)
{
    if (!tap->pending->columns) tap->pending->columns = memory_zalloc(sizeof *tap->pending->columns);
    return tap->pending->columns;
}

/* Rows with these columns will come, and are wanted. */
static void tell_columns(struct tap *tap)
{
    struct result_column list[DETECTOR_COLUMNS_MAX];
    result_columns_list(tap->pending->columns, list);
    detector_columns(tap->client, list, tap->pending->columns->count);
    tap->rows = ROWS_WANTED;
}

static void on_row_description(struct tap *tap, const uint8_t *body, size_t size)
{
    struct owed *owed = owed_front(&tap->pending->owed);
    if (!owed || size == 0) return;
    if (owed->kind == OWED_QUERY) {
        if (!owed->is_told || !detector_wants_rows(tap->client)) {
            tap->rows = ROWS_UNWANTED;
        } else if (result_columns_read(columns_of(tap), body, size)) {
            tell_columns(tap);
        }
    } else if (owed->kind == OWED_DESCRIBE) {
        if (owed->shape && !(owed->shape->columns && owed->shape->columns->has_formats >= owed->is_portal)) {
            if (!owed->shape->columns) owed->shape->columns = memory_zalloc(sizeof *owed->shape->columns);
            if (result_columns_read(owed->shape->columns, body, size)) owed->shape->columns->has_formats = owed->is_portal;
        }
        owed_pop(&tap->pending->owed);
    }
}

/* The first row of an execution: is anybody interested? */
static void begin_rows(struct tap *tap, const struct owed *owed, const uint8_t *body, size_t size)
{
    tap->rows = ROWS_UNWANTED;
    if (owed->kind != OWED_EXECUTE || !owed->is_told || !detector_wants_rows(tap->client)) return;
    if (owed->shape && owed->shape->columns)
        *columns_of(tap) = *owed->shape->columns;
    else
        result_columns_guess(columns_of(tap), body, size);
    tell_columns(tap);
}

static void on_data_row(struct tap *tap, const uint8_t *body, size_t size)
{
    const struct owed *owed = owed_front(&tap->pending->owed);
    if (!owed) return;
    if (tap->rows == ROWS_NOT_ASKED) begin_rows(tap, owed, body, size);
    if (tap->rows == ROWS_UNWANTED) return;
    uint64_t hashes[DETECTOR_COLUMNS_MAX] = {0};
    bool is_read = size > 0 && result_columns_hash(tap->pending->columns, owed->results, body, size, &tap->taps->key, hashes);
    if (!is_read) memset(hashes, 0, sizeof hashes);
    if (!detector_row(tap->client, hashes)) tap->rows = ROWS_UNWANTED;
}

/* "SELECT 5", "INSERT 0 1": the number at the end, if there is one. */
static uint64_t rows_of_tag(const uint8_t *body, size_t size)
{
    uint64_t rows = 0, place = 1;
    if (size == 0 || body[size - 1] != '\0') return 0;
    for (size_t at = size - 1; at > 0 && body[at - 1] >= '0' && body[at - 1] <= '9'; at--) {
        rows += place * (uint64_t)(body[at - 1] - '0');
        place *= 10;
    }
    return rows;
}

static void completed(struct tap *tap, uint64_t rows, bool is_error, int64_t now_us)
{
    const struct owed *owed = owed_front(&tap->pending->owed);
    tap->rows = ROWS_NOT_ASKED;
    if (!owed || (owed->kind != OWED_EXECUTE && owed->kind != OWED_QUERY)) return;
    if (owed->is_told) detector_done(tap->client, rows, is_error, now_us);
    if (owed->kind == OWED_EXECUTE) owed_pop(&tap->pending->owed);
}

/* In the extended protocol everything up to the next Sync is off. */
static void on_error(struct tap *tap, int64_t now_us)
{
    struct owed_list *list = &tap->pending->owed;
    const struct owed *owed = owed_front(list);
    bool is_query = owed && owed->kind == OWED_QUERY;
    completed(tap, 0, true, now_us);
    if (is_query) return;
    while ((owed = owed_front(list)) && owed->kind != OWED_SYNC && owed->kind != OWED_QUERY) owed_pop(list);
    if (!owed) tap->is_skipping = true;
}

static void on_ready(struct tap *tap, const uint8_t *body, size_t size, int64_t now_us)
{
    struct owed_list *list = &tap->pending->owed;
    bool is_over = false;
    for (const struct owed *owed; !is_over && (owed = owed_front(list));) {
        is_over = owed->kind == OWED_SYNC || owed->kind == OWED_QUERY;
        owed_pop(list);
    }
    tap->rows = ROWS_NOT_ASKED;
    char status;
    if (backend_parse_ready_for_query(body, size, &status) == CODEC_OK) detector_ready(tap->client, status, now_us);
}

/* The Describe whose reply is due; NULL: something else is. */
static const struct owed *described(const struct tap *tap)
{
    const struct owed *owed = owed_front(&tap->pending->owed);
    return owed && owed->kind == OWED_DESCRIBE ? owed : NULL;
}

const char *tap_received_running(struct tap *tap)
{
    const struct owed *owed = tap->is_lost || !tap->pending ? NULL : owed_front(&tap->pending->owed);
    if (!owed) return NULL;
    switch (owed->kind) {
    case OWED_SYNC: break;
    case OWED_DESCRIBE: return owed->shape ? owed->shape->description.text : NULL;
    case OWED_QUERY:
    case OWED_EXECUTE: return owed->is_told ? detector_running(tap->client) : NULL;
    }
    return NULL;
}

void tap_received_read(struct tap *tap, const struct tap_record *record, const uint8_t *body)
{
    uint8_t type = record->type;
    size_t size = record->available;
    int64_t now_us = record->now_us;
    if (tap->is_lost) {
        if (type == BACKEND_READY_FOR_QUERY) on_ready(tap, body, size, now_us);
        return;
    }
    switch (type) {
    case BACKEND_DATA_ROW: on_data_row(tap, body, size); break;
    case BACKEND_ROW_DESCRIPTION: on_row_description(tap, body, size); break;
    case BACKEND_NO_DATA:
        if (described(tap)) owed_pop(&tap->pending->owed);
        break;
    case BACKEND_PARAMETER_DESCRIPTION:
        if (described(tap) && described(tap)->shape && size >= 2)
            parsed_shape_set_types(described(tap)->shape, body + 2, (uint16_t)((size - 2) / 4));
        break;
    case BACKEND_COMMAND_COMPLETE: completed(tap, rows_of_tag(body, size), false, now_us); break;
    case BACKEND_EMPTY_QUERY: completed(tap, 0, false, now_us); break;
    case BACKEND_PORTAL_SUSPENDED:
        if (owed_front(&tap->pending->owed) && owed_front(&tap->pending->owed)->is_told) detector_suspended(tap->client);
        completed(tap, 0, false, now_us);
        break;
    case BACKEND_ERROR: on_error(tap, now_us); break;
    case BACKEND_READY_FOR_QUERY: on_ready(tap, body, size, now_us); break;
    default: break;
    }
}

void tap_received_rest(struct tap *tap)
{
    if (tap->pending) owed_clear(&tap->pending->owed);
    tap->is_lost = tap->is_skipping = false;
    tap->rows = ROWS_NOT_ASKED;
}
