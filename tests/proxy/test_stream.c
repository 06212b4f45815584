#include "proxy/stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 1 << 20, SMALLEST_BUFFER = 1, MANY_TURNS = 100000 };

static struct ev_loop *loop;
static struct stream stream;
static int peer;
static unsigned readable_count, drained_count;
static bool had_unsent_when_drained;
static void (*on_readable)(void);

static void count_readable(struct stream *at)
{
    cr_assert_eq(at, &stream);
    readable_count++;
    if (on_readable) on_readable();
}

static void count_drained(struct stream *at)
{
    cr_assert_eq(at, &stream);
    drained_count++;
    had_unsent_when_drained |= stream_has_unsent(at);
}

static const struct stream_events events = {.readable = count_readable, .drained = count_drained};

static void open_pair(int kind)
{
    int ends[2], smallest = SMALLEST_BUFFER; /* the kernel makes of it the least that it can do with */
    cr_assert_eq(socketpair(AF_UNIX, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    cr_assert_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest), 0);
    peer = ends[1];
    stream_init(&stream, loop, ends[0], NULL, &events);
}

static void start(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    open_pair(SOCK_STREAM);
}

static void end(void)
{
    stream_close(&stream, true);
    if (peer >= 0) close(peer);
    ev_loop_destroy(loop);
    cr_expect_not(had_unsent_when_drained);
}

TestSuite(stream, .init = start, .fini = end);

static void turn(void)
{
    ev_run(loop, EVRUN_NOWAIT);
}

static void close_peer(void)
{
    close(peer);
    peer = -1;
}

static uint8_t *pattern(size_t size)
{
    uint8_t *data = malloc(size);
    uint32_t state = 1;
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
    return data;
}

/* What comes at the peer until there is nothing more: the stream's loop turns meanwhile. */
static size_t receive_all(uint8_t *data_out, size_t capacity)
{
    size_t size = 0;
    for (unsigned idle = 0; idle < 3;) {
        ssize_t got = recv(peer, data_out + size, capacity - size, 0);
        if (got == 0) break;
        if (got > 0) size += (size_t)got;
        idle = got > 0 ? 0 : idle + 1;
        turn();
    }
    return size;
}

static void expect_received(const void *data, size_t size)
{
    uint8_t *received = malloc(size + 1);
    size_t got = receive_all(received, size + 1);
    cr_expect_eq(got, size);
    cr_expect_arr_eq(received, data, got < size ? got : size);
    free(received);
}

/* ---- writing ---- */

Test(stream, what_fits_goes_out_at_once)
{
    cr_expect(stream_write(&stream, "abc", 3));
    cr_expect(stream_write(&stream, "", 0));
    cr_expect(stream_write_parts(&stream, (struct iovec[]){{"de", 2}, {"", 0}, {"f", 1}}, 3));
    cr_expect_not(stream_has_unsent(&stream));
    cr_expect_null(stream.unsent);
    cr_expect_not(ev_is_active(&stream.write_watcher));
    expect_received("abcdef", 6);
    cr_expect_eq(drained_count, 0);
}

Test(stream, what_does_not_fit_is_kept_and_sent_later)
{
    uint8_t *data = pattern(LARGE);
    cr_expect_not(stream_write(&stream, data, LARGE - 100000));
    memset(data, 0, 1000); /* whatever becomes of the caller's buffer */
    cr_expect(stream_has_unsent(&stream));
    cr_expect_not(stream_write_parts(&stream, (struct iovec[]){{data + LARGE - 100000, 50000}, {data + LARGE - 50000, 50000}}, 2),
                  "and what comes behind it");
    free(data);
    turn();
    cr_expect_eq(drained_count, 0, "the peer reads nothing");
    data = pattern(LARGE);
    expect_received(data, LARGE);
    free(data);
    cr_expect_eq(drained_count, 1);
    cr_expect_not(stream_has_unsent(&stream));
    cr_expect_null(stream.unsent);
    cr_expect_not(ev_is_active(&stream.write_watcher));
    cr_expect(stream_write(&stream, "x", 1));
}

Test(stream, parts_are_cut_anywhere)
{
    enum { PARTS = 50 };
    uint8_t *data = pattern(LARGE);
    struct iovec parts[PARTS];
    for (size_t shift = 0; shift < 40; shift++) {
        size_t size = 0;
        for (size_t i = 0; i < PARTS; i++) {
            size_t part = i % 5 == 0 ? 0 : 97 * i % 601 + shift;
            parts[i] = (struct iovec){data + size, part};
            size += part;
        }
        unsigned drained_before = drained_count;
        cr_assert_not(stream_write_parts(&stream, parts, PARTS));
        expect_received(data, size);
        cr_assert_eq(drained_count, drained_before + 1);
    }
    free(data);
}

