#include "proxy/address.h"

#include <criterion/criterion.h>
#include <string.h>

/* An address as text, whose parts are tested below. */
static struct address address(const char *text)
{
    struct address_range range;
    cr_assert_eq(address_range_parse(text, &range), ADDRESS_RANGE_OK, "%s", text);
    return range.first;
}

static struct address_range range(const char *text)
{
    struct address_range range;
    cr_assert_eq(address_range_parse(text, &range), ADDRESS_RANGE_OK, "%s", text);
    return range;
}

Test(address, what_can_be_read_and_how_it_is_written)
{
    static const struct {
        const char *text, *written;
    } cases[] = {
        {"unix", "unix"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"10.1.2.3/32", "10.1.2.3"},
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"128.0.0.0/1", "128.0.0.0/1"},
        {"10.1.2.2/31", "10.1.2.2/31"},
        {"::", "::"},
        {"::/0", "::/0"},
        {"::1", "::1"},
        {"1::", "1::"},
        {"fd00::/8", "fd00::/8"},
        {"FD00::ABCD", "fd00::abcd"},
        {"0001:0002::0", "1:2::"},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7:8/128", "1:2:3:4:5:6:7:8"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
        {"1:0:0:4:0:0:0:8", "1:0:0:4::8"},
        {"1:0:0:4:5:0:0:8", "1::4:5:0:0:8"},
        {"0:0:3:4:5:6:0:0", "::3:4:5:6:0:0"},
        {"2001:db8::/32", "2001:db8::/32"},
        {"fe80::/10", "fe80::/10"},
        {"::1.2.3.4", "::102:304"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
        {"::ffff:10.1.2.3", "10.1.2.3"},
        {"::ffff:a01:203", "10.1.2.3"},
        {"0:0:0:0:0:ffff:10.0.0.0/104", "10.0.0.0/8"},
        {"::ffff:0:0/96", "0.0.0.0/0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address_range parsed;
        cr_expect_eq(address_range_parse(cases[i].text, &parsed), ADDRESS_RANGE_OK, "%s", cases[i].text);
        address_range_format(&parsed, text);
        cr_expect_str_eq(text, cases[i].written, "%s", cases[i].text);
    }
}

Test(address, what_cannot_be_read)
{
    static const char *const cases[] = {
        "",
        "localhost",
        "Unix",
        "unix/1",
        "10",
        "10.0.0",
        "10.0.0.0.0",
        "10.0.0.",
        ".10.0.0",
        "10..0.0",
        "10.0.0.256",
        "10.0.0.0256",
        "10.0.0.01",
        "010.0.0.1",
        "0x10.0.0.1",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0.0/8 ",
        " 10.0.0.0",
        "10.0.0.0/255.0.0.0",
        ":",
        ":::",
        "1",
        "1:",
        ":1",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1::2::3",
        "1:::2",
        "12345::",
        "g::",
        "::/129",
        "::/",
        "fe80::1%eth0",
        "[::1]",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3",
        "::1.2.3.4.5",
        "1.2.3.4::",
        "::1.2.3.4:5",
        /* Its first bits are none of IPv4. */
        "::ffff:10.0.0.0/8",
        "::ffff:0:0/95",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_range parsed;
        cr_expect_eq(address_range_parse(cases[i], &parsed), ADDRESS_RANGE_BAD, "%s", cases[i]);
    }
}

Test(address, bits_behind_the_prefix)
{
    static const struct {
        const char *text, *meant;
    } cases[] = {
        {"10.1.2.3/8", "10.0.0.0/8"},
        {"10.1.2.3/31", "10.1.2.2/31"},
        {"10.1.2.3/0", "0.0.0.0/0"},
        {"fd00::1/8", "fd00::/8"},
        {"2001:db8:ffff::/33", "2001:db8:8000::/33"},
        {"::ffff:10.1.2.3/104", "10.0.0.0/8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address_range parsed;
        cr_expect_eq(address_range_parse(cases[i].text, &parsed), ADDRESS_RANGE_HAS_HOST_BITS, "%s", cases[i].text);
        address_range_format(&parsed, text);
        cr_expect_str_eq(text, cases[i].meant);
        cr_expect_eq(address_range_parse(text, &parsed), ADDRESS_RANGE_OK);
    }
}

Test(address, ranges_hold_addresses)
{
    static const struct {
        const char *range, *address;
        bool is_held;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "9.255.255.255", false},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.4", false},
        {"10.1.2.2/31", "10.1.2.3", true},
        {"10.1.2.2/31", "10.1.2.4", false},
        {"172.16.0.0/12", "172.31.255.255", true},
        {"172.16.0.0/12", "172.32.0.0", false},
        {"0.0.0.0/0", "255.0.0.1", true},
        {"0.0.0.0/0", "::", false},
        {"0.0.0.0/0", "::1", false},
        {"0.0.0.0/0", "unix", false},
        {"::/0", "fd00::1", true},
        {"::/0", "::", true},
        {"::/0", "10.0.0.1", false},
        {"::/0", "unix", false},
        {"::fffe:0:0/95", "10.0.0.1", false},
        {"fd00::/8", "fd12::1", true},
        {"fd00::/8", "fe00::1", false},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"10.0.0.0/8", "::10.1.2.3", false},
        {"unix", "unix", true},
        {"unix", "0.0.0.0", false},
        {"unix", "::", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_range outer = range(cases[i].range);
        struct address inner = address(cases[i].address);
        cr_expect_eq(address_range_holds(&outer, &inner), cases[i].is_held, "%s in %s", cases[i].address, cases[i].range);
    }
}

Test(address, ranges_within_ranges)
{
    static const struct {
        const char *inner, *outer;
        bool is_within;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0/8", true},
        {"10.1.0.0/16", "10.0.0.0/8", true},
        {"10.0.0.0/8", "10.0.0.0/16", false},
        {"11.0.0.0/16", "10.0.0.0/8", false},
        {"10.1.2.3", "0.0.0.0/0", true},
        {"10.1.2.3", "::/0", false},
        {"0.0.0.0/0", "::/0", false},
        {"::/0", "0.0.0.0/0", false},
        {"fd00::/16", "fd00::/8", true},
        {"::/0", "::/0", true},
        {"unix", "unix", true},
        {"unix", "::/0", false},
        {"::/0", "unix", false},
        {"10.1.2.3", "unix", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_range inner = range(cases[i].inner), outer = range(cases[i].outer);
        cr_expect_eq(address_range_is_within(&inner, &outer), cases[i].is_within, "%s in %s", cases[i].inner, cases[i].outer);
    }
}

Test(address, of_bytes)
{
    static const uint8_t four[4] = {10, 1, 2, 3};
    static const uint8_t six[16] = {[0] = 0xfd, [15] = 1};
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, 10, 1, 2, 3};
    char text[ADDRESS_TEXT_SIZE];
    struct address of_four = address_of_ipv4(four), of_six = address_of_ipv6(six), of_mapped = address_of_ipv6(mapped);
    struct address of_unix = address_of_unix();
    address_format(&of_four, text);
    cr_assert_str_eq(text, "10.1.2.3");
    address_format(&of_six, text);
    cr_assert_str_eq(text, "fd00::1");
    address_format(&of_mapped, text);
    cr_assert_str_eq(text, "10.1.2.3");
    address_format(&of_unix, text);
    cr_assert_str_eq(text, "unix");
}

/* Any text is read or refused, and what was read is written as something that reads the same. */
Test(address, changed_texts)
{
    static const char *const good[] = {"10.1.2.0/24", "fd00:12::34:0/112", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4"};
    static const char odd[] = "0159afg:./%-";
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        for (size_t at = 0; at < strlen(good[i]); at++) {
            for (size_t j = 0; j < sizeof odd; j++) {
                char text[64], written[ADDRESS_TEXT_SIZE];
                struct address_range parsed, again;
                strcpy(text, good[i]);
                text[at] = odd[j];
                if (address_range_parse(text, &parsed) == ADDRESS_RANGE_BAD) continue;
                address_range_format(&parsed, written);
                cr_assert_eq(address_range_parse(written, &again), ADDRESS_RANGE_OK, "%s written as %s", text, written);
                cr_assert_eq(again.prefix, parsed.prefix, "%s written as %s", text, written);
                cr_assert_arr_eq(again.first.bytes, parsed.first.bytes, sizeof again.first.bytes);
            }
        }
    }
}
