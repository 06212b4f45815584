#ifndef PROXY_UTF8_H
#define PROXY_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of texts that strangers wrote, before they are shown to a person. */

/*
 * The size in bytes of the character at the start of a NUL-terminated text, and its code; 0: a bad sequence (overlong, a surrogate, cut). Never
 * reads behind a NUL.
 */
size_t utf8_decode(const char *text, uint32_t *code_out);
/* Whether it steers a terminal or the direction of the text: C0 and C1 controls, DEL, U+200E and U+200F, U+2028 to U+202E, U+2066 to U+2069. */
bool utf8_is_steering(uint32_t code);
/*
 * The first character of a NUL-terminated text that is not empty, as a terminal may see it: itself, or \xHH for its first byte where it steers or is no UTF-8. `out` is
 * NUL-terminated. Returns how many bytes of `text` it was.
 */
enum { UTF8_SHOWN_SIZE = sizeof "\\xHH" };
size_t utf8_shown(const char *text, char out[static UTF8_SHOWN_SIZE]);

#endif