/* The writer and the peer take turns with sizes of their own; every byte comes once and in order. */
Test(stream, random_writes)
{
    uint8_t *data = pattern(LARGE), *received = malloc(LARGE);
    size_t written = 0, got_size = 0;
    srand(11);
    for (unsigned i = 0; i < MANY_TURNS && got_size < LARGE; i++) {
        size_t size = (size_t)rand() % 6000, first = size / 3;
        if (size > LARGE - written) first = size = LARGE - written;
        switch (rand() % 4) {
        case 0: stream_write(&stream, data + written, size); break;
        case 1: stream_withhold(&stream, data + written, size); break;
        case 2: stream_write_parts(&stream, (struct iovec[]){{data + written, first}, {data + written + first, size - first}}, 2); break;
        default: size = 0; turn();
        }
        written += size;
        if (written == LARGE) stream_write(&stream, "", 0); /* what is withheld still */
        ssize_t got = recv(peer, received + got_size, (size_t)(rand() % 9000), 0);
        if (got > 0) got_size += (size_t)got;
        cr_assert(written - got_size >= stream.unsent_size);
    }
    cr_expect_eq(got_size, LARGE);
    cr_expect_arr_eq(received, data, got_size);
    turn();
    cr_expect_not(stream_has_unsent(&stream));
    cr_expect_null(stream.unsent);
    free(data);
    free(received);
}

/* ---- withheld bytes ---- */

Test(stream, withheld_bytes_wait_for_the_next_write)
{
    uint8_t byte;
    stream_withhold(&stream, "ab", 2);
    stream_withhold(&stream, "c", 1);
    cr_expect(stream_has_unsent(&stream));
    for (int i = 0; i < 3; i++) turn();
    cr_expect_eq(recv(peer, &byte, 1, 0), -1);
    cr_expect_eq(drained_count, 0);
    cr_expect(stream_write_parts(&stream, (struct iovec[]){{"d", 1}, {"ef", 2}}, 2));
    cr_expect_not(stream_has_unsent(&stream));
    expect_received("abcdef", 6);
    cr_expect_eq(drained_count, 0, "nothing was kept back");
}

/* Each send is a message of its own here. */
Test(stream, withheld_bytes_go_out_in_the_same_call)
{
    char message[16];
    stream_close(&stream, true);
    close_peer();
    open_pair(SOCK_SEQPACKET);
    stream_withhold(&stream, "ab", 2);
    cr_expect(stream_write(&stream, "cd", 2));
    cr_expect(stream_write(&stream, "ef", 2));
    cr_expect_eq(recv(peer, message, sizeof message, 0), 4);
    cr_expect_arr_eq(message, "abcd", 4);
    cr_expect_eq(recv(peer, message, sizeof message, 0), 2);
}

Test(stream, withheld_bytes_and_more_than_fits)
{
    uint8_t *data = pattern(LARGE);
    stream_withhold(&stream, data, 1000);
    cr_expect_not(stream_write(&stream, data + 1000, LARGE - 1000));
    expect_received(data, LARGE);
    cr_expect_eq(drained_count, 1);
    free(data);
}

/* Behind what is on its way anyway they go with it. */
Test(stream, withheld_bytes_behind_kept_ones)
{
    uint8_t *data = pattern(LARGE);
    cr_expect_not(stream_write(&stream, data, LARGE - 1000));
    stream_withhold(&stream, data + LARGE - 1000, 1000);
    expect_received(data, LARGE);
    cr_expect_eq(drained_count, 1);
    free(data);
}

/* ---- reading ---- */

static char text[64];
static ssize_t last_read;

static void read_once(void)
{
    last_read = stream_read(&stream, text, sizeof text);
}

Test(stream, reading)
{
    on_readable = read_once;
    turn();
    cr_expect_eq(readable_count, 0);
    cr_expect_eq(stream_read(&stream, text, sizeof text), STREAM_BLOCKED);
    cr_expect_eq(send(peer, "hello", 5, 0), 5);
    turn();
    cr_expect_eq(readable_count, 1);
    cr_expect_eq(last_read, 5);
    cr_expect_arr_eq(text, "hello", 5);
    close_peer();
    errno = EIO;
    turn();
    cr_expect_eq(readable_count, 2);
    cr_expect_eq(last_read, STREAM_ENDED);
    cr_expect_eq(errno, 0);
}

/* A peer that closes with bytes unread resets the connection. */
Test(stream, a_reset_tells_its_error)
{
    cr_expect(stream_write(&stream, "unread", 6));
    close_peer();
    cr_expect_eq(stream_read(&stream, text, sizeof text), STREAM_ENDED);
    cr_expect_eq(errno, ECONNRESET);
}

