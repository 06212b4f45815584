/*
 * The client's half of the tap: which statement each message is about. Not for: SQL (statement_slots, parsed_shapes), values (bind_values), judgement (detector).
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/frontend.h"
#include "proxy/memory.h"
#include "proxy/tap_state.h"

void tap_sent_unbind(struct tap *tap)
{
    parsed_shape_unref(&tap->pending->bound.shape);
    tap->pending->bound.has_tags = false;
    if (tap->taps->bound_shown_of != tap) return;
    value_text_wipe(&tap->taps->bound_shown);
    tap->taps->bound_shown_of = NULL;
}

/* ---- executions ---- */

/* NULL: too much is owed to be followed. */
static struct owed *push(struct tap *tap, enum owed_kind kind)
{
    struct owed *owed = owed_push(&tap->pending->owed, kind);
    if (!owed) tap->is_lost = true;
    return owed;
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

/* The tags of its comments, which are no part of it any more then. False: it has none. */
static bool read_tags(struct tap *tap, struct tap_sql *sql, struct statement_tags *tags_out)
{
    return statement_tags_read(&tap->taps->tags, &tap->tag_memory, &sql->text, &sql->size, sql->strings, tags_out);
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

static void query(struct tap *tap, const struct tap_record *record, const char *sql)
{
    bool is_whole = record->available == record->size;
    size_t size = is_whole && record->size > 0 ? record->size - 1 : record->available;
    int64_t now_us = record->now_us;
    struct owed *owed = push(tap, OWED_QUERY);
    if (!owed || !record->is_scannable) return;
    owed->is_told = true;
    struct statement_tags tags;
    struct tap_sql statement = {sql, size, record->strings};
    bool has_tags = read_tags(tap, &statement, &tags);
    const struct statement_tags *known_tags = has_tags ? &tags : NULL;
    if (!run_template(tap, &statement, known_tags, now_us)) read_statements(tap, &statement, known_tags, now_us);
}

/* ---- the extended protocol ---- */

static void parse(struct tap *tap, const struct tap_record *record, const uint8_t *body)
{
    struct frontend_parse_message message;
    if (frontend_parse_parse(body, record->size, &message) != CODEC_OK) return;
    if (!record->is_scannable) {
        named_shapes_remove(&tap->names, message.statement);
        return;
    }
    size_t text_size = strlen(message.text);
    struct statement_tags tags;
    struct tap_sql statement = {message.text, text_size, record->strings};
    bool has_tags = read_tags(tap, &statement, &tags);
    struct parsed_shape *shape = parsed_shapes_get(tap->taps->parsed, statement.text, statement.size, record->strings);
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
    tap_sent_unbind(tap);
    if (frontend_parse_bind_names(body, available, &portal, &statement) != CODEC_OK) return;
    const struct named_shape *named = named_shapes_find(&tap->names, statement);
    if (!named) return;
    struct bound *bound = &tap->pending->bound;
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
    return tap->pending->bound.shape && tap->pending->bound.name == hash_portal(tap->taps, portal);
}

static void execute_portal(struct tap *tap, const uint8_t *body, size_t size, int64_t now_us)
{
    const char *portal;
    uint32_t max_rows;
    if (frontend_parse_execute(body, size, &portal, &max_rows) != CODEC_OK || !is_bound(tap, portal)) {
        push(tap, OWED_EXECUTE); /* of another portal, or the rest of one */
        return;
    }
    struct bound *bound = &tap->pending->bound;
    struct owed *owed = push(tap, OWED_EXECUTE);
    if (!owed) return;
    owed->results = bound->results;
    owed->is_told = true;
    owed->shape = parsed_shape_ref(bound->shape);
    struct execution execution;
    statement_slots_execute(&bound->shape->slots, bound->parameters, bound->parameter_count, &tap->taps->key, &execution,
                            tap->taps->execution_slots);
    execution.has_unknown_parameters |= !bound->are_parameters_known;
    execution.tags = bound->has_tags ? &bound->tags->tags : NULL;
    if (tap->taps->bound_shown_of == tap) execution.values = tap->taps->bound_shown.text;
    execute(tap, &execution, &bound->shape->description, now_us);
    tap_sent_unbind(tap); /* what is executed once more goes on where it was suspended */
}

static void describe(struct tap *tap, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK) return;
    struct parsed_shape *shape = NULL;
    if (kind == 'P') {
        if (is_bound(tap, name)) shape = tap->pending->bound.shape;
    } else {
        const struct named_shape *named = named_shapes_find(&tap->names, name);
        if (named) shape = named->shape;
    }
    struct owed *owed = push(tap, OWED_DESCRIBE);
    if (!owed) return;
    owed->is_portal = kind == 'P';
    owed->shape = shape ? parsed_shape_ref(shape) : NULL;
}

static void close_statement(struct tap *tap, const uint8_t *body, size_t size)
{
    char kind;
    const char *name;
    if (frontend_parse_target(body, size, &kind, &name) != CODEC_OK || kind != 'S') return;
    named_shapes_remove(&tap->names, name);
}

/* False: the server does not answer it, for it skips to the next Sync; or that cannot be followed. */
static bool is_followed(const struct tap *tap)
{
    return !tap->is_skipping && !tap->is_lost;
}

/* A round ends. Rounds can be followed where executions cannot. */
static void end_round(struct tap *tap)
{
    if (tap->is_skipping) return;
    if (!tap->is_lost) push(tap, OWED_SYNC);
    detector_sync(tap->client);
}

void tap_sent_read(struct tap *tap, const struct tap_record *record, const uint8_t *body)
{
    bool is_whole = record->available == record->size;
    switch (record->type) {
    case FRONTEND_QUERY:
        if (tap->is_skipping) return;
        if (record->is_begun) detector_begun(tap->client);
        if (!tap->is_lost) query(tap, record, (const char *)body);
        detector_sync(tap->client);
        break;
    case FRONTEND_PARSE:
        if (is_whole) parse(tap, record, body);
        break;
    case FRONTEND_BIND:
        if (is_followed(tap)) bind(tap, body, record->available, record->size);
        break;
    case FRONTEND_EXECUTE:
        if (record->is_begun && !tap->is_skipping) detector_begun(tap->client);
        if (is_followed(tap)) execute_portal(tap, body, record->available, record->now_us);
        break;
    case FRONTEND_DESCRIBE:
        if (is_followed(tap)) describe(tap, body, record->available);
        break;
    case FRONTEND_CLOSE:
        if (is_whole) close_statement(tap, body, record->size);
        break;
    case FRONTEND_SYNC:
        tap->is_skipping = false;
        end_round(tap);
        break;
    case FRONTEND_FUNCTION_CALL: end_round(tap); break;
    default: break;
    }
}
