/* UTF-8 (RFC 3629), strictly. */
#include "proxy/utf8.h"

#include <stdio.h>
#include <string.h>

size_t utf8_decode(const char *text_, uint32_t *code_out)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *text = (const unsigned char *)text_;
    if (*text < 0x80) {
        *code_out = *text;
        return 1;
    }
    size_t size = *text >= 0xf0 && *text <= 0xf4 ? 4 : *text >= 0xe0 && *text < 0xf0 ? 3 : *text >= 0xc2 && *text < 0xe0 ? 2 : 0;
    if (size == 0) return 0;
    uint32_t code = *text & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0; /* NUL is no continuation either */
        code = code << 6 | (text[i] & 0x3fu);
    }
    *code_out = code;
    return code >= smallest[size] && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? size : 0;
}

bool utf8_is_steering(uint32_t code)
{
    return code < ' ' || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

size_t utf8_shown(const char *text, char out[static UTF8_SHOWN_SIZE])
{
    uint32_t code;
    size_t size = utf8_decode(text, &code);
    if (size == 0 || utf8_is_steering(code)) {
        snprintf(out, UTF8_SHOWN_SIZE, "\\x%02x", (unsigned char)*text);
        return 1;
    }
    memcpy(out, text, size);
    out[size] = '\0';
    return size;
}
