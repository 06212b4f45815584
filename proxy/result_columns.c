/*
 * RowDescription and DataRow to columns and hashes (protocol: "Message Formats"). Values are hashed where they lie and not kept.
 */
#include "proxy/result_columns.h"

#include <stdio.h>
#include <string.h>

#include "protocol/bytes.h"
#include "protocol/type_oids.h"

enum { NULL_SIZE = UINT32_MAX };

/* Keys are integers or uuids more often than texts, and may stand behind many texts. */
enum worth { WORTH_NOTHING, WORTH_SOMETHING, WORTH_MOST };

static enum worth worth_of(uint32_t type, bool is_binary)
{
    switch (type) {
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
    case OID_UUID: return WORTH_MOST;
    case OID_DATE:
    case OID_NUMERIC: return is_binary ? WORTH_NOTHING : WORTH_SOMETHING; /* in text they are compared as they are written */
    default: return sql_value_is_comparable(type) ? WORTH_SOMETHING : WORTH_NOTHING;
    }
}

struct field {
    const char *label;
    uint32_t table_oid, type;
    int16_t attnum;
    bool is_binary;
    enum worth worth;
};

static struct field read_field(struct bytes_reader *reader)
{
    struct field field = {.label = bytes_read_cstring(reader)};
    field.table_oid = bytes_read_u32(reader);
    field.attnum = (int16_t)bytes_read_u16(reader);
    field.type = bytes_read_u32(reader);
    bytes_read_block(reader, 6); /* size and modifier of the type */
    field.is_binary = bytes_read_u16(reader) == 1;
    field.worth = worth_of(field.type, field.is_binary);
    return field;
}

/* How many columns there are room for besides those that are worth most. */
static unsigned room_for_others(struct bytes_reader reader, uint16_t fields)
{
    unsigned most = 0;
    for (uint16_t i = 0; i < fields && !reader.has_failed && most < DETECTOR_COLUMNS_MAX; i++)
        most += read_field(&reader).worth == WORTH_MOST;
    return DETECTOR_COLUMNS_MAX - most;
}

bool result_columns_read(struct result_columns *columns, const uint8_t *body, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    uint16_t fields = bytes_read_u16(&reader);
    unsigned others = room_for_others(reader, fields);
    columns->count = 0;
    columns->has_formats = true;
    for (uint16_t i = 0; i < fields; i++) {
        struct field field = read_field(&reader);
        if (reader.has_failed) return false;
        if (columns->count == DETECTOR_COLUMNS_MAX || field.worth == WORTH_NOTHING) continue;
        if (field.worth == WORTH_SOMETHING && others == 0) continue;
        others -= field.worth == WORTH_SOMETHING;
        unsigned at = columns->count++;
        columns->items[at].field = i;
        columns->items[at].is_binary = field.is_binary;
        columns->items[at].type = field.type;
        columns->items[at].table_oid = field.table_oid;
        columns->items[at].attnum = field.attnum;
        snprintf(columns->items[at].label, RESULT_LABEL_SIZE, "%s", field.label);
    }
    return bytes_reader_is_done(&reader);
}

void result_columns_guess(struct result_columns *columns, const uint8_t *body, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    uint16_t fields = bytes_read_u16(&reader);
    columns->count = fields < DETECTOR_COLUMNS_MAX ? fields : DETECTOR_COLUMNS_MAX;
    columns->has_formats = false;
    for (uint16_t i = 0; i < columns->count; i++) {
        columns->items[i].field = i;
        columns->items[i].is_binary = false;
        columns->items[i].type = columns->items[i].table_oid = 0;
        columns->items[i].attnum = 0;
        snprintf(columns->items[i].label, RESULT_LABEL_SIZE, "column %u", i + 1u);
    }
}

void result_columns_list(const struct result_columns *columns, struct result_column list_out[DETECTOR_COLUMNS_MAX])
{
    for (uint16_t i = 0; i < columns->count; i++)
        list_out[i] = (struct result_column){
            .table_oid = columns->items[i].table_oid, .attnum = columns->items[i].attnum, .label = columns->items[i].label};
}

bool result_columns_hash(const struct result_columns *columns, enum bind_format format, const uint8_t *body, size_t size,
                         const struct sql_value_key *key, uint64_t hashes_out[DETECTOR_COLUMNS_MAX])
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    uint16_t fields = bytes_read_u16(&reader), field = 0;
    for (uint16_t i = 0; i < columns->count; i++) {
        const uint8_t *value = NULL;
        uint32_t value_size = 0;
        for (; field <= columns->items[i].field && field < fields; field++) {
            value_size = bytes_read_u32(&reader);
            value = value_size == NULL_SIZE ? NULL : bytes_read_block(&reader, value_size);
        }
        if (reader.has_failed || field <= columns->items[i].field) return false;
        bool is_binary = columns->has_formats && format == BIND_FORMAT_MIXED ? columns->items[i].is_binary : format == BIND_FORMAT_BINARY;
        uint32_t type = columns->items[i].type;
        if (!value || (is_binary && (type == OID_DATE || type == OID_NUMERIC)))
            hashes_out[i] = 0;
        else if (is_binary)
            hashes_out[i] = sql_value_hash_binary(key, type, value, value_size);
        else
            hashes_out[i] = sql_value_hash_text(key, type, (const char *)value, value_size);
    }
    return true;
}
