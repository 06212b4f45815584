/*
 * The tap: which statement each message is about, and which execution each reply belongs to. Not for: SQL (statement_slots, parsed_shapes), values (bind_values,
 * result_columns), judgement (detector).
 *
 * Invariant: `owed` holds, in order, what the server has yet to answer of what was told to the detector; when that cannot be known any more, is_lost is set, and
 * nothing is told until nothing is owed.
 */
#include "proxy/tap.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "proxy/memory.h"
#include "proxy/named_shapes.h"
#include "proxy/owed.h"
#include "proxy/shown_values.h"
#include "proxy/statement_templates.h"

enum { PARSED_SHAPES_MAX = 4096, TEMPLATE_BYTES_MAX = 4 * 1024 * 1024 };

struct taps {
    struct detector *detector;
    struct sql_value_key key;
    struct parsed_shapes *parsed;
    struct statement_templates *templates;
    /* Scratch; holds nothing between two messages. */
    struct sql_fingerprint fingerprint;
    struct statement_slots slots;
    struct statement_source sources[SQL_LITERALS_MAX];
    struct sql_tags tags;
    struct bind_values values;
    struct result_columns columns;
    struct execution_slot execution_slots[STATEMENT_SLOTS_MAX];
    char canonical[SHAPE_TEXT_MAX];
    struct value_text shown; /* the parameters of the execution under way, where they are wanted */
    /* Those of the Bind that came last of all; the client that it is of may have to do without them when another's came in between. */
    struct value_text bound_shown;
    const struct tap *bound_shown_of;
};

/* The portal that was bound last. */
struct bound {
    uint64_t name; /* its hash */
    struct parsed_shape *shape;
    bool has_tags;
    struct statement_tags *tags; /* made when first needed */
    enum bind_format results;
    bool are_parameters_known;
    uint16_t parameter_count, capacity;
    struct statement_parameter *parameters;
};

enum rows { ROWS_NOT_ASKED, ROWS_UNWANTED, ROWS_WANTED };

struct tap {
    struct taps *taps;
    struct detector_client *client;
    struct named_shapes names;
    struct bound bound;
    struct owed_list owed;
    bool is_lost;
    bool is_skipping; /* an error was seen, its Sync was not sent yet */
    enum rows rows;   /* of the oldest execution that is not completed */
    struct result_columns *columns;
    uint64_t template_hint;
};

/* ---- making and freeing ---- */

struct taps *taps_new(const struct detector_settings *settings, const struct detector_host *host, int64_t wall_offset_us)
{
    struct taps *taps = memory_zalloc(sizeof *taps);
    if (RAND_bytes((unsigned char *)&taps->key, sizeof taps->key) != 1) abort(); /* without it values could be guessed from hashes */
    taps->detector = detector_new(settings, host, wall_offset_us);
    taps->parsed = parsed_shapes_new(&taps->key, PARSED_SHAPES_MAX);
    taps->templates = statement_templates_new(&taps->key, TEMPLATE_BYTES_MAX);
    return taps;
}

void taps_configure(struct taps *taps, const struct detector_settings *settings)
{
    detector_configure(taps->detector, settings);
    value_text_wipe(&taps->bound_shown);
    taps->bound_shown_of = NULL;
}

void taps_free(struct taps **taps)
{
    if (!*taps) return;
    parsed_shapes_free(&(*taps)->parsed);
    statement_templates_free(&(*taps)->templates);
    detector_free(&(*taps)->detector);
    free(*taps);
    *taps = NULL;
}

struct detector *taps_detector(const struct taps *taps)
{
    return taps->detector;
}

struct tap *tap_new(struct taps *taps, const char *database, const char *user, const char *address, int64_t now_us)
{
    struct tap *tap = memory_zalloc(sizeof *tap);
    tap->taps = taps;
    tap->client = detector_client_new(taps->detector, database, user, address, now_us);
    return tap;
}

static void unbind(struct tap *tap)
{
    parsed_shape_unref(&tap->bound.shape);
    tap->bound.has_tags = false;
    if (tap->taps->bound_shown_of != tap) return;
    value_text_wipe(&tap->taps->bound_shown);
    tap->taps->bound_shown_of = NULL;
}

