/*
 * A scripted client below libpq. Not for correctness of what it sends: sending what is wrong is its purpose.
 * Invariant: no call waits longer than LONG_MS for the peer.
 */
#include "tests/e2e/support/wire.h"

#include "protocol/frame.h"
#include "tests/e2e/support/wait.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- connections ---- */

static struct wire *wire_new(int fd, size_t out_size)
{
    struct wire *wire = calloc(1, sizeof *wire);
    wire->fd = fd;
    bytes_writer_init(&wire->out, malloc(out_size), out_size);
    wire->in_capacity = 16384;
    wire->in = malloc(wire->in_capacity);
    return wire;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

struct wire *wire_try_connect(int port)
{
    int fd = connect_to(port);
    return fd < 0 ? NULL : wire_adopt(fd);
}

struct wire *wire_connect(int port)
{
    int fd = connect_to(port);
    cr_assert(fd >= 0, "port %d: %s", port, strerror(errno));
    return wire_new(fd, WIRE_OUT_SIZE);
}

struct wire *wire_adopt(int fd)
{
    struct wire *wire = wire_new(fd, WIRE_OUT_SIZE_FORGIVING);
    wire->is_forgiving = true;
    return wire;
}

struct wire *wire_connect_unix(const char *directory, int port)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%d", directory, port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "%s: %s", address.sun_path, strerror(errno));
    return wire_new(fd, WIRE_OUT_SIZE);
}

void wire_close(struct wire **wire)
{
    if (*wire == NULL) return;
    if ((*wire)->fd >= 0) close((*wire)->fd);
    free((*wire)->out.data);
    free((*wire)->in);
    free(*wire);
    *wire = NULL;
}

void wire_abort(struct wire **wire)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt((*wire)->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    wire_close(wire);
}

void wire_half_close(struct wire *wire)
{
    shutdown(wire->fd, SHUT_WR);
}

