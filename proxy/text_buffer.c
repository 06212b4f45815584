/* Growing texts and their quoting. Invariant: what is added between quotes is UTF-8, and ends them nowhere. */
#include "proxy/text_buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/json_text.h"
#include "proxy/memory.h"
#include "proxy/utf8.h"

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

void text_buffer_add_bytes(struct text_buffer *buffer, const char *bytes, size_t size)
{
    reserve(buffer, size);
    memcpy(buffer->text + buffer->size, bytes, size);
    buffer->size += size;
    buffer->text[buffer->size] = '\0';
}

void text_buffer_add(struct text_buffer *buffer, const char *text)
{
    text_buffer_add_bytes(buffer, text, strlen(text));
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

void text_buffer_add_json(struct text_buffer *buffer, const char *text)
{
    char character[JSON_TEXT_CHARACTER_MAX];
    text_buffer_add(buffer, "\"");
    while (*text) {
        text += json_text_character(text, character);
        text_buffer_add(buffer, character);
    }
    text_buffer_add(buffer, "\"");
}

enum { REPLACEMENT = 0xfffd };

static void add_label_byte(struct text_buffer *buffer, char byte)
{
    text_buffer_print(buffer, "\xef\xbf\xbd%02x", (unsigned char)byte);
}

/* Returns how many bytes of `text` it was. */
static size_t add_label_character(struct text_buffer *buffer, const char *text)
{
    uint32_t code;
    size_t size = utf8_decode(text, &code);
    if (size == 0 || code == REPLACEMENT) {
        add_label_byte(buffer, *text);
        for (size_t i = 1; i < size; i++) add_label_byte(buffer, text[i]);
        return size > 0 ? size : 1;
    }
    switch (code) {
    case '"': text_buffer_add(buffer, "\\\""); break;
    case '\\': text_buffer_add(buffer, "\\\\"); break;
    case '\n': text_buffer_add(buffer, "\\n"); break;
    default: text_buffer_add_bytes(buffer, text, size);
    }
    return size;
}

void text_buffer_add_label(struct text_buffer *buffer, const char *text)
{
    text_buffer_add(buffer, "\"");
    while (*text) text += add_label_character(buffer, text);
    text_buffer_add(buffer, "\"");
}