void tap_free(struct tap **tap_pointer, int64_t now_us)
{
    struct tap *tap = *tap_pointer;
    if (!tap) return;
    *tap_pointer = NULL;
    detector_client_free(&tap->client, now_us);
    named_shapes_clear(&tap->names);
    unbind(tap);
    free(tap->bound.tags);
    free(tap->bound.parameters);
    owed_fini(&tap->owed);
    free(tap->columns);
    free(tap);
}

void tap_application_name(struct tap *tap, const char *name, int64_t now_us)
{
    detector_application_name(tap->client, name, now_us);
}

/* ---- executions ---- */

/* False: too much is owed to be followed. */
static bool push(struct tap *tap, struct owed owed)
{
    if (!owed_push(&tap->owed, owed)) tap->is_lost = true;
    return !tap->is_lost;
}

static void execute(struct tap *tap, const struct execution *execution, const struct shape_description *description, int64_t now_us)
{
    if (detector_statement(tap->client, execution, now_us)) return;
    detector_learn(tap->client, execution->shape, description, now_us);
    if (!detector_statement(tap->client, execution, now_us)) tap->is_lost = true;
}

/* ---- Query ---- */

/* Text of a client's. */
struct tap_sql {
    const char *text;
    size_t size;
    enum sql_strings strings;
};

/* The tags of its comments, which are no part of it any more then: they may be others each time. False: it has none. */
static bool read_tags(struct tap *tap, struct tap_sql *sql, struct statement_tags *tags_out)
{
    size_t start, end;
    struct sql_tags_comments comments;
    if (!sql_tags_may_be_in(sql->text, sql->size)) return false;
    bool has_tags = statement_tags_read(tags_out, sql->text, sql->size, sql->strings, &tap->taps->key, &tap->taps->tags, &comments);
    statement_tags_trim(&comments, sql->size, &start, &end);
    sql->text += start;
    sql->size = end - start;
    return has_tags;
}

/* EXECUTE name(arguments), of what PREPARE or Parse has made. False: not known. */
static bool execute_by_name(struct tap *tap, const struct statement_slots *arguments, const char *text, const struct statement_tags *tags,
                            int64_t now_us)
{
    struct taps *taps = tap->taps;
    char name[SQL_IDENTIFIER_SIZE_MAX + 1];
    sql_identifier_text(&taps->fingerprint.name, name);
    const struct named_shape *named = *name ? named_shapes_find(&tap->names, name) : NULL;
    if (!named) return false;
    struct statement_parameter parameters[SQL_LITERALS_MAX] = {{0}};
    size_t count = 0;
    for (uint16_t i = 0; i < arguments->source_count; i++) {
        uint16_t number = taps->fingerprint.literals[i].number;
        if (number == 0 || number > SQL_LITERALS_MAX) continue;
        parameters[number - 1].hash = arguments->sources[i].hash;
        if (number > count) count = number;
    }
    struct execution execution;
    const struct parsed_shape *shape = named->shape;
    statement_slots_execute(&shape->slots, parameters, count, &taps->key, &execution, taps->execution_slots);
    execution.tags = tags ? &tags->tags : NULL;
    if (detector_wants_values(taps->detector)) {
        shown_values_of_execute(&taps->shown, &shape->slots, &taps->fingerprint, text);
        execution.values = taps->shown.text;
    }
    execute(tap, &execution, &shape->description, now_us);
    return true;
}

/* A text like one that was read before. False: it has to be read, as it has for the values in it. */
static bool run_template(struct tap *tap, const struct tap_sql *sql, const struct statement_tags *tags, int64_t now_us)
{
    struct taps *taps = tap->taps;
    struct execution execution;
    if (detector_wants_values(taps->detector)) return false;
    if (!statement_templates_find(taps->templates, sql->text, sql->size, sql->strings, &tap->template_hint, &taps->slots, taps->sources))
        return false;
    statement_slots_execute(&taps->slots, NULL, 0, &taps->key, &execution, taps->execution_slots);
    execution.tags = tags ? &tags->tags : NULL;
    return detector_statement(tap->client, &execution, now_us);
}

