/* Cells of the console's rows, as text and in binary. */
#include "proxy/admin_row.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t buffer[ADMIN_ROW_SIZE_MAX];
static struct bytes_writer writer;

static void begin(struct admin_row *row, enum show_id id, admin_formats formats)
{
    bytes_writer_init(&writer, buffer, sizeof buffer);
    admin_row_begin(row, &writer, id, formats, INT64_C(946684800000000)); /* the monotonic clock began with 2000 */
}

/* The bytes of cell `index` as hexadecimal; "null". */
static const char *cell(unsigned index)
{
    static char text[2 * ADMIN_CELL_SIZE_MAX + 1];
    struct bytes_reader reader;
    bytes_reader_init(&reader, buffer + 7, writer.size - 7);
    for (unsigned i = 0;; i++) {
        uint32_t size = bytes_read_u32(&reader);
        const uint8_t *data = size == UINT32_MAX ? NULL : bytes_read_block(&reader, size);
        cr_assert_not(reader.has_failed);
        if (i < index) continue;
        if (!data) return "null";
        for (uint32_t byte = 0; byte < size; byte++) snprintf(text + 2 * (size_t)byte, 3, "%02x", data[byte]);
        text[2 * (size_t)size] = '\0';
        return text;
    }
}

static const char *numeric(int64_t number)
{
    struct admin_row row;
    begin(&row, SHOW_TOTALS, ~(admin_formats)0);
    admin_row_text(&row, "n");
    admin_row_number(&row, number);
    admin_row_end(&row);
    return cell(1);
}

/* What numeric_send makes of them. */
Test(admin_row, binary_numeric)
{
    cr_expect_str_eq(numeric(0), "0000000000000000");
    cr_expect_str_eq(numeric(1), "00010000000000000001");
    cr_expect_str_eq(numeric(9999), "0001000000000000270f");
    cr_expect_str_eq(numeric(10000), "000200010000000000010000");
    cr_expect_str_eq(numeric(-12345678), "000200014000000004d2162e");
    cr_expect_str_eq(numeric(INT64_MAX), "0005000400000000039a0d2c0170156516af");
}

Test(admin_row, text_and_null)
{
    struct admin_row row;
    begin(&row, SHOW_DNS_ZONES, 0);
    admin_row_text(&row, NULL);
    admin_row_number(&row, -5);
    admin_row_number(&row, INT64_MAX); /* an int4 */
    admin_row_end(&row);
    cr_expect_str_eq(cell(0), "null");
    cr_expect_str_eq(cell(1), "2d35");
    cr_expect_str_eq(cell(2), "32313437343833363437");
    begin(&row, SHOW_DNS_ZONES, 0x6);
    admin_row_text(&row, "a");
    admin_row_number(&row, -5);
    admin_row_number(&row, INT64_MIN);
    admin_row_end(&row);
    cr_expect_str_eq(cell(0), "61");
    cr_expect_str_eq(cell(1), "fffffffffffffffb");
    cr_expect_str_eq(cell(2), "80000000");
}

Test(admin_row, time)
{
    for (int binary = 0; binary < 2; binary++) {
        struct admin_row row;
        begin(&row, SHOW_ERRORS, binary ? 0x10 : 0);
        admin_row_text(&row, "x");
        admin_row_text(&row, "web");
        admin_row_number(&row, 1);
        admin_row_number(&row, 2);
        admin_row_time(&row, INT64_C(86400000000) + 1000000);
        admin_row_end(&row);
        cr_expect_str_eq(cell(4), binary ? "000000141de6a240" : "323030302d30312d30322030303a30303a30312b3030", "%s", cell(4));
    }
}

/* Long texts are cut, at the edge of a character, so that a row always fits. */
Test(admin_row, long_texts_are_cut)
{
    char *text = malloc(5001);
    for (int i = 0; i < 5000; i += 2) memcpy(text + i, "\xc3\xa4", 2);
    text[5000] = '\0';
    struct admin_row row;
    begin(&row, SHOW_CONFIG, 0);
    admin_row_text(&row, text);
    text[0] = 'a';
    memmove(text + 1, text + 2, 4999); /* now every character begins at an odd place */
    admin_row_text(&row, text);
    admin_row_text(&row, "");
    admin_row_text(&row, "x");
    admin_row_end(&row);
    cr_expect_eq(strlen(cell(0)), 2 * ADMIN_CELL_SIZE_MAX);
    cr_expect_eq(strlen(cell(1)), 2 * (ADMIN_CELL_SIZE_MAX - 1));
    cr_expect_eq(strncmp(cell(1) + strlen(cell(1)) - 4, "c3a4", 4), 0);
    free(text);
}
