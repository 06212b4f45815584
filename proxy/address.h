#ifndef PROXY_ADDRESS_H
#define PROXY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where a client comes from, and ranges of that, as texts and bytes. IPv4 is kept as the IPv6 addresses that are mapped to it
 * (RFC 4291, section 2.5.5.2), so a client of a dual-stack socket is the same whichever way it came.
 */
struct address {
    bool is_unix; /* a Unix socket; the bytes are 0 */
    uint8_t bytes[16];
};
struct address_range {
    struct address first;
    uint8_t prefix; /* leading bits, of 128, that are the same in all of the range; 0 for Unix sockets */
};

struct address address_of_unix(void);
struct address address_of_ipv4(const uint8_t bytes[4]);
struct address address_of_ipv6(const uint8_t bytes[16]);

/*
 * "unix", "10.1.2.3", "10.0.0.0/8", "fd00::/8", "::ffff:10.0.0.0/104". On ADDRESS_RANGE_HAS_HOST_BITS, which is a range whose address has
 * bits behind the prefix, `*range_out` is the range without them: most likely what was meant.
 */
enum address_range_result { ADDRESS_RANGE_OK, ADDRESS_RANGE_BAD, ADDRESS_RANGE_HAS_HOST_BITS };
enum address_range_result address_range_parse(const char *text, struct address_range *range_out);
/* ::/0 is all of IPv6 and 0.0.0.0/0 all of IPv4: neither holds the other. */
bool address_range_holds(const struct address_range *range, const struct address *address);
/* Whether all of `inner` lies in `outer`. */
bool address_range_is_within(const struct address_range *inner, const struct address_range *outer);

/* "unix", "10.1.2.3", "fd00::1" (RFC 5952); a range with "/8" behind it, unless it is one address. */
enum { ADDRESS_TEXT_SIZE = sizeof "1111:2222:3333:4444:5555:6666:7777:8888/128" };
void address_format(const struct address *address, char text_out[ADDRESS_TEXT_SIZE]);
void address_range_format(const struct address_range *range, char text_out[ADDRESS_TEXT_SIZE]);

#endif
