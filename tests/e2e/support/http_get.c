/* The least of an HTTP client. */
#include "tests/e2e/support/http_get.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/e2e/support/files.h"

enum { ANSWER_MAX = 8 << 20, TIMEOUT_S = 30 };

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

static size_t receive_all(int fd, char *answer)
{
    size_t size = 0;
    for (ssize_t count; size < ANSWER_MAX - 1 && (count = recv(fd, answer + size, ANSWER_MAX - 1 - size, 0)) > 0;) size += (size_t)count;
    answer[size] = '\0';
    return size;
}

int http_get(int port, const char *path, const char *accept, char **body_out)
{
    int fd = connect_to(port), status = 0;
    *body_out = strdup("");
    if (fd < 0) return 0;
    char *request = text_format("GET %s HTTP/1.0\r\nHost: localhost\r\nAccept: %s\r\n\r\n", path, accept), *answer = malloc(ANSWER_MAX);
    bool is_sent = send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request);
    if (is_sent && answer && receive_all(fd, answer) > 0 && sscanf(answer, "HTTP/%*s %d", &status) == 1) {
        const char *body = strstr(answer, "\r\n\r\n");
        free(*body_out);
        *body_out = strdup(body ? body + 4 : "");
    }
    free(answer);
    free(request);
    close(fd);
    return status;
}

char *http_exchange(int port, const char *request, size_t size)
{
    int fd = connect_to(port);
    char *answer = calloc(1, ANSWER_MAX);
    if (fd < 0 || !answer) return answer;
    /* It may have been answered, and closed, before all of it was sent. */
    for (ssize_t count; size > 0 && (count = send(fd, request, size, MSG_NOSIGNAL)) > 0; request += count) size -= (size_t)count;
    shutdown(fd, SHUT_WR);
    receive_all(fd, answer);
    close(fd);
    return answer;
}

int http_status(int port, const char *path)
{
    char *body;
    int status = http_get(port, path, "*/*", &body);
    free(body);
    return status;
}