static void run_statement(struct tap *tap, const struct tap_sql *sql, const struct sql_fingerprint_scan *scan,
                          const struct statement_tags *tags, int64_t now_us)
{
    struct taps *taps = tap->taps;
    statement_slots_read(&taps->slots, taps->sources, &taps->fingerprint, scan->text, &taps->key);
    if (taps->fingerprint.form == SQL_FORM_PREPARE) {
        char name[SQL_IDENTIFIER_SIZE_MAX + 1];
        sql_identifier_text(&taps->fingerprint.name, name);
        if (*name) named_shapes_set(&tap->names, name, parsed_shape_new(scan, &taps->fingerprint, &taps->key), tags);
    }
    if (taps->fingerprint.form == SQL_FORM_EXECUTE && taps->fingerprint.name.text &&
        execute_by_name(tap, &taps->slots, scan->text, tags, now_us))
        return;
    struct execution execution;
    statement_slots_execute(&taps->slots, NULL, 0, &taps->key, &execution, taps->execution_slots);
    execution.tags = tags ? &tags->tags : NULL;
    bool is_prepare = taps->fingerprint.form == SQL_FORM_PREPARE; /* it runs nothing of what it names */
    if (is_prepare) execution.shape = ~execution.shape | 1;
    if (detector_wants_values(taps->detector)) {
        shown_values_of_query(&taps->shown, &taps->fingerprint, scan->text);
        execution.values = taps->shown.text;
    }
    if (detector_statement(tap->client, &execution, now_us)) {
        if (scan->is_single) statement_templates_add(taps->templates, sql->text, sql->size, sql->strings, &taps->fingerprint, &taps->slots);
        return;
    }
    size_t size = sql_fingerprint_display(scan, &taps->fingerprint, taps->canonical, sizeof taps->canonical);
    struct shape_description description;
    statement_slots_describe(&taps->fingerprint, taps->canonical, size, &description);
    if (is_prepare) description.class = SHAPE_OTHER;
    detector_learn(tap->client, execution.shape, &description, now_us);
    if (!detector_statement(tap->client, &execution, now_us)) tap->is_lost = true;
}

static void run_empty(struct tap *tap, int64_t now_us)
{
    struct shape_description description;
    statement_slots_describe_empty(&description);
    struct execution execution = {.shape = 1};
    execute(tap, &execution, &description, now_us);
}

/* Token by token. */
static void read_statements(struct tap *tap, const struct tap_sql *sql, const struct statement_tags *tags, int64_t now_us)
{
    struct sql_fingerprint_scan scan;
    bool is_empty = true;
    sql_fingerprint_init(&scan, sql->text, sql->size, sql->strings, SQL_FINGERPRINT_SCAN_MAX);
    while (!tap->is_lost && sql_fingerprint_next(&scan, &tap->taps->fingerprint)) {
        is_empty = false;
        run_statement(tap, sql, &scan, tags, now_us);
    }
    if (tap->taps->shown.size > 0) value_text_wipe(&tap->taps->shown);
    if (is_empty) run_empty(tap, now_us);
}

static void query(struct tap *tap, const char *sql, size_t size, const struct tap_text *text, int64_t now_us)
{
    if (!push(tap, (struct owed){.kind = OWED_QUERY, .is_told = text->is_scannable}) || !text->is_scannable) return;
    struct statement_tags tags;
    struct tap_sql statement = {sql, size, text->strings};
    bool has_tags = read_tags(tap, &statement, &tags);
    const struct statement_tags *known_tags = has_tags ? &tags : NULL;
    if (!run_template(tap, &statement, known_tags, now_us)) read_statements(tap, &statement, known_tags, now_us);
    detector_sync(tap->client);
}

/* ---- the extended protocol ---- */