void wire_shrink_buffers(struct wire *wire, int size)
{
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(wire->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* ---- sending ---- */

static bool is_ready(const struct wire *wire, short events, int timeout_ms)
{
    struct pollfd entry = {.fd = wire->fd, .events = events};
    int count = poll(&entry, 1, timeout_ms);
    return count > 0;
}

enum fill { FILL_BYTES, FILL_END, FILL_TIMEOUT };

/* Make room, then receive once. */
static enum fill fill(struct wire *wire, int64_t deadline_ms)
{
    if (wire->in_start > 0) {
        memmove(wire->in, wire->in + wire->in_start, wire->in_end - wire->in_start);
        wire->in_end -= wire->in_start;
        wire->in_start = 0;
    }
    if (wire->in_end == wire->in_capacity) wire->in = realloc(wire->in, wire->in_capacity *= 2);
    for (;;) {
        ssize_t got = recv(wire->fd, wire->in + wire->in_end, wire->in_capacity - wire->in_end, MSG_DONTWAIT);
        if (got > 0) {
            wire->in_end += (size_t)got;
            return FILL_BYTES;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) return FILL_END;
        if (!is_ready(wire, POLLIN, ms_left(deadline_ms))) return FILL_TIMEOUT;
    }
}

size_t wire_send_some(struct wire *wire, const void *data, size_t size)
{
    ssize_t sent = send(wire->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? (size_t)sent : 0;
}

bool wire_send(struct wire *wire, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t sent = send(wire->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            at += sent;
            size -= (size_t)sent;
            continue;
        }
        bool is_blocked = sent < 0 && (errno == EAGAIN || errno == EINTR);
        if (is_blocked && is_ready(wire, POLLOUT | POLLIN, LONG_MS)) {
            if (is_ready(wire, POLLIN, 0)) fill(wire, now_ms());
            continue;
        }
        cr_assert(wire->is_forgiving, "cannot send: %s", is_blocked ? "the peer does not read" : strerror(errno));
        return false;
    }
    return true;
}

bool wire_flush(struct wire *wire)
{
    size_t size = wire->out.size;
    cr_assert(!wire->out.has_failed, "more staged than fits");
    wire->out.size = 0;
    return wire_send(wire, wire->out.data, size);
}

void wire_flush_slowly(struct wire *wire)
{
    for (size_t i = 0; i < wire->out.size; i++) wire_send(wire, wire->out.data + i, 1);
    wire->out.size = 0;
}

void wire_flush_part(struct wire *wire, size_t size)
{
    cr_assert(size <= wire->out.size);
    wire_send(wire, wire->out.data, size);
    wire->out.size = 0;
}

/* ---- receiving ---- */

/* Take a message out of what was received; false: not all there yet. */
static bool take_message(struct wire *wire, struct wire_message *message_out)
{
    struct frame frame;
    size_t size = wire->in_end - wire->in_start;
    enum codec_result result = frame_parse_header(wire->in + wire->in_start, size, &frame);
    if (result == CODEC_MORE) return false;
    cr_assert(result == CODEC_OK || wire->is_forgiving, "received a header that is none: %02x", wire->in[wire->in_start]);
    if (result != CODEC_OK) {
        *message_out = (struct wire_message){.type = '?'};
        return true;
    }
    if (size - FRAME_HEADER_SIZE < frame.body_size) return false;
    *message_out = (struct wire_message){frame.type, wire->in + wire->in_start + FRAME_HEADER_SIZE, frame.body_size};
    wire->in_start += FRAME_HEADER_SIZE + frame.body_size;
    return true;
}

static void note_parameter(struct wire *wire, const struct wire_message *message)
{
    const char *name, *value;
    size_t i = 0;
    if (backend_parse_parameter_status(message->body, message->size, &name, &value) != CODEC_OK) return;
    while (i < wire->parameter_count && strcmp(wire->parameters[i].name, name) != 0) i++;
    if (i == WIRE_PARAMETERS_MAX) return;
    if (i == wire->parameter_count) wire->parameter_count++;
    snprintf(wire->parameters[i].name, sizeof wire->parameters[i].name, "%s", name);
    snprintf(wire->parameters[i].value, sizeof wire->parameters[i].value, "%s", value);
}

static void note_key(struct wire *wire, const struct wire_message *message)
{
    const uint8_t *key;
    size_t size;
    if (backend_parse_key_data(message->body, message->size, &wire->pid, &key, &size) != CODEC_OK) return;
    if (size > sizeof wire->key) size = sizeof wire->key;
    memcpy(wire->key, key, size);
    wire->key_size = size;
}

bool wire_try_receive(struct wire *wire, int timeout_ms, struct wire_message *message_out)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    while (!take_message(wire, message_out)) {
        enum fill filled = fill(wire, deadline_ms);
        if (filled == FILL_TIMEOUT) return false;
        if (filled == FILL_END) {
            *message_out = (struct wire_message){0};
            return true;
        }
    }
    if (message_out->type == BACKEND_PARAMETER_STATUS) note_parameter(wire, message_out);
    if (message_out->type == BACKEND_KEY_DATA) note_key(wire, message_out);
    return true;
}

struct wire_message wire_receive(struct wire *wire)
{
    struct wire_message message = {0};
    bool has_come = wire_try_receive(wire, LONG_MS, &message);
    cr_assert(has_come || wire->is_forgiving, "no message within %d ms", LONG_MS);
    return message;
}

uint8_t wire_skip(struct wire *wire, size_t *size_out)
{
    struct frame frame = {0};
    uint8_t header[FRAME_HEADER_SIZE], body[16384];
    *size_out = 0;
    for (size_t have = 0; have < sizeof header;) {
        size_t got = wire_receive_raw(wire, header + have, sizeof header - have);
        if (got == 0) return 0;
        have += got;
    }
    cr_assert_eq(frame_parse_header(header, sizeof header, &frame), CODEC_OK, "header of type %02x", header[0]);
    for (size_t left = frame.body_size; left > 0;) {
        size_t got = wire_receive_raw(wire, body, left < sizeof body ? left : sizeof body);
        if (got == 0) return 0;
        left -= got;
    }
    *size_out = frame.body_size;
    return frame.type;
}

int wire_receive_byte(struct wire *wire)
{
    uint8_t byte;
    return wire_receive_raw(wire, &byte, 1) == 1 ? byte : -1;
}

size_t wire_receive_raw(struct wire *wire, void *data, size_t size)
{
    if (wire->in_start == wire->in_end) {
        enum fill filled = fill(wire, now_ms() + LONG_MS);
        cr_assert(filled != FILL_TIMEOUT || wire->is_forgiving, "no byte within %d ms", LONG_MS);
        if (filled != FILL_BYTES) return 0;
    }
    size_t taken = wire->in_end - wire->in_start;
    if (taken > size) taken = size;
    memcpy(data, wire->in + wire->in_start, taken);
    wire->in_start += taken;
    return taken;
}

/* ---- patterns ---- */

/* The columns of a DataRow as "a|b", NULL as "null". */
static void describe_row(const struct wire_message *message, char *text, size_t size)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, message->body, message->size);
    unsigned count = bytes_read_u16(&reader);
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < count && used < size; i++) {
        uint32_t length = bytes_read_u32(&reader);
        const uint8_t *value = length == UINT32_MAX ? NULL : bytes_read_block(&reader, length);
        int shown = value == NULL ? 4 : length < size ? (int)length : (int)size;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%.*s", i == 0 ? "" : "|", shown, value == NULL ? "null" : (const char *)value);
    }
}

