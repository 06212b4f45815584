#ifndef PROXY_JSON_TEXT_H
#define PROXY_JSON_TEXT_H

#include <stddef.h>

/* The inside of a JSON string (RFC 8259). */
enum { JSON_TEXT_CHARACTER_MAX = sizeof "\\uXXXX" };

/*
 * The first character of a NUL-terminated text that is not empty, as it stands in a JSON string: `out` is NUL-terminated. Returns how many bytes of `text` it was.
 * Control characters and those that steer a terminal or the direction of text are escaped; a byte that is no UTF-8 becomes \ufffd.
 */
size_t json_text_character(const char *text, char out[static JSON_TEXT_CHARACTER_MAX]);

#endif
