/* protocol/bytes.h: bounds, sticking failure, byte order, message lengths. */
#include "protocol/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

Test(bytes, reads_big_endian_in_order)
{
    static const uint8_t data[] = {0x01, 0x02, 0x03, 0x80, 0x00, 0x00, 0xff, 'a', 'b', 0, 0, 'x', 'y'};
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, sizeof data);
    cr_assert_eq(bytes_read_u8(&reader), 0x01);
    cr_assert_eq(bytes_read_u16(&reader), 0x0203);
    cr_assert_eq(bytes_read_u32(&reader), 0x800000ffu);
    cr_assert_str_eq(bytes_read_cstring(&reader), "ab");
    cr_assert_str_eq(bytes_read_cstring(&reader), "");
    cr_assert_eq(bytes_left(&reader), 2);
    cr_assert_not(bytes_reader_is_done(&reader));
    cr_assert_eq(bytes_read_block(&reader, 2), data + sizeof data - 2);
    cr_assert(bytes_reader_is_done(&reader));
}

Test(bytes, a_failed_read_sticks)
{
    static const uint8_t data[] = {1, 2, 3};
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, sizeof data);
    cr_assert_eq(bytes_read_u32(&reader), 0);
    cr_assert(reader.has_failed);
    cr_assert_eq(bytes_read_u8(&reader), 0);
    cr_assert_eq(bytes_read_u16(&reader), 0);
    cr_assert_null(bytes_read_cstring(&reader));
    cr_assert_null(bytes_read_block(&reader, 0));
    cr_assert_eq(bytes_left(&reader), 0);
    cr_assert_not(bytes_reader_is_done(&reader));
}

Test(bytes, a_size_near_the_end_of_the_address_space_does_not_wrap)
{
    static const uint8_t data[] = {1, 2, 3};
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, sizeof data);
    bytes_read_u8(&reader);
    cr_assert_null(bytes_read_block(&reader, SIZE_MAX));

    uint8_t buffer[4];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    bytes_write_u8(&writer, 1);
    bytes_write_block(&writer, data, SIZE_MAX);
    cr_assert(writer.has_failed);
    cr_assert_eq(writer.size, 1);
}

Test(bytes, a_string_without_its_end_fails)
{
    static const uint8_t data[] = {'a', 'b', 'c'};
    struct bytes_reader reader;
    bytes_reader_init(&reader, data, sizeof data);
    cr_assert_null(bytes_read_cstring(&reader));
    cr_assert(reader.has_failed);
}

Test(bytes, an_empty_buffer_may_be_null)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, NULL, 0);
    cr_assert(bytes_reader_is_done(&reader));
    cr_assert_not_null(bytes_read_block(&reader, 0));
    cr_assert_null(bytes_read_cstring(&reader));

    struct bytes_writer writer;
    bytes_writer_init(&writer, NULL, 0);
    bytes_write_block(&writer, NULL, 0);
    cr_assert_not(writer.has_failed);
    bytes_write_u8(&writer, 1);
    cr_assert(writer.has_failed);
}

Test(bytes, writes_what_it_reads)
{
    uint8_t buffer[32];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    bytes_write_u8(&writer, 0xfe);
    bytes_write_u16(&writer, 0xfedc);
    bytes_write_u32(&writer, 0xfedcba98u);
    bytes_write_cstring(&writer, "name");
    bytes_write_block(&writer, "xy", 2);
    static const uint8_t expected[] = {0xfe, 0xfe, 0xdc, 0xfe, 0xdc, 0xba, 0x98, 'n', 'a', 'm', 'e', 0, 'x', 'y'};
    cr_assert_not(writer.has_failed);
    cr_assert_eq(writer.size, sizeof expected);
    cr_assert_arr_eq(buffer, expected, sizeof expected);
}

Test(bytes, a_failed_write_sticks_and_touches_nothing)
{
    uint8_t buffer[6];
    memset(buffer, 0x55, sizeof buffer);
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, 5);
    bytes_write_u32(&writer, 0);
    bytes_write_u16(&writer, 0x1111);
    bytes_write_u8(&writer, 0x22);
    cr_assert(writer.has_failed);
    cr_assert_eq(writer.size, 4);
    cr_assert_eq(buffer[4], 0x55);
    cr_assert_eq(buffer[5], 0x55);
}

Test(bytes, message_lengths_count_themselves_but_not_the_type)
{
    uint8_t buffer[32];
    struct bytes_writer writer;
    bytes_writer_init(&writer, buffer, sizeof buffer);
    size_t mark = bytes_begin_message(&writer, 'Q');
    bytes_write_cstring(&writer, "ab");
    bytes_end_message(&writer, mark);
    mark = bytes_begin_message(&writer, 'S');
    bytes_end_message(&writer, mark);
    static const uint8_t expected[] = {'Q', 0, 0, 0, 7, 'a', 'b', 0, 'S', 0, 0, 0, 4};
    cr_assert_not(writer.has_failed);
    cr_assert_eq(writer.size, sizeof expected);
    cr_assert_arr_eq(buffer, expected, sizeof expected);
}

Test(bytes, a_message_fails_at_every_capacity_below_its_size)
{
    for (size_t capacity = 0; capacity < 8; capacity++) {
        uint8_t buffer[8];
        memset(buffer, 0x55, sizeof buffer);
        struct bytes_writer writer;
        bytes_writer_init(&writer, buffer, capacity);
        size_t mark = bytes_begin_message(&writer, 'Q');
        bytes_write_cstring(&writer, "ab");
        bytes_end_message(&writer, mark);
        cr_assert(writer.has_failed, "capacity %zu", capacity);
        for (size_t i = capacity; i < sizeof buffer; i++) cr_assert_eq(buffer[i], 0x55);
    }
}

Test(bytes, a_message_too_long_for_its_length_field_fails)
{
    uint8_t buffer[8];
    struct bytes_writer writer;
    /* The size alone matters: nothing is written at it. */
    bytes_writer_init(&writer, buffer, sizeof buffer);
    size_t mark = bytes_begin_message(&writer, 'd');
    writer.capacity = SIZE_MAX;
    writer.size = mark + 0x80000000u;
    bytes_end_message(&writer, mark);
    cr_assert(writer.has_failed);
}
