#ifndef PROXY_TEXT_BUFFER_H
#define PROXY_TEXT_BUFFER_H

#include <stddef.h>

/* A text that grows at its end, and strangers' texts in the quoting of JSON and of Prometheus. A zeroed struct is empty. */
struct text_buffer {
    char *text; /* NUL-terminated; NULL: empty. From malloc */
    size_t size, capacity;
};

void text_buffer_fini(struct text_buffer *buffer);

void text_buffer_add(struct text_buffer *buffer, const char *text);
void text_buffer_add_bytes(struct text_buffer *buffer, const char *bytes, size_t size);
void text_buffer_print(struct text_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A JSON string with its quotes (RFC 8259). A byte that is no UTF-8 becomes U+FFFD. */
void text_buffer_add_json(struct text_buffer *buffer, const char *text);
/*
 * The value of a label with its quotes (Prometheus text format 0.0.4, OpenMetrics 1.0). Different texts remain different, as series must: a byte that is no UTF-8 becomes
 * U+FFFD and its two hexadecimal digits, and so does each byte of a U+FFFD that stands in the text itself.
 */
void text_buffer_add_label(struct text_buffer *buffer, const char *text);

#endif
