#ifndef TESTS_E2E_SUPPORT_HTTP_GET_H
#define TESTS_E2E_SUPPORT_HTTP_GET_H

#include <stddef.h>

/* One GET of 127.0.0.1 over HTTP/1.0. The status, 0 when nobody answered; the caller frees *body_out, which is "" then. Any thread. */
int http_get(int port, const char *path, const char *accept, char **body_out);
/* The status alone. */
int http_status(int port, const char *path);
/* These bytes as they are, then nothing more (FIN). All that is answered until the other side closes, "" for nothing; the caller frees it. */
char *http_exchange(int port, const char *request, size_t size);

#endif