static void parse(struct tap *tap, const uint8_t *body, size_t size, const struct tap_text *text)
{
    struct frontend_parse_message message;
    if (frontend_parse_parse(body, size, &message) != CODEC_OK) return;
    if (!text->is_scannable) {
        named_shapes_remove(&tap->names, message.statement);
        return;
    }
    size_t text_size = strlen(message.text);
    struct statement_tags tags;
    struct tap_sql statement = {message.text, text_size, text->strings};
    bool has_tags = read_tags(tap, &statement, &tags);
    struct parsed_shape *shape = parsed_shapes_get(tap->taps->parsed, statement.text, statement.size, text->strings);
    if (shape) parsed_shape_set_types(shape, message.types, message.type_count);
    named_shapes_set(&tap->names, message.statement, shape, has_tags ? &tags : NULL);
}

static uint64_t hash_portal(const struct taps *taps, const char *portal)
{
    if (*portal == '\0') return 0;
    return sql_value_hash_text(&taps->key, 0, portal, strlen(portal));
}

static void bind(struct tap *tap, const uint8_t *body, size_t available, size_t size)
{
    const char *portal, *statement;
    struct taps *taps = tap->taps;
    unbind(tap);
    if (frontend_parse_bind_names(body, available, &portal, &statement) != CODEC_OK) return;
    const struct named_shape *named = named_shapes_find(&tap->names, statement);
    if (!named) return;
    struct bound *bound = &tap->bound;
    bound->name = hash_portal(taps, portal);
    bound->shape = parsed_shape_ref(named->shape);
    bound->has_tags = named->has_tags;
    if (named->has_tags) statement_tags_keep(&bound->tags, named->tags);
    bound->parameter_count = 0;
    bound->results = BIND_FORMAT_TEXT;
    size_t names_size = (size_t)((const uint8_t *)statement - body) + strlen(statement) + 1;
    bound->are_parameters_known = available == size && bind_values_read(&taps->values, body + names_size, size - names_size,
                                                                        named->shape->types, named->shape->type_count, &taps->key);
    if (!bound->are_parameters_known) return;
    if (detector_wants_values(taps->detector)) {
        shown_values_of_bind(&taps->bound_shown, &named->shape->slots, body + names_size, size - names_size, named->shape->types,
                             named->shape->type_count);
        taps->bound_shown_of = tap;
    }
    bound->are_parameters_known = taps->values.is_whole;
    bound->results = taps->values.results;
    if (bound->capacity < taps->values.count) {
        bound->capacity = taps->values.count;
        bound->parameters = memory_realloc(bound->parameters, bound->capacity * sizeof *bound->parameters);
    }
    bound->parameter_count = taps->values.count;
    if (taps->values.count > 0) memcpy(bound->parameters, taps->values.items, taps->values.count * sizeof taps->values.items[0]);
}

static bool is_bound(const struct tap *tap, const char *portal)
{
    return tap->bound.shape && tap->bound.name == hash_portal(tap->taps, portal);
}

static void execute_portal(struct tap *tap, const uint8_t *body, size_t size, int64_t now_us)
{
    const char *portal;
    uint32_t max_rows;
    if (frontend_parse_execute(body, size, &portal, &max_rows) != CODEC_OK || !is_bound(tap, portal)) {
        push(tap, (struct owed){.kind = OWED_EXECUTE}); /* of another portal, or the rest of one */
        return;
    }
    struct bound *bound = &tap->bound;
    struct owed owed = {.kind = OWED_EXECUTE, .results = bound->results, .is_told = true, .shape = parsed_shape_ref(bound->shape)};
    if (!push(tap, owed)) return;
    struct execution execution;
    statement_slots_execute(&bound->shape->slots, bound->parameters, bound->parameter_count, &tap->taps->key, &execution,
                            tap->taps->execution_slots);
    execution.has_unknown_parameters |= !bound->are_parameters_known;
    execution.tags = bound->has_tags ? &bound->tags->tags : NULL;
    if (tap->taps->bound_shown_of == tap) execution.values = tap->taps->bound_shown.text;
    execute(tap, &execution, &bound->shape->description, now_us);
    unbind(tap); /* what is executed once more goes on where it was suspended */
}

