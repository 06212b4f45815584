/*
 * Rows of the console. Binary forms as PostgreSQL's typsend functions make them: integers in network order, numeric in base 10000, timestamptz in microseconds since
 * 2000-01-01.
 */
#include "proxy/admin_row.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "protocol/backend.h"

static const int64_t EPOCH_2000_US = INT64_C(946684800000000);
static const uint32_t NULL_SIZE = UINT32_MAX; /* -1 */

static void describe(struct bytes_writer *writer, const char *name, enum column_type type, bool is_binary)
{
    bytes_write_cstring(writer, name);
    bytes_write_u32(writer, 0); /* of no table */
    bytes_write_u16(writer, 0);
    bytes_write_u32(writer, column_type_oid(type));
    bytes_write_u16(writer, (uint16_t)column_type_size(type));
    bytes_write_u32(writer, UINT32_MAX); /* no type modifier */
    bytes_write_u16(writer, is_binary);
}

void admin_write_row_description(struct bytes_writer *writer, enum show_id id, admin_formats formats)
{
    uint16_t count;
    const struct show_column *columns = admin_show_columns(id, &count);
    size_t mark = bytes_begin_message(writer, BACKEND_ROW_DESCRIPTION);
    bytes_write_u16(writer, count);
    for (uint16_t i = 0; i < count; i++) describe(writer, columns[i].name, columns[i].type, formats >> i & 1);
    bytes_end_message(writer, mark);
}

void admin_write_text_description(struct bytes_writer *writer, const char *column, bool is_binary)
{
    size_t mark = bytes_begin_message(writer, BACKEND_ROW_DESCRIPTION);
    bytes_write_u16(writer, 1);
    describe(writer, column, COLUMN_TEXT, is_binary);
    bytes_end_message(writer, mark);
}

void admin_row_begin(struct admin_row *row, struct bytes_writer *writer, enum show_id id, admin_formats formats, int64_t wall_offset_us)
{
    *row = (struct admin_row){.writer = writer, .formats = formats, .wall_offset_us = wall_offset_us};
    row->columns = admin_show_columns(id, &row->count);
    row->mark = bytes_begin_message(writer, BACKEND_DATA_ROW);
    bytes_write_u16(writer, row->count);
}

static enum column_type take_column(struct admin_row *row)
{
    assert(row->next < row->count);
    return row->columns[row->next++].type;
}

static bool is_binary(const struct admin_row *row)
{
    return row->formats >> (row->next - 1) & 1;
}

static void write_cell(struct admin_row *row, const void *data, size_t size)
{
    bytes_write_u32(row->writer, (uint32_t)size);
    bytes_write_block(row->writer, data, size);
}

void admin_row_null(struct admin_row *row)
{
    take_column(row);
    bytes_write_u32(row->writer, NULL_SIZE);
}

/* Not in the middle of a UTF-8 character. */
static size_t cut(const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max + 1);
    if (size <= size_max) return size;
    size = size_max;
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80) size--;
    return size;
}

static void write_text(struct admin_row *row, const char *text, size_t size_max)
{
    if (!text) {
        admin_row_null(row);
        return;
    }
    enum column_type type = take_column(row);
    assert(type == COLUMN_TEXT);
    (void)type;
    write_cell(row, text, cut(text, size_max));
}

void admin_row_text(struct admin_row *row, const char *text)
{
    write_text(row, text, ADMIN_CELL_SIZE_MAX);
}

void admin_row_long_text(struct admin_row *row, const char *text)
{
    write_text(row, text, ADMIN_LONG_CELL_SIZE_MAX);
}

static void write_integer(struct admin_row *row, uint64_t number, uint32_t size)
{
    bytes_write_u32(row->writer, size);
    if (size == 8) bytes_write_u32(row->writer, (uint32_t)(number >> 32));
    bytes_write_u32(row->writer, (uint32_t)number);
}

/* numeric_send: count of digits, weight of the first, sign, scale, digits in base 10000. */
static void write_numeric(struct admin_row *row, int64_t number)
{
    uint16_t digits[5], count = 0;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    for (; rest > 0; rest /= 10000) digits[count++] = (uint16_t)(rest % 10000);
    bytes_write_u32(row->writer, 8u + 2u * count);
    bytes_write_u16(row->writer, count);
    bytes_write_u16(row->writer, count > 0 ? (uint16_t)(count - 1) : 0);
    bytes_write_u16(row->writer, number < 0 ? 0x4000 : 0);
    bytes_write_u16(row->writer, 0);
    while (count > 0) bytes_write_u16(row->writer, digits[--count]);
}

static int64_t within_int(int64_t number)
{
    if (number > INT32_MAX) return INT32_MAX;
    return number < INT32_MIN ? INT32_MIN : number;
}

void admin_row_number(struct admin_row *row, int64_t number)
{
    enum column_type type = take_column(row);
    assert(type == COLUMN_INT || type == COLUMN_BIG || type == COLUMN_NUMERIC);
    if (type == COLUMN_INT) number = within_int(number);
    if (!is_binary(row)) {
        char text[24];
        int size = snprintf(text, sizeof text, "%lld", (long long)number);
        write_cell(row, text, (size_t)size);
    } else if (type == COLUMN_NUMERIC) {
        write_numeric(row, number);
    } else {
        write_integer(row, (uint64_t)number, type == COLUMN_BIG ? 8 : 4);
    }
}

void admin_row_real(struct admin_row *row, double number)
{
    enum column_type type = take_column(row);
    assert(type == COLUMN_REAL);
    (void)type;
    if (is_binary(row)) { /* float8send: IEEE 754 */
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        write_integer(row, bits, 8);
        return;
    }
    char text[64];
    int size = snprintf(text, sizeof text, "%.3f", number);
    write_cell(row, text, (size_t)size);
}

void admin_row_time(struct admin_row *row, int64_t monotonic_us)
{
    if (monotonic_us == 0) {
        admin_row_null(row);
        return;
    }
    enum column_type type = take_column(row);
    assert(type == COLUMN_TIME);
    (void)type;
    int64_t wall_us = monotonic_us + row->wall_offset_us;
    if (is_binary(row)) {
        write_integer(row, (uint64_t)(wall_us - EPOCH_2000_US), 8);
        return;
    }
    char text[64];
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t size = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S+00", &parts);
    write_cell(row, text, size);
}

void admin_row_end(struct admin_row *row)
{
    assert(row->next == row->count);
    bytes_end_message(row->writer, row->mark);
    assert(!row->writer->has_failed);
}
