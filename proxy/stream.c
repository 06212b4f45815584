/*
 * Streams: receive and send on one socket. This file and server_login.c are the only ones that call OpenSSL's connection functions.
 *
 * Invariants: the write watcher runs exactly while something is kept back (or OpenSSL wants to write for a read); reading is never stopped here, only by the owner; one receive call
 * for each readable event.
 */
#include "proxy/stream.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/memory.h"

enum { FIRST_UNSENT = 4096 };

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events);
static void on_writable(struct ev_loop *loop, ev_io *watcher, int events);

void stream_init(struct stream *stream, struct ev_loop *loop, int fd, struct ssl_st *ssl, const struct stream_events *events)
{
    *stream = (struct stream){.loop = loop, .fd = fd, .ssl = ssl, .events = events};
    if (ssl) SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ev_io_init(&stream->read_watcher, on_readable, fd, EV_READ);
    ev_io_init(&stream->write_watcher, on_writable, fd, EV_WRITE);
    stream->read_watcher.data = stream->write_watcher.data = stream;
    ev_io_start(loop, &stream->read_watcher);
}

static void forget_unsent(struct stream *stream)
{
    free(stream->unsent);
    stream->unsent = NULL;
    stream->unsent_first = stream->unsent_size = stream->unsent_capacity = 0;
    ev_io_stop(stream->loop, &stream->write_watcher);
}

void stream_close(struct stream *stream, bool closes_fd)
{
    if (stream->fd < 0) return;
    ev_io_stop(stream->loop, &stream->read_watcher);
    forget_unsent(stream);
    if (closes_fd) close(stream->fd);
    stream->fd = -1;
}