static void describe(struct tap *tap, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK) return;
    struct parsed_shape *shape = NULL;
    if (kind == 'P') {
        if (is_bound(tap, name)) shape = tap->bound.shape;
    } else {
        const struct named_shape *named = named_shapes_find(&tap->names, name);
        if (named) shape = named->shape;
    }
    push(tap, (struct owed){.kind = OWED_DESCRIBE, .is_portal = kind == 'P', .shape = shape ? parsed_shape_ref(shape) : NULL});
}

static void close_statement(struct tap *tap, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK || kind != 'S') return;
    named_shapes_remove(&tap->names, name);
}

void tap_sent(struct tap *tap, uint8_t type, const uint8_t *body, size_t available, size_t size, const struct tap_text *text,
              int64_t now_us)
{
    bool is_whole = available == size;
    if (type == FRONTEND_PARSE && is_whole) parse(tap, body, size, text);
    if (type == FRONTEND_CLOSE && is_whole) close_statement(tap, body, size);
    if (tap->is_lost) return;
    if (tap->is_skipping && type != FRONTEND_SYNC) return;
    switch (type) {
    case FRONTEND_QUERY: query(tap, (const char *)body, is_whole && size > 0 ? size - 1 : available, text, now_us); break;
    case FRONTEND_BIND: bind(tap, body, available, size); break;
    case FRONTEND_EXECUTE: execute_portal(tap, body, available, now_us); break;
    case FRONTEND_DESCRIBE: describe(tap, body, available); break;
    case FRONTEND_SYNC:
        tap->is_skipping = false;
        if (push(tap, (struct owed){.kind = OWED_SYNC})) detector_sync(tap->client);
        break;
    case FRONTEND_FUNCTION_CALL: push(tap, (struct owed){.kind = OWED_SYNC}); break;
    default: break;
    }
}

/* ---- replies ---- */

static struct result_columns *columns_of(struct tap *tap)
{
    if (!tap->columns) tap->columns = memory_zalloc(sizeof *tap->columns);
    return tap->columns;
}

