/*
 * Addresses as texts and bytes. Pure: no socket headers. Reads what inet_pton(3) reads, and nothing of what inet_aton(3) would add.
 *
 * Invariant: an IPv4 address, and a range of them, begins with the 96 bits of ::ffff:0:0/96; a range of a shorter prefix is one of IPv6
 * and holds no IPv4.
 */
#include "proxy/address.h"

#include <stdio.h>
#include <string.h>

enum { MAPPED_BITS = 96, ALL_BITS = 128, GROUPS = 8 };

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct address address_of_unix(void)
{
    return (struct address){.is_unix = true};
}

struct address address_of_ipv4(const uint8_t bytes[4])
{
    struct address address = {.is_unix = false};
    memcpy(address.bytes, mapped, sizeof mapped);
    memcpy(address.bytes + sizeof mapped, bytes, 4);
    return address;
}

struct address address_of_ipv6(const uint8_t bytes[16])
{
    struct address address = {.is_unix = false};
    memcpy(address.bytes, bytes, sizeof address.bytes);
    return address;
}

static bool is_ipv4(const struct address *address)
{
    return !address->is_unix && memcmp(address->bytes, mapped, sizeof mapped) == 0;
}

static bool range_is_ipv4(const struct address_range *range)
{
    return range->prefix >= MAPPED_BITS && is_ipv4(&range->first);
}

/* ---- from text ---- */

/* Decimal without leading zeros, which some take for octal. Moves `*text` behind it. */
static bool take_decimal(const char **text, unsigned high, unsigned *value_out)
{
    const char *first = *text;
    unsigned value = 0;
    for (; **text >= '0' && **text <= '9' && *text - first < 3; ++*text) value = value * 10 + (unsigned)(**text - '0');
    if (*text == first || (*first == '0' && *text - first > 1) || value > high) return false;
    *value_out = value;
    return true;
}