static bool is_transient(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static ssize_t read_ssl(struct stream *stream, void *buffer, size_t size)
{
    ERR_clear_error();
    errno = 0;
    int got = SSL_read(stream->ssl, buffer, size > INT_MAX ? INT_MAX : (int)size);
    if (got > 0) {
        /* Bytes that OpenSSL holds already make no descriptor readable. */
        if (SSL_has_pending(stream->ssl)) ev_feed_event(stream->loop, &stream->read_watcher, EV_READ);
        return got;
    }
    switch (SSL_get_error(stream->ssl, got)) {
    case SSL_ERROR_WANT_READ: return STREAM_BLOCKED;
    case SSL_ERROR_WANT_WRITE: ev_io_start(stream->loop, &stream->write_watcher); return STREAM_BLOCKED;
    case SSL_ERROR_ZERO_RETURN: errno = 0; return STREAM_ENDED;
    default:
        if (errno == 0) errno = ECONNABORTED;
        return STREAM_ENDED;
    }
}

ssize_t stream_read(struct stream *stream, void *buffer, size_t size)
{
    if (stream->ssl) return read_ssl(stream, buffer, size);
    ssize_t got = recv(stream->fd, buffer, size, 0);
    if (got > 0) return got;
    if (got < 0 && is_transient(errno)) return STREAM_BLOCKED;
    if (got == 0) errno = 0;
    return STREAM_ENDED;
}

/* What was sent; 0 when the kernel takes nothing now; -1 when the connection is broken. */
static ssize_t send_ssl(struct stream *stream, const struct iovec *parts, int count)
{
    ssize_t sent = 0;
    for (int i = 0; i < count; i++) {
        const uint8_t *data = parts[i].iov_base;
        size_t left = parts[i].iov_len;
        while (left > 0) {
            ERR_clear_error();
            int wrote = SSL_write(stream->ssl, data, left > INT_MAX ? INT_MAX : (int)left);
            if (wrote <= 0) {
                int why = SSL_get_error(stream->ssl, wrote);
                return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? sent : -1;
            }
            data += wrote;
            left -= (size_t)wrote;
            sent += wrote;
        }
    }
    return sent;
}

static ssize_t send_parts(struct stream *stream, struct iovec *parts, int count)
{
    if (stream->ssl) return send_ssl(stream, parts, count);
    ssize_t sent;
    if (count == 1) {
        sent = send(stream->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
    } else {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
        sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    }
    if (sent >= 0) return sent;
    return is_transient(errno) ? 0 : -1;
}

static void keep_back(struct stream *stream, const void *data, size_t size)
{
    size_t needed = (size_t)stream->unsent_first + stream->unsent_size + size;
    if (needed > stream->unsent_capacity) {
        if (stream->unsent_first > 0) {
            memmove(stream->unsent, stream->unsent + stream->unsent_first, stream->unsent_size);
            needed -= stream->unsent_first;
            stream->unsent_first = 0;
        }
        size_t capacity = stream->unsent_capacity ? stream->unsent_capacity : FIRST_UNSENT;
        while (capacity < needed) capacity *= 2;
        if (capacity > UINT32_MAX) abort(); /* the sources are stopped long before: our own bug */
        stream->unsent = memory_realloc(stream->unsent, capacity);
        stream->unsent_capacity = (uint32_t)capacity;
    }
    memcpy(stream->unsent + stream->unsent_first + stream->unsent_size, data, size);
    stream->unsent_size += (uint32_t)size;
}

void stream_withhold(struct stream *stream, const void *data, size_t size)
{
    if (stream->fd >= 0 && !stream->is_write_broken) keep_back(stream, data, size);
}

/* What was withheld goes out together with what comes behind it. */
static bool send_withheld(struct stream *stream, const struct iovec *parts, int count)
{
    for (int i = 0; i < count; i++) keep_back(stream, parts[i].iov_base, parts[i].iov_len);
    struct iovec all = {.iov_base = stream->unsent + stream->unsent_first, .iov_len = stream->unsent_size};
    ssize_t sent = send_parts(stream, &all, 1);
    if (sent < 0) {
        stream->is_write_broken = true;
        sent = (ssize_t)stream->unsent_size;
    }
    stream->unsent_first += (uint32_t)sent;
    stream->unsent_size -= (uint32_t)sent;
    if (stream->unsent_size == 0) {
        forget_unsent(stream);
        return true;
    }
    ev_io_start(stream->loop, &stream->write_watcher);
    return false;
}

bool stream_write_parts(struct stream *stream, struct iovec *parts, int count)
{
    if (stream->fd < 0 || stream->is_write_broken) return true;
    if (stream->unsent_size > 0 && !ev_is_active(&stream->write_watcher)) return send_withheld(stream, parts, count);
    size_t sent = 0;
    if (stream->unsent_size == 0) {
        ssize_t result = send_parts(stream, parts, count);
        if (result < 0) {
            stream->is_write_broken = true;
            return true;
        }
        sent = (size_t)result;
    }
    for (int i = 0; i < count; i++) {
        if (sent >= parts[i].iov_len) {
            sent -= parts[i].iov_len;
            continue;
        }
        keep_back(stream, (const uint8_t *)parts[i].iov_base + sent, parts[i].iov_len - sent);
        sent = 0;
    }
    if (stream->unsent_size == 0) return true;
    ev_io_start(stream->loop, &stream->write_watcher);
    return false;
}

bool stream_write(struct stream *stream, const void *data, size_t size)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    return stream_write_parts(stream, &part, 1);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    struct stream *stream = watcher->data;
    /* An event fed for OpenSSL's pending bytes may outlive a pause. */
    if (stream->fd >= 0 && ev_is_active(watcher)) stream->events->readable(stream);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct stream *stream = watcher->data;
    if (stream->unsent_size == 0) { /* OpenSSL wanted to write for a read */
        ev_io_stop(loop, watcher);
        ev_feed_event(loop, &stream->read_watcher, EV_READ);
        return;
    }
    struct iovec part = {.iov_base = stream->unsent + stream->unsent_first, .iov_len = stream->unsent_size};
    ssize_t sent = send_parts(stream, &part, 1);
    if (sent < 0) {
        stream->is_write_broken = true;
        sent = (ssize_t)stream->unsent_size;
    }
    stream->unsent_first += (uint32_t)sent;
    stream->unsent_size -= (uint32_t)sent;
    if (stream->unsent_size > 0) return;
    forget_unsent(stream);
    stream->events->drained(stream);
}

void stream_pause_reading(struct stream *stream)
{
    stream->wants_reading = false;
    ev_io_stop(stream->loop, &stream->read_watcher);
}

void stream_resume_reading(struct stream *stream)
{
    stream->wants_reading = true;
    if (stream->fd < 0 || stream->is_suspended || ev_is_active(&stream->read_watcher)) return;
    ev_io_start(stream->loop, &stream->read_watcher);
    if (stream->ssl && SSL_has_pending(stream->ssl)) ev_feed_event(stream->loop, &stream->read_watcher, EV_READ);
}

void stream_suspend(struct stream *stream)
{
    if (stream->fd < 0 || stream->is_suspended) return;
    stream->wants_reading = ev_is_active(&stream->read_watcher);
    stream->is_suspended = true;
    ev_io_stop(stream->loop, &stream->read_watcher);
}

void stream_unsuspend(struct stream *stream)
{
    if (!stream->is_suspended) return;
    stream->is_suspended = false;
    if (stream->wants_reading) stream_resume_reading(stream);
}

bool stream_is_reading(const struct stream *stream)
{
    return ev_is_active(&stream->read_watcher);
}

bool stream_peer_is_gone(const struct stream *stream)
{
    struct pollfd poll_fd = {.fd = stream->fd, .events = POLLRDHUP};
    return stream->fd >= 0 && poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR));
}