static void on_row_description(struct tap *tap, const uint8_t *body, size_t size)
{
    struct owed *owed = owed_front(&tap->owed);
    if (!owed || size == 0) return;
    if (owed->kind == OWED_QUERY) {
        if (!owed->is_told || !detector_wants_rows(tap->client)) {
            tap->rows = ROWS_UNWANTED;
        } else if (result_columns_read(columns_of(tap), body, size)) {
            tap->rows = ROWS_WANTED;
            struct result_column list[DETECTOR_COLUMNS_MAX];
            result_columns_list(tap->columns, list);
            detector_columns(tap->client, list, tap->columns->count);
        }
    } else if (owed->kind == OWED_DESCRIBE) {
        if (owed->shape && !(owed->shape->columns && owed->shape->columns->has_formats >= owed->is_portal)) {
            if (!owed->shape->columns) owed->shape->columns = memory_zalloc(sizeof *owed->shape->columns);
            if (result_columns_read(owed->shape->columns, body, size)) owed->shape->columns->has_formats = owed->is_portal;
        }
        owed_pop(&tap->owed);
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
    struct result_column list[DETECTOR_COLUMNS_MAX];
    result_columns_list(tap->columns, list);
    detector_columns(tap->client, list, tap->columns->count);
    tap->rows = ROWS_WANTED;
}

static void on_data_row(struct tap *tap, const uint8_t *body, size_t size)
{
    const struct owed *owed = owed_front(&tap->owed);
    if (!owed || tap->rows == ROWS_UNWANTED) return;
    if (tap->rows == ROWS_NOT_ASKED) begin_rows(tap, owed, body, size);
    if (tap->rows == ROWS_UNWANTED) return;
    uint64_t hashes[DETECTOR_COLUMNS_MAX] = {0};
    bool is_read = size > 0 && result_columns_hash(tap->columns, owed->results, body, size, &tap->taps->key, hashes);
    if (!is_read) memset(hashes, 0, sizeof hashes);
    if (!detector_row(tap->client, hashes)) tap->rows = ROWS_UNWANTED;
}

/* "SELECT 5", "INSERT 0 1" */
static uint64_t rows_of_tag(const uint8_t *body, size_t size)
{
    const char *tag;
    if (backend_parse_command_complete(body, size, &tag) != CODEC_OK) return 0;
    const char *last = tag;
    uint64_t rows = 0;
    for (const char *at = tag; *at != '\0'; at++) {
        if (*at == ' ') last = at + 1;
    }
    while (*last >= '0' && *last <= '9') rows = rows * 10 + (uint64_t)(*last++ - '0');
    return rows;
}

static void completed(struct tap *tap, uint64_t rows, bool is_error, int64_t now_us)
{
    const struct owed *owed = owed_front(&tap->owed);
    tap->rows = ROWS_NOT_ASKED;
    if (!owed || (owed->kind != OWED_EXECUTE && owed->kind != OWED_QUERY)) return;
    if (owed->is_told) detector_done(tap->client, rows, is_error, now_us);
    if (owed->kind == OWED_EXECUTE) owed_pop(&tap->owed);
}

/* In the extended protocol everything up to the next Sync is off. */
static void on_error(struct tap *tap, int64_t now_us)
{
    bool is_query = owed_front(&tap->owed) && owed_front(&tap->owed)->kind == OWED_QUERY;
    completed(tap, 0, true, now_us);
    if (is_query) return;
    while (owed_front(&tap->owed) && owed_front(&tap->owed)->kind != OWED_SYNC && owed_front(&tap->owed)->kind != OWED_QUERY)
        owed_pop(&tap->owed);
    if (!owed_front(&tap->owed)) tap->is_skipping = true;
}

static void on_ready(struct tap *tap, const uint8_t *body, size_t size, int64_t now_us)
{
    enum owed_kind ended = OWED_EXECUTE;
    while (owed_front(&tap->owed) && ended != OWED_SYNC && ended != OWED_QUERY) {
        ended = owed_front(&tap->owed)->kind;
        owed_pop(&tap->owed);
    }
    tap->rows = ROWS_NOT_ASKED;
    char status;
    if (backend_parse_ready_for_query(body, size, &status) == CODEC_OK) detector_ready(tap->client, status, now_us);
}

const char *tap_running(struct tap *tap)
{
    const struct owed *owed = tap->is_lost ? NULL : owed_front(&tap->owed);
    if (!owed) return NULL;
    switch (owed->kind) {
    case OWED_SYNC: break;
    case OWED_DESCRIBE: return owed->shape ? owed->shape->description.text : NULL;
    case OWED_QUERY:
    case OWED_EXECUTE: return owed->is_told ? detector_running(tap->client) : NULL;
    }
    return NULL;
}

void tap_received(struct tap *tap, uint8_t type, const uint8_t *body, size_t size, int64_t now_us)
{
    if (tap->is_lost) {
        if (type == BACKEND_READY_FOR_QUERY) on_ready(tap, body, size, now_us);
        return;
    }
    switch (type) {
    case BACKEND_DATA_ROW: on_data_row(tap, body, size); break;
    case BACKEND_ROW_DESCRIPTION: on_row_description(tap, body, size); break;
    case BACKEND_NO_DATA:
        if (owed_front(&tap->owed) && owed_front(&tap->owed)->kind == OWED_DESCRIBE) owed_pop(&tap->owed);
        break;
    case BACKEND_PARAMETER_DESCRIPTION:
        if (owed_front(&tap->owed) && owed_front(&tap->owed)->kind == OWED_DESCRIBE && owed_front(&tap->owed)->shape && size >= 2)
            parsed_shape_set_types(owed_front(&tap->owed)->shape, body + 2, (uint16_t)((size - 2) / 4));
        break;
    case BACKEND_COMMAND_COMPLETE: completed(tap, rows_of_tag(body, size), false, now_us); break;
    case BACKEND_EMPTY_QUERY:
    case BACKEND_PORTAL_SUSPENDED: completed(tap, 0, false, now_us); break;
    case BACKEND_ERROR: on_error(tap, now_us); break;
    case BACKEND_READY_FOR_QUERY: on_ready(tap, body, size, now_us); break;
    default: break;
    }
}

void tap_rest(struct tap *tap)
{
    owed_clear(&tap->owed);
    tap->is_lost = tap->is_skipping = false;
    tap->rows = ROWS_NOT_ASKED;
}
