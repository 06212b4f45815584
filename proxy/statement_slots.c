/*
 * Literals to slots, and what a canonical text says about its shape. Not for: fingerprints, values of parameters.
 */
#include "proxy/statement_slots.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "protocol/sql_relations.h"

/* ---- slots ---- */

/* Whether the word before `position`, blanks apart, is OFFSET. */
static bool is_behind_offset(const char *text, size_t position)
{
    static const char word[] = "offset";
    size_t size = sizeof word - 1;
    while (position > 0 && (isspace((unsigned char)text[position - 1]) || text[position - 1] == '(')) position--;
    return position >= size && strncasecmp(text + position - size, word, size) == 0;
}

static enum slot_role role_of(const struct sql_literal *literal, const char *text)
{
    if (literal->slot == 0) return SLOT_LIST;
    if (literal->is_paging) return is_behind_offset(text, literal->start) ? SLOT_OFFSET : SLOT_LIMIT;
    switch ((enum sql_comparison)literal->comparison) {
    case SQL_COMPARISON_EQUAL: return SLOT_EQUAL;
    case SQL_COMPARISON_LESS:
    case SQL_COMPARISON_GREATER: return SLOT_RANGE;
    case SQL_COMPARISON_ANY: return SLOT_LIST;
    case SQL_COMPARISON_OTHER:
    case SQL_COMPARISON_ASSIGN: break;
    }
    return SLOT_VALUE;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static struct statement_source source_of(const struct sql_literal *literal, const char *text, const struct sql_value_key *key)
{
    bool is_parameter = literal->kind == SQL_LITERAL_PARAMETER;
    return (struct statement_source){.slot = literal->slot,
                                     .parameter = is_parameter ? literal->number : 0,
                                     .role = (uint8_t)role_of(literal, text),
                                     .hash = is_parameter ? 0 : sql_value_hash_literal(key, text, literal)};
}

void statement_slots_read(struct statement_slots *slots, struct statement_source buffer[SQL_LITERALS_MAX],
                          const struct sql_fingerprint *fingerprint, const char *text, const struct sql_value_key *key)
{
    uint32_t count = fingerprint->literal_count < SQL_LITERALS_MAX ? fingerprint->literal_count : SQL_LITERALS_MAX;
    slots->fingerprint = fingerprint->hash;
    slots->list_length = larger(fingerprint->list_length, fingerprint->row_count);
    slots->slot_count = (uint16_t)(fingerprint->slot_count < SQL_LITERALS_MAX ? fingerprint->slot_count : SQL_LITERALS_MAX);
    slots->source_count = 0;
    slots->sources = buffer;
    slots->has_list = false;
    slots->opens_cursor = fingerprint->form == SQL_FORM_DECLARE;
    slots->is_incomplete = fingerprint->is_truncated;
    slots->rest = fingerprint->literal_rest;
    for (uint32_t i = 0; i < count; i++) {
        const struct sql_literal *literal = &fingerprint->literals[i];
        struct statement_source *source = &buffer[slots->source_count++];
        if (literal->slot == 0) slots->has_list = true;
        *source = source_of(literal, text, key);
        if (literal->slot > slots->slot_count || (literal->kind == SQL_LITERAL_PARAMETER && literal->number == 0))
            slots->is_incomplete = true;
    }
}

/* Parameters may stand among what has no source. */
static uint64_t hash_rest(const struct statement_slots *slots, const struct statement_parameter *parameters, size_t parameter_count,
                          const struct sql_value_key *key)
{
    uint64_t hash = slots->rest;
    for (size_t i = 0; i < parameter_count; i++) hash = sql_value_hash_combine(key, hash, parameters[i].hash);
    return hash;
}

void statement_slots_execute(const struct statement_slots *slots, const struct statement_parameter *parameters, size_t parameter_count,
                             const struct sql_value_key *key, struct execution *execution_out, struct execution_slot *out_slots)
{
    uint64_t list_hash = 0;
    uint32_t in_list = 0;
    uint16_t count = slots->slot_count;
    bool is_incomplete = slots->is_incomplete;
    execution_out->list_length = slots->list_length;
    execution_out->opens_cursor = slots->opens_cursor;
    for (uint16_t i = 0; i < count; i++) out_slots[i] = (struct execution_slot){0};
    for (uint16_t i = 0; i < slots->source_count; i++) {
        const struct statement_source *source = &slots->sources[i];
        uint64_t hash = source->hash;
        if (source->parameter > parameter_count) {
            is_incomplete = true;
        } else if (source->parameter > 0) {
            hash = parameters[source->parameter - 1].hash;
            if (source->role == SLOT_LIST && source->slot > 0)
                execution_out->list_length = larger(execution_out->list_length, parameters[source->parameter - 1].list_length);
        }
        if (source->slot == 0)
            list_hash = in_list++ == 0 ? hash : sql_value_hash_combine(key, list_hash, hash);
        else if (source->slot <= count)
            out_slots[source->slot - 1] = (struct execution_slot){.hash = hash, .role = source->role, .number = source->slot};
    }
    if (slots->has_list) out_slots[count++] = (struct execution_slot){.hash = list_hash, .role = SLOT_LIST};
    if (slots->rest)
        out_slots[count++] = (struct execution_slot){.hash = hash_rest(slots, parameters, parameter_count, key), .role = SLOT_VALUE};
    execution_out->shape = slots->fingerprint;
    execution_out->slots = out_slots;
    execution_out->slot_count = count;
    execution_out->has_unknown_parameters = is_incomplete;
    execution_out->tags = NULL;
    execution_out->values = NULL;
}

/* ---- what a shape is ---- */

static bool begins_with(const struct shape_description *description, const char *word)
{
    size_t size = strlen(word);
    if (description->text_size < size || memcmp(description->text, word, size) != 0) return false;
    return description->text_size == size || description->text[size] == ' ';
}

static enum shape_class class_of(const struct sql_fingerprint *fingerprint, bool is_begin)
{
    if (fingerprint->is_ignored) return SHAPE_OTHER;
    switch (fingerprint->class) {
    case SQL_CLASS_READ: return fingerprint->has_inner_write ? SHAPE_WRITE : SHAPE_READ;
    case SQL_CLASS_WRITE: return fingerprint->verb == SQL_VERB_INSERT ? SHAPE_INSERT : SHAPE_WRITE;
    case SQL_CLASS_TX: return is_begin ? SHAPE_BEGIN : SHAPE_OTHER;
    case SQL_CLASS_SESSION:
    case SQL_CLASS_CURSOR:
    case SQL_CLASS_COPY:
    case SQL_CLASS_DDL:
    case SQL_CLASS_OTHER: break;
    }
    return SHAPE_OTHER;
}

void statement_slots_describe(const struct sql_fingerprint *fingerprint, const char *canonical, size_t canonical_size,
                              struct shape_description *description_out)
{
    struct shape_description *description = description_out;
    *description = (struct shape_description){.text = canonical, .text_size = canonical_size};
    description->class = class_of(fingerprint, begins_with(description, "begin") || begins_with(description, "start"));
    description->is_checkout_mark = fingerprint->is_from_less || begins_with(description, "rollback") ||
                                    begins_with(description, "discard") ||
                                    (begins_with(description, "reset") && fingerprint->class == SQL_CLASS_SESSION);
    description->is_housekeeping = begins_with(description, "deallocate");
    description->is_fetch = fingerprint->class == SQL_CLASS_CURSOR && begins_with(description, "fetch");
    description->is_close = fingerprint->class == SQL_CLASS_CURSOR && begins_with(description, "close");
    if (description->class == SHAPE_READ)
        description->table_count = sql_relations_list(canonical, canonical_size, EXECUTION_TABLES_MAX, description->tables);
    else if (description->class != SHAPE_OTHER && !fingerprint->has_inner_write)
        description->table_count = sql_relations_target(canonical, canonical_size, description->tables);
}

void statement_slots_describe_empty(struct shape_description *description_out)
{
    *description_out = (struct shape_description){.text = "", .class = SHAPE_OTHER, .is_checkout_mark = true};
}