/* What a pattern word may say after the colon. */
static void describe(const struct wire_message *message, char *text, size_t size)
{
    const char *name = "", *value = "";
    char status = 0;
    struct backend_error error = {0};
    text[0] = '\0';
    switch (message->type) {
    case BACKEND_READY_FOR_QUERY:
        if (backend_parse_ready_for_query(message->body, message->size, &status) == CODEC_OK) snprintf(text, size, "%c", status);
        break;
    case BACKEND_COMMAND_COMPLETE:
        if (backend_parse_command_complete(message->body, message->size, &name) == CODEC_OK) snprintf(text, size, "%s", name);
        break;
    case BACKEND_ERROR:
    case BACKEND_NOTICE:
        if (backend_parse_error(message->body, message->size, &error) == CODEC_OK)
            snprintf(text, size, "%s %s", error.sqlstate != NULL ? error.sqlstate : "?", error.message != NULL ? error.message : "");
        break;
    case BACKEND_PARAMETER_STATUS:
        if (backend_parse_parameter_status(message->body, message->size, &name, &value) == CODEC_OK) snprintf(text, size, "%s", name);
        break;
    case BACKEND_DATA_ROW: describe_row(message, text, size); break;
    case BACKEND_COPY_DATA:
        snprintf(text, size, "%.*s", message->size < size ? (int)message->size : (int)size - 1, (const char *)message->body);
        break;
    default: break;
    }
}

static bool is_prefix_match(uint8_t type)
{
    return type == BACKEND_ERROR || type == BACKEND_NOTICE || type == BACKEND_COPY_DATA;
}

/* `word` is "X", "X:text", "X*" or "-", `size` long. */
static bool matches(const char *word, size_t size, const struct wire_message *message, const char *text)
{
    uint8_t type = word[0] == '-' ? 0 : (uint8_t)word[0];
    if (message->type != type) return false;
    if (size < 2 || word[1] != ':') return true;
    const char *wanted = word + 2;
    size_t wanted_size = size - 2, text_size = strlen(text);
    if (text_size < wanted_size || (text_size > wanted_size && !is_prefix_match(type))) return false;
    for (size_t i = 0; i < wanted_size; i++)
        if (wanted[i] != '_' && wanted[i] != text[i]) return false;
    return true;
}

bool wire_match(struct wire *wire, const char *pattern, char *why_out, size_t why_size)
{
    struct wire_message message = {0};
    bool has_message = false;
    char text[512] = "";
    for (const char *word = pattern + strspn(pattern, " "); *word != '\0'; word += strspn(word, " ")) {
        size_t size = strcspn(word, " ");
        bool is_repeated = size > 1 && word[size - 1] == '*';
        const char *next = word + size;
        if (is_repeated) size--;
        if (wire->skips_parameters && size == 1 && *word == 'S') {
            word = next;
            continue;
        }
        for (;;) {
            if (!has_message && !wire_try_receive(wire, LONG_MS, &message)) {
                snprintf(why_out, why_size, "no message within %d ms, waiting for \"%s\" of \"%s\"", LONG_MS, word, pattern);
                return false;
            }
            if (!has_message && wire->skips_parameters && message.type == BACKEND_PARAMETER_STATUS) continue;
            if (!has_message) describe(&message, text, sizeof text);
            has_message = true;
            bool is_match = matches(word, size, &message, text);
            if (!is_match && !is_repeated) {
                snprintf(why_out, why_size, "received %c (%.300s) instead of \"%s\" of \"%s\"", message.type != 0 ? message.type : '-',
                         message.type != 0 ? text : "end of connection", word, pattern);
                return false;
            }
            if (is_match) has_message = false;
            if (!is_match || !is_repeated) break;
        }
        word = next;
    }
    if (has_message) snprintf(why_out, why_size, "received %c (%.300s) after \"%s\"", message.type, text, pattern);
    return !has_message;
}

