/*
 * RowDescription and DataRow to columns and hashes (protocol: "Message Formats"). Values are hashed where they lie and not kept.
 */
#include "proxy/result_columns.h"

#include <stdio.h>
#include <string.h>

#include "protocol/bytes.h"

enum { NULL_SIZE = UINT32_MAX };

bool result_columns_read(struct result_columns *columns, const uint8_t *body, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, body, size);
    uint16_t fields = bytes_read_u16(&reader);
    columns->count = 0;
    columns->has_formats = true;
    for (uint16_t field = 0; field < fields; field++) {
        const char *label = bytes_read_cstring(&reader);
        uint32_t table_oid = bytes_read_u32(&reader);
        int16_t attnum = (int16_t)bytes_read_u16(&reader);
        uint32_t type = bytes_read_u32(&reader);
        bytes_read_block(&reader, 6); /* size and modifier of the type */
        bool is_binary = bytes_read_u16(&reader) == 1;
        if (reader.has_failed) return false;
        if (columns->count == DETECTOR_COLUMNS_MAX || !sql_value_is_comparable(type)) continue;
        unsigned i = columns->count++;
        columns->items[i].field = field;
        columns->items[i].is_binary = is_binary;
        columns->items[i].type = type;
        columns->items[i].table_oid = table_oid;
        columns->items[i].attnum = attnum;
        snprintf(columns->items[i].label, RESULT_LABEL_SIZE, "%s", label);
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
        if (!value)
            hashes_out[i] = 0;
        else if (is_binary)
            hashes_out[i] = sql_value_hash_binary(key, columns->items[i].type, value, value_size);
        else
            hashes_out[i] = sql_value_hash_text(key, columns->items[i].type, (const char *)value, value_size);
    }
    return true;
}