Test(stream, pause_and_resume)
{
    on_readable = read_once;
    cr_expect(stream_is_reading(&stream));
    stream_pause_reading(&stream);
    stream_pause_reading(&stream);
    cr_expect_not(stream_is_reading(&stream));
    cr_expect_eq(send(peer, "hello", 5, 0), 5);
    for (int i = 0; i < 3; i++) turn();
    cr_expect_eq(readable_count, 0);
    cr_expect(stream_write(&stream, "out", 3), "the other direction goes on");
    stream_resume_reading(&stream);
    stream_resume_reading(&stream);
    cr_expect(stream_is_reading(&stream));
    turn();
    cr_expect_eq(readable_count, 1);
    cr_expect_eq(last_read, 5);
    turn();
    cr_expect_eq(readable_count, 1);
}

/* ---- peers that go ---- */

Test(stream, a_broken_connection_takes_everything)
{
    uint8_t *data = pattern(LARGE);
    cr_expect_eq(send(peer, "last words", 10, 0), 10);
    close_peer();
    cr_expect(stream_write(&stream, data, LARGE));
    cr_expect(stream.is_write_broken);
    cr_expect(stream_write(&stream, data, LARGE));
    stream_withhold(&stream, data, 100);
    cr_expect_not(stream_has_unsent(&stream));
    cr_expect_null(stream.unsent);
    cr_expect_eq(stream_read(&stream, text, sizeof text), 10, "what it said before can still be read");
    cr_expect_arr_eq(text, "last words", 10);
    cr_expect_eq(stream_read(&stream, text, sizeof text), STREAM_ENDED);
    turn();
    cr_expect_eq(drained_count, 0);
    free(data);
}

Test(stream, a_peer_that_goes_drains_what_was_kept_for_it)
{
    uint8_t *data = pattern(LARGE);
    cr_expect_not(stream_write(&stream, data, LARGE));
    close_peer();
    turn();
    cr_expect_eq(drained_count, 1);
    cr_expect(stream.is_write_broken);
    cr_expect_not(stream_has_unsent(&stream));
    cr_expect_null(stream.unsent);
    for (int i = 0; i < 3; i++) turn();
    cr_expect_eq(drained_count, 1);
    free(data);
}

Test(stream, a_peer_that_goes_gets_no_withheld_bytes)
{
    stream_withhold(&stream, "abc", 3);
    close_peer();
    cr_expect(stream_write(&stream, "def", 3));
    cr_expect(stream.is_write_broken);
    cr_expect_not(stream_has_unsent(&stream));
    cr_expect_null(stream.unsent);
}

Test(stream, a_peer_that_is_gone_is_seen_without_reading)
{
    stream_pause_reading(&stream);
    cr_expect_not(stream_peer_is_gone(&stream));
    cr_expect_eq(send(peer, "x", 1, 0), 1);
    cr_expect_not(stream_peer_is_gone(&stream));
    cr_expect_eq(shutdown(peer, SHUT_WR), 0);
    cr_expect(stream_peer_is_gone(&stream), "half-closed");
    close_peer();
    cr_expect(stream_peer_is_gone(&stream));
    cr_expect_eq(stream_read(&stream, text, sizeof text), 1);
    stream_close(&stream, true);
    cr_expect_not(stream_peer_is_gone(&stream));
}

/* ---- the end ---- */

Test(stream, close_ends_all_callbacks)
{
    uint8_t *data = pattern(LARGE);
    int fd = stream.fd;
    cr_expect_not(stream_write(&stream, data, LARGE));
    cr_expect_eq(send(peer, "x", 1, 0), 1);
    stream_close(&stream, true);
    cr_expect_eq(fcntl(fd, F_GETFD), -1);
    cr_expect_eq(stream.fd, -1);
    cr_expect_null(stream.unsent);
    stream_close(&stream, true);
    cr_expect_not(stream_is_reading(&stream));
    stream_resume_reading(&stream);
    cr_expect_not(stream_is_reading(&stream));
    stream_pause_reading(&stream);
    cr_expect(stream_write(&stream, data, LARGE));
    stream_withhold(&stream, data, LARGE);
    cr_expect_not(stream_has_unsent(&stream));
    receive_all(data, LARGE);
    turn();
    cr_expect_eq(readable_count + drained_count, 0);
    free(data);
}

static void close_stream(void)
{
    stream_close(&stream, true);
}

Test(stream, close_in_a_callback)
{
    uint8_t *data = pattern(LARGE);
    on_readable = close_stream;
    cr_expect_not(stream_write(&stream, data, LARGE));
    cr_expect_gt(receive_all(data, LARGE), 0);
    cr_expect_eq(send(peer, "x", 1, 0), 1);
    for (int i = 0; i < 3; i++) turn();
    cr_expect_eq(readable_count, 1);
    free(data);
}

