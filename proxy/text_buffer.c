/* Growing texts and their quoting. Invariant: what is added between quotes is UTF-8, and ends them nowhere. */
#include "proxy/text_buffer.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/memory.h"

static const char replacement[] = "\xef\xbf\xbd";

void text_buffer_fini(struct text_buffer *buffer)
{
    free(buffer->text);
    *buffer = (struct text_buffer){0};
}

/* Room for so many bytes more, and the NUL. */
static void reserve(struct text_buffer *buffer, size_t more)
{
    if (buffer->capacity - buffer->size > more) return;
    size_t capacity = buffer->capacity ? buffer->capacity : 1024;
    while (capacity - buffer->size <= more) capacity *= 2;
    buffer->text = memory_realloc(buffer->text, capacity);
    buffer->capacity = capacity;
}

static void add_bytes(struct text_buffer *buffer, const char *bytes, size_t size)
{
    reserve(buffer, size);
    memcpy(buffer->text + buffer->size, bytes, size);
    buffer->size += size;
    buffer->text[buffer->size] = '\0';
}

void text_buffer_add(struct text_buffer *buffer, const char *text)
{
    add_bytes(buffer, text, strlen(text));
}

void text_buffer_print(struct text_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size <= 0) return;
    reserve(buffer, (size_t)size);
    va_start(arguments, format);
    vsnprintf(buffer->text + buffer->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)size;
}

/* The bytes of the character that the text begins with; 0: it begins with none (RFC 3629: no overlong forms, no surrogates). */
static size_t character_size(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    if (bytes[0] < 0x80) return 1;
    size_t size = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4) return 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80) return 0; /* the NUL is none either */
    if (bytes[0] == 0xe0 && bytes[1] < 0xa0) return 0;
    if (bytes[0] == 0xed && bytes[1] > 0x9f) return 0;
    if (bytes[0] == 0xf0 && bytes[1] < 0x90) return 0;
    if (bytes[0] == 0xf4 && bytes[1] > 0x8f) return 0;
    return size;
}

static void add_json_character(struct text_buffer *buffer, const char *text, size_t size)
{
    unsigned char byte = (unsigned char)*text;
    if (size == 0)
        text_buffer_add(buffer, replacement);
    else if (byte == '"' || byte == '\\')
        text_buffer_print(buffer, "\\%c", byte);
    else if (byte < 0x20)
        text_buffer_print(buffer, "\\u%04x", byte);
    else
        add_bytes(buffer, text, size);
}

void text_buffer_add_json(struct text_buffer *buffer, const char *text)
{
    text_buffer_add(buffer, "\"");
    while (*text) {
        size_t size = character_size(text);
        add_json_character(buffer, text, size);
        text += size > 0 ? size : 1;
    }
    text_buffer_add(buffer, "\"");
}

static void add_label_character(struct text_buffer *buffer, const char *text, size_t size)
{
    if (size == 0 || (size == 3 && memcmp(text, replacement, 3) == 0)) {
        for (size_t i = 0; i < (size > 0 ? size : 1); i++) text_buffer_print(buffer, "%s%02x", replacement, (unsigned char)text[i]);
        return;
    }
    switch (*text) {
    case '"': text_buffer_add(buffer, "\\\""); break;
    case '\\': text_buffer_add(buffer, "\\\\"); break;
    case '\n': text_buffer_add(buffer, "\\n"); break;
    default: add_bytes(buffer, text, size);
    }
}

void text_buffer_add_label(struct text_buffer *buffer, const char *text)
{
    text_buffer_add(buffer, "\"");
    while (*text) {
        size_t size = character_size(text);
        add_label_character(buffer, text, size);
        text += size > 0 ? size : 1;
    }
    text_buffer_add(buffer, "\"");
}
