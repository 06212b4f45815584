#ifndef PROXY_TAP_H
#define PROXY_TAP_H

#include "protocol/sql_lex.h"
#include "proxy/detector.h"

/*
 * What passes between one client and its servers, read for the search for duplicate queries: messages in, events of detector.h out. It looks on and changes nothing; what it
 * cannot follow it leaves out, until the client is at rest again. Knows the protocol, no sockets; times are arguments. Belongs to one thread.
 *
 * What taps are told is written down and read later, at the latest when taps_detector is called; until then texts and rows lie in memory as they came. The detector's
 * host may be called from within any function here.
 */
struct taps; /* what all taps share */
struct tap;

/* As detector_new. */
struct taps *taps_new(const struct detector_settings *settings, const struct detector_host *host, int64_t wall_offset_us);
void taps_configure(struct taps *taps, const struct detector_settings *settings);
void taps_free(struct taps **taps);                /* no tap is left; NULL accepted */
struct detector *taps_detector(struct taps *taps); /* it knows all that passed so far */

struct tap *tap_new(struct taps *taps, const char *database, const char *user, const char *address, int64_t now_us);
void tap_free(struct tap **tap, int64_t now_us); /* the client is gone. NULL accepted */
void tap_application_name(struct tap *tap, const char *name, int64_t now_us);

/* How SQL of the client is to be read. */
struct tap_text {
    bool is_scannable; /* else it is not read */
    enum sql_strings strings;
    bool is_begun; /* the client is in a transaction whose BEGIN was not sent */
};
/*
 * The client sent a message, as it came from it: `body` holds `available` of its `size` bytes. `text` is looked at for Query and Parse alone, is_begun for Query and Execute.
 * Of messages that the server ignores because it skips to the next Sync it may be told or not.
 */
void tap_sent(struct tap *tap, uint8_t type, const uint8_t *body, size_t available, size_t size, const struct tap_text *text,
              int64_t now_us);
/* A reply that is the client's; `size` 0: only its type is known. */
void tap_received(struct tap *tap, uint8_t type, const uint8_t *body, size_t size, int64_t now_us);
/* The canonical text of the statement whose reply is due, without values; NULL: not known. Valid until the next call of anything here. */
const char *tap_running(struct tap *tap);
/* Nothing is owed to the client. */
void tap_rest(struct tap *tap);

#endif