Test(stream, close_may_leave_the_descriptor)
{
    int fd = stream.fd;
    stream_close(&stream, false);
    cr_expect_eq(stream.fd, -1);
    cr_expect_eq(send(fd, "x", 1, 0), 1);
    close(fd);
    expect_received("x", 1);
}

/* ---- under TLS ---- */

static SSL_CTX *context;
static SSL *ours, *theirs;

/* Keys without certificates: who is who does not matter here. */
static void start_tls(void)
{
    start();
    signal(SIGPIPE, SIG_IGN); /* as log_open does: OpenSSL's writes would raise it */
    context = SSL_CTX_new(TLS_method());
    cr_assert_eq(SSL_CTX_set_cipher_list(context, "aNULL:@SECLEVEL=0"), 1);
    cr_assert_eq(SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION), 1);
    SSL_CTX_set_dh_auto(context, 1);
    ours = SSL_new(context);
    theirs = SSL_new(context);
    cr_assert(SSL_set_fd(ours, stream.fd) && SSL_set_fd(theirs, peer));
    SSL_set_connect_state(ours);
    SSL_set_accept_state(theirs);
    for (int i = 0; i < 1000 && (SSL_in_init(ours) || SSL_in_init(theirs)); i++) {
        SSL_do_handshake(ours);
        SSL_do_handshake(theirs);
    }
    cr_assert_not(SSL_in_init(ours) || SSL_in_init(theirs));
    int fd = stream.fd;
    stream_close(&stream, false);
    stream_init(&stream, loop, fd, ours, &events);
}

static void end_tls(void)
{
    stream_close(&stream, true);
    SSL_free(ours);
    SSL_free(theirs);
    SSL_CTX_free(context);
    end();
}

TestSuite(stream_tls, .init = start_tls, .fini = end_tls);

static size_t total_read;

static void read_little(void)
{
    char few[10];
    ssize_t got = stream_read(&stream, few, sizeof few);
    if (got > 0) total_read += (size_t)got;
}

/* One record holds more than is read at once; the descriptor itself becomes readable only once. */
Test(stream_tls, bytes_that_openssl_holds_are_readable)
{
    char record[95];
    memset(record, 'x', sizeof record);
    on_readable = read_little;
    cr_assert_eq(SSL_write(theirs, record, sizeof record), (int)sizeof record);
    for (int i = 0; i < 30; i++) turn();
    cr_expect_eq(total_read, sizeof record);
}

Test(stream_tls, pause_holds_for_bytes_that_openssl_holds)
{
    char record[95];
    memset(record, 'x', sizeof record);
    on_readable = read_little;
    cr_assert_eq(SSL_write(theirs, record, sizeof record), (int)sizeof record);
    while (total_read == 0) turn();
    size_t read_before = total_read;
    stream_pause_reading(&stream);
    for (int i = 0; i < 10; i++) turn();
    cr_expect_eq(total_read, read_before);
    stream_resume_reading(&stream);
    for (int i = 0; i < 30; i++) turn();
    cr_expect_eq(total_read, sizeof record);
}

Test(stream_tls, what_does_not_fit_is_kept_and_sent_later)
{
    uint8_t *data = pattern(LARGE), *received = malloc(LARGE);
    size_t size = 0;
    stream_withhold(&stream, data, 100);
    cr_expect_not(stream_write(&stream, data + 100, LARGE / 2));
    size_t behind = 100 + LARGE / 2;
    cr_expect_not(stream_write_parts(&stream, (struct iovec[]){{data + behind, 10}, {data + behind + 10, LARGE - behind - 10}}, 2));
    for (unsigned i = 0; i < MANY_TURNS && size < LARGE; i++) {
        int got = SSL_read(theirs, received + size, (int)(LARGE - size));
        if (got > 0) size += (size_t)got;
        turn();
    }
    cr_expect_eq(size, LARGE);
    cr_expect_arr_eq(received, data, size);
    cr_expect_eq(drained_count, 1);
    free(received);
    free(data);
}

Test(stream_tls, ends)
{
    cr_expect_eq(stream_read(&stream, text, sizeof text), STREAM_BLOCKED);
    SSL_shutdown(theirs);
    errno = EIO;
    cr_expect_eq(stream_read(&stream, text, sizeof text), STREAM_ENDED);
    cr_expect_eq(errno, 0);
}

/* A peer that goes without a word is no orderly end. */
Test(stream_tls, breaks)
{
    close_peer();
    cr_expect_eq(stream_read(&stream, text, sizeof text), STREAM_ENDED);
    cr_expect_neq(errno, 0);
    cr_expect(stream_write(&stream, "x", 1));
    cr_expect(stream.is_write_broken);
}