void wire_expect_at(struct wire *wire, const char *pattern, const char *file, int line)
{
    char why[1024];
    bool is_match = wire_match(wire, pattern, why, sizeof why);
    cr_assert(is_match, "%s:%d: %s", file, line, why);
}

/* ---- sessions ---- */

static void write_startup(struct wire *wire, const char *user, const char *database, const char *const *pairs)
{
    const char *all[64] = {"user", user, "database", database};
    size_t count = 4;
    for (size_t i = 0; pairs != NULL && pairs[i] != NULL && count < 62; i++) all[count++] = pairs[i];
    frontend_write_startup(&wire->out, 3, 0, all);
}

void wire_login(struct wire *wire, const char *user, const char *database, const char *const *pairs)
{
    write_startup(wire, user, database, pairs);
    wire_flush(wire);
    wire_expect(wire, "R S* K Z:I");
}

bool wire_try_login(struct wire *wire, const char *user, const char *database)
{
    struct wire_message message;
    write_startup(wire, user, database, NULL);
    if (!wire_flush(wire)) return false;
    do {
        if (!wire_try_receive(wire, LONG_MS, &message)) return false;
        if (message.type == 0 || message.type == BACKEND_ERROR) return false;
    } while (message.type != BACKEND_READY_FOR_QUERY);
    return true;
}

struct wire *wire_session(int port)
{
    struct wire *wire = wire_connect(port);
    wire_login(wire, "app", "app", NULL);
    return wire;
}

const char *wire_parameter(const struct wire *wire, const char *name)
{
    for (size_t i = 0; i < wire->parameter_count; i++)
        if (strcmp(wire->parameters[i].name, name) == 0) return wire->parameters[i].value;
    return NULL;
}

void wire_send_query(struct wire *wire, const char *text)
{
    frontend_write_query(&wire->out, text);
    wire_flush(wire);
}

static void keep_first_column(struct wire *wire, const struct wire_message *message)
{
    struct bytes_reader reader;
    bytes_reader_init(&reader, message->body, message->size);
    uint16_t count = bytes_read_u16(&reader);
    uint32_t length = count > 0 ? bytes_read_u32(&reader) : 0;
    const uint8_t *value = length == UINT32_MAX ? NULL : bytes_read_block(&reader, length);
    int shown = length < sizeof wire->text ? (int)length : (int)sizeof wire->text - 1;
    snprintf(wire->text, sizeof wire->text, "%.*s", value == NULL ? 0 : shown, value == NULL ? "" : (const char *)value);
}

const char *wire_query(struct wire *wire, const char *text)
{
    wire->text[0] = '\0';
    frontend_write_query(&wire->out, text);
    if (!wire_flush(wire)) return "!end";
    for (;;) {
        struct backend_error error;
        struct wire_message message = wire_receive(wire);
        switch (message.type) {
        case 0: return wire->text[0] == '!' ? wire->text : "!end";
        case BACKEND_READY_FOR_QUERY: return wire->text;
        case BACKEND_DATA_ROW: keep_first_column(wire, &message); break;
        case BACKEND_ERROR:
            if (backend_parse_error(message.body, message.size, &error) == CODEC_OK)
                snprintf(wire->text, sizeof wire->text, "!%s", error.sqlstate);
            break;
        case BACKEND_ROW_DESCRIPTION:
        case BACKEND_COMMAND_COMPLETE:
        case BACKEND_EMPTY_QUERY:
        case BACKEND_NOTICE:
        case BACKEND_PARAMETER_STATUS: break;
        default:
            cr_assert(wire->is_forgiving, "message %c in the answer to a simple query", message.type);
            snprintf(wire->text, sizeof wire->text, "!type %c", message.type);
            return wire->text;
        }
    }
}

void wire_cancel(int port, uint32_t pid, const uint8_t *key, size_t key_size)
{
    struct wire *wire = wire_try_connect(port);
    if (wire == NULL) return;
    frontend_write_cancel_request(&wire->out, pid, key, key_size);
    if (wire_flush(wire)) wire_receive_byte(wire);
    wire_close(&wire);
}

void wire_settle(int port)
{
    wire_cancel(port, 0, (const uint8_t *)"\0\0\0", 4);
}