/* a.b.c.d */
static bool take_quad(const char **text, uint8_t bytes_out[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned value;
        if (i > 0 && *(*text)++ != '.') return false;
        if (!take_decimal(text, 255, &value)) return false;
        bytes_out[i] = (uint8_t)value;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* One to four hexadecimal digits. */
static bool take_group(const char **text, uint8_t bytes_out[2])
{
    unsigned value = 0;
    int count = 0;
    for (; count < 4 && hex_digit(**text) >= 0; count++) value = value << 4 | (unsigned)hex_digit(*(*text)++);
    bytes_out[0] = (uint8_t)(value >> 8);
    bytes_out[1] = (uint8_t)value;
    return count > 0;
}

/* The last 32 bits of an IPv6 address may be written as IPv4. */
static bool begins_with_quad(const char *text)
{
    return text[strspn(text, "0123456789")] == '.';
}

static bool take_ipv6(const char **text, uint8_t bytes_out[16])
{
    uint8_t bytes[16] = {0};
    size_t size = 0, gap = SIZE_MAX; /* where the :: stands */
    if ((*text)[0] == ':' && (*text)[1] != ':') return false;
    while (size < sizeof bytes) {
        if ((*text)[0] == ':' && (*text)[1] == ':') {
            if (gap != SIZE_MAX) return false;
            gap = size;
            *text += 2;
            if (hex_digit(**text) < 0) break;
        } else if (size > 0) {
            if (**text != ':') break;
            ++*text;
        }
        if (begins_with_quad(*text)) {
            if (size > sizeof bytes - 4 || !take_quad(text, bytes + size)) return false;
            size += 4;
            break;
        }
        if (!take_group(text, bytes + size)) return false;
        size += 2;
    }
    if (gap == SIZE_MAX ? size != sizeof bytes : size > sizeof bytes - 2) return false;
    size_t head = gap == SIZE_MAX ? size : gap;
    memset(bytes_out, 0, sizeof bytes);
    memcpy(bytes_out, bytes, head);
    memcpy(bytes_out + sizeof bytes - (size - head), bytes + head, size - head);
    return true;
}

/* Clear what is behind the prefix; whether there was something. */
static bool clear_host_bits(struct address_range *range)
{
    bool was_set = false;
    for (unsigned bit = range->prefix; bit < ALL_BITS; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> bit % 8);
        was_set |= (range->first.bytes[bit / 8] & mask) != 0;
        range->first.bytes[bit / 8] &= (uint8_t)~mask;
    }
    return was_set;
}

enum address_range_result address_range_parse(const char *text, struct address_range *range_out)
{
    struct address_range range = {.prefix = ALL_BITS};
    uint8_t quad[4];
    unsigned prefix;
    if (strcmp(text, "unix") == 0) {
        *range_out = (struct address_range){.first = address_of_unix()};
        return ADDRESS_RANGE_OK;
    }
    bool is_quad = begins_with_quad(text);
    if (is_quad ? !take_quad(&text, quad) : !take_ipv6(&text, range.first.bytes)) return ADDRESS_RANGE_BAD;
    if (is_quad) range.first = address_of_ipv4(quad);
    if (*text == '/') {
        text++;
        if (!take_decimal(&text, is_quad ? 32 : ALL_BITS, &prefix)) return ADDRESS_RANGE_BAD;
        range.prefix = (uint8_t)(is_quad ? MAPPED_BITS + prefix : prefix);
    }
    if (*text != '\0' || (is_ipv4(&range.first) && range.prefix < MAPPED_BITS)) return ADDRESS_RANGE_BAD;
    bool has_host_bits = clear_host_bits(&range);
    *range_out = range;
    return has_host_bits ? ADDRESS_RANGE_HAS_HOST_BITS : ADDRESS_RANGE_OK;
}

/* ---- ranges ---- */

static bool has_prefix(const uint8_t *bytes, const struct address_range *range)
{
    size_t whole = range->prefix / 8;
    unsigned rest = range->prefix % 8;
    if (memcmp(bytes, range->first.bytes, whole) != 0) return false;
    return rest == 0 || (bytes[whole] ^ range->first.bytes[whole]) >> (8 - rest) == 0;
}

bool address_range_holds(const struct address_range *range, const struct address *address)
{
    if (range->first.is_unix || address->is_unix) return range->first.is_unix && address->is_unix;
    return is_ipv4(address) == range_is_ipv4(range) && has_prefix(address->bytes, range);
}

bool address_range_is_within(const struct address_range *inner, const struct address_range *outer)
{
    return inner->prefix >= outer->prefix && address_range_holds(outer, &inner->first);
}

/* ---- to text ---- */

/* The longest run of two or more groups of zeros, the first of several: RFC 5952, section 4.2. */
static int longest_gap(const uint8_t *bytes, int *length_out)
{
    int best = -1, best_length = 1;
    for (int first = 0; first < GROUPS; first++) {
        int end = first;
        while (end < GROUPS && bytes[2 * end] == 0 && bytes[2 * end + 1] == 0) end++;
        if (end - first <= best_length) continue;
        best = first;
        best_length = end - first;
    }
    *length_out = best_length;
    return best;
}

void address_format(const struct address *address, char text_out[ADDRESS_TEXT_SIZE])
{
    const uint8_t *bytes = address->bytes;
    if (address->is_unix) {
        strcpy(text_out, "unix");
        return;
    }
    if (is_ipv4(address)) {
        sprintf(text_out, "%u.%u.%u.%u", bytes[12], bytes[13], bytes[14], bytes[15]);
        return;
    }
    int length, gap = longest_gap(bytes, &length);
    char *to = text_out;
    for (int i = 0; i < GROUPS; i++) {
        if (i == gap) {
            to += sprintf(to, "::");
            i += length - 1;
            continue;
        }
        bool needs_colon = i > 0 && to[-1] != ':';
        to += sprintf(to, "%s%x", needs_colon ? ":" : "", (unsigned)(bytes[2 * i] << 8 | bytes[2 * i + 1]));
    }
}

void address_range_format(const struct address_range *range, char text_out[ADDRESS_TEXT_SIZE])
{
    address_format(&range->first, text_out);
    if (range->first.is_unix || range->prefix == ALL_BITS) return;
    sprintf(text_out + strlen(text_out), "/%d", range_is_ipv4(range) ? range->prefix - MAPPED_BITS : range->prefix);
}
