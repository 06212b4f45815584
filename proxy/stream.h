#ifndef PROXY_STREAM_H
#define PROXY_STREAM_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * A non-blocking connected socket on an ev_loop, plain or under somebody else's SSL object. Bytes are read into the caller's buffer and written from it;
 * the stream owns memory only for what the kernel would not take at once.
 */
struct stream;
struct ssl_st;

struct stream_events {
    void (*readable)(struct stream *stream); /* call stream_read once */
    void (*drained)(struct stream *stream);  /* what was kept back has all been sent */
};

struct stream {
    struct ev_loop *loop;
    const struct stream_events *events;
    struct ssl_st *ssl; /* NULL: plain. Borrowed */
    uint8_t *unsent;    /* NULL: nothing is kept back */
    uint32_t unsent_first, unsent_size, unsent_capacity;
    int fd;               /* -1: closed */
    bool is_suspended;    /* not read, whatever the owner wants */
    bool wants_reading;   /* what the owner wants, while suspended */
    bool is_write_broken; /* the peer takes no more; what it said before can still be read */
    ev_io read_watcher, write_watcher;
};

/* Takes over `fd`, which is non-blocking, but not `ssl`. Reading starts at once. */
void stream_init(struct stream *stream, struct ev_loop *loop, int fd, struct ssl_st *ssl, const struct stream_events *events);
/* Watchers stop, memory is freed; the descriptor is closed when `closes_fd`. No callback comes afterwards. Harmless twice. */
void stream_close(struct stream *stream, bool closes_fd);

enum { STREAM_BLOCKED = 0, STREAM_ENDED = -1 };
/* Bytes read, STREAM_BLOCKED, or STREAM_ENDED (end of file, or an error that ends the connection; errno is 0 or that error). */
ssize_t stream_read(struct stream *stream, void *buffer, size_t size);

/*
 * Send all parts, in order, behind what is kept back. What the kernel does not take is copied. False: something is kept back now, so the caller should stop its
 * source until `drained`. A broken connection counts as taking everything: reading it tells.
 */
bool stream_write_parts(struct stream *stream, struct iovec *parts, int count);
bool stream_write(struct stream *stream, const void *data, size_t size);
/* To be sent in front of the next write, in the same system call. */
void stream_withhold(struct stream *stream, const void *data, size_t size);
static inline bool stream_has_unsent(const struct stream *stream)
{
    return stream->unsent_size > 0;
}

void stream_pause_reading(struct stream *stream);
void stream_resume_reading(struct stream *stream);
/* Above pause and resume: nothing is read until stream_unsuspend, and then only if the owner wants it by then. */
void stream_suspend(struct stream *stream);
void stream_unsuspend(struct stream *stream);
bool stream_is_reading(const struct stream *stream);
/* Whether the peer has closed or half-closed, found without reading: for streams whose reading is paused. */
bool stream_peer_is_gone(const struct stream *stream);

#endif
