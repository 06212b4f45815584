/*
 * Parameters of Bind to hashes (protocol: "Bind"). Of an array the hash is that of its only element, or of the whole; so `= any ('{5}')` and `= 5` have one value.
 */
#include "proxy/bind_values.h"

#include <string.h>

#include "protocol/bytes.h"

enum { ARRAY_HEADER_SIZE = 20, NULL_SIZE = UINT32_MAX };

/* array_send: dimensions, flags, element type, then length and lower bound of the one dimension; then sizes and elements. */
static bool read_binary_array(struct statement_parameter *parameter, const uint8_t *data, size_t size, const struct sql_value_key *key)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, size);
    uint32_t dimensions = bytes_read_u32(&reader), flags = bytes_read_u32(&reader), type = bytes_read_u32(&reader);
    uint32_t length = bytes_read_u32(&reader);
    bytes_read_u32(&reader);
    if (reader.has_failed || dimensions != 1 || flags > 1 || length > size) return false;
    parameter->list_length = length;
    if (length != 1) return false;
    uint32_t element_size = bytes_read_u32(&reader);
    const uint8_t *element = element_size == NULL_SIZE ? NULL : bytes_read_block(&reader, element_size);
    if (!element || !bytes_reader_is_done(&reader)) return false;
    parameter->hash = sql_value_hash_binary(key, type, element, element_size);
    return true;
}

/* "{1,2,3}". Only the commas between elements count; quotes and nested braces are looked past. */
static bool read_text_array(struct statement_parameter *parameter, const char *text, size_t size, const struct sql_value_key *key)
{
    if (size < 2 || text[0] != '{' || text[size - 1] != '}') return false;
    uint32_t length = size > 2;
    bool is_quoted = false, is_plain = true;
    for (size_t i = 1; i + 1 < size; i++) {
        if (text[i] == '\\') {
            i++;
            is_plain = false;
        } else if (text[i] == '"') {
            is_quoted = !is_quoted;
            is_plain = false;
        } else if (text[i] == '{') {
            return false;
        } else if (text[i] == ',' && !is_quoted) {
            length++;
        }
    }
    parameter->list_length = length;
    if (length != 1 || !is_plain) return false;
    parameter->hash = sql_value_hash_text(key, 0, text + 1, size - 2);
    return true;
}

static struct statement_parameter read_value(const uint8_t *data, size_t size, bool is_binary, uint32_t type,
                                             const struct sql_value_key *key)
{
    struct statement_parameter parameter = {0};
    if (is_binary) {
        /* Eight and sixteen bytes are a number and a uuid; what is an array is longer. */
        if (size < ARRAY_HEADER_SIZE || !read_binary_array(&parameter, data, size, key))
            parameter.hash = sql_value_hash_binary(key, type, data, size);
    } else if (!read_text_array(&parameter, (const char *)data, size, key)) {
        parameter.hash = sql_value_hash_text(key, type, (const char *)data, size);
    }
    return parameter;
}

static enum bind_format read_result_format(struct bytes_reader *reader)
{
    uint16_t count = bytes_read_u16(reader), binary = 0;
    for (uint16_t i = 0; i < count && !reader->has_failed; i++) binary = (uint16_t)(binary + (bytes_read_u16(reader) == 1));
    return binary == 0 ? BIND_FORMAT_TEXT : binary == count ? BIND_FORMAT_BINARY : BIND_FORMAT_MIXED;
}

/* The parameters one after the other. */
struct walk {
    struct bytes_reader reader, formats;
    uint16_t format_count, count, next, format;
};

static bool begin_walk(struct walk *walk, const uint8_t *data, size_t size)
{
    bytes_reader_init(&walk->reader, data, size);
    walk->format_count = bytes_read_u16(&walk->reader);
    const uint8_t *format_bytes = bytes_read_block(&walk->reader, 2 * (size_t)walk->format_count);
    walk->count = bytes_read_u16(&walk->reader);
    walk->next = walk->format = 0;
    if (walk->reader.has_failed) return false;
    bytes_reader_init(&walk->formats, format_bytes, 2 * (size_t)walk->format_count);
    return true;
}

/* False: it is not all here. */
static inline bool next_value(struct walk *walk, struct value_bytes *value_out)
{
    if (walk->next == 0 || walk->format_count > 1) walk->format = walk->format_count > 0 ? bytes_read_u16(&walk->formats) : 0;
    walk->next++;
    uint32_t size = bytes_read_u32(&walk->reader);
    value_out->bytes = size == NULL_SIZE ? NULL : bytes_read_block(&walk->reader, size);
    value_out->size = size;
    value_out->is_binary = walk->format == 1;
    return !walk->reader.has_failed;
}

bool bind_values_read(struct bind_values *values, const uint8_t *data, size_t size, const uint32_t *types, size_t type_count,
                      const struct sql_value_key *key)
{
    struct walk walk;
    if (!begin_walk(&walk, data, size)) return false;
    values->count = walk.count < BIND_VALUES_MAX ? walk.count : BIND_VALUES_MAX;
    values->is_whole = walk.count <= BIND_VALUES_MAX;
    for (uint16_t i = 0; i < walk.count; i++) {
        struct value_bytes value;
        if (!next_value(&walk, &value)) return false;
        if (i >= BIND_VALUES_MAX) continue;
        values->items[i] = value.bytes ? read_value(value.bytes, value.size, value.is_binary, i < type_count ? types[i] : 0, key)
                                       : (struct statement_parameter){.hash = sql_value_hash_null(key)};
    }
    values->results = read_result_format(&walk.reader);
    return bytes_reader_is_done(&walk.reader);
}

uint16_t bind_values_list(const uint8_t *data, size_t size, const uint32_t *types, size_t type_count,
                          struct value_bytes values_out[BIND_VALUES_MAX])
{
    struct walk walk;
    uint16_t count = 0;
    if (!begin_walk(&walk, data, size)) return 0;
    while (count < walk.count && count < BIND_VALUES_MAX && next_value(&walk, &values_out[count])) {
        values_out[count].type = count < type_count ? types[count] : 0;
        count++;
    }
    return count;
}
