/* Escaping for JSON, one character at a time, so that who has little room knows where it may cut. */
#include "proxy/json_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proxy/utf8.h"

size_t json_text_character(const char *text, char out[static JSON_TEXT_CHARACTER_MAX])
{
    uint32_t code;
    size_t size = utf8_decode(text, &code);
    if (size == 0) {
        strcpy(out, "\\ufffd");
        return 1;
    }
    if (code == '"' || code == '\\') {
        snprintf(out, JSON_TEXT_CHARACTER_MAX, "\\%c", (char)code);
    } else if (utf8_is_steering(code)) { /* all of them have four digits at most */
        snprintf(out, JSON_TEXT_CHARACTER_MAX, "\\u%04x", (unsigned)code & 0xffff);
    } else {
        memcpy(out, text, size);
        out[size] = '\0';
    }
    return size;
}
