#ifndef PROTOCOL_SCRAM_H
#define PROTOCOL_SCRAM_H

#include "protocol/bytes.h"

/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side of the exchange, without channel binding. No randomness here: nonces and salts are
 * arguments. Passwords are given as they are to be hashed (SASLprep is the caller's).
 */
enum {
    SCRAM_KEY_SIZE = 32,
    SCRAM_SALT_SIZE = 16,     /* what we generate */
    SCRAM_SALT_SIZE_MAX = 64, /* what we accept in a stored secret */
    SCRAM_NONCE_SIZE = 18,    /* raw bytes; base64 on the wire */
    SCRAM_MESSAGE_SIZE_MAX = 1024
};
#define SCRAM_MECHANISM "SCRAM-SHA-256"

struct scram_secret {
    uint32_t iterations;
    uint8_t salt[SCRAM_SALT_SIZE_MAX];
    size_t salt_size;
    uint8_t stored_key[SCRAM_KEY_SIZE];
    uint8_t server_key[SCRAM_KEY_SIZE];
};

/* "SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>". OK or BAD. */
enum codec_result scram_parse_secret(const char *text, struct scram_secret *secret_out);
/* The same text; returns its size without NUL, or 0 when `size` is too small. */
size_t scram_format_secret(const struct scram_secret *secret, char *text_out, size_t size);
/*
 * The secret of a user that does not exist: the same salt each time, as one that exists would have, and keys that no password fits.
 * `key` is random and stays secret.
 */
void scram_mock_secret(const char *user, const uint8_t key[SCRAM_KEY_SIZE], uint32_t iterations, struct scram_secret *secret_out);
/* PBKDF2: milliseconds of CPU; never on an event loop. */
void scram_derive_secret(const char *password, const uint8_t *salt, size_t salt_size, uint32_t iterations, struct scram_secret *secret_out);
/* Whether `password` is the one the secret was made from. Costs a PBKDF2. */
bool scram_check_password(const struct scram_secret *secret, const char *password);

/* One exchange. Plain value; nothing to free. */
struct scram_exchange {
    char client_first_bare[SCRAM_MESSAGE_SIZE_MAX];
    char server_first[SCRAM_MESSAGE_SIZE_MAX];
    char nonce[SCRAM_MESSAGE_SIZE_MAX]; /* client's and ours */
    char gs2_header[SCRAM_MESSAGE_SIZE_MAX];
};

/*
 * client-first-message in, server-first-message out (`exchange->server_first`). BAD: malformed, asks for channel binding ('p'), an empty or
 * unprintable nonce, an extension ("m="), an authorization identity, too long. 'y' and 'n' are accepted ('y' says: client would, server did
 * not offer: fine, we did not).
 */
enum codec_result scram_client_first(struct scram_exchange *exchange, const uint8_t *data, size_t size, const struct scram_secret *secret,
                                     const uint8_t nonce[SCRAM_NONCE_SIZE], const char **why_out);
/*
 * client-final-message in; `server_final_out` holds "v=..." afterwards, or "" when the proof is wrong: who has not proved the
 * password must not get a signature to guess it from. BAD: malformed (nonce, channel binding data). OK with *is_right_out false:
 * well-formed but the proof is wrong.
 */
enum codec_result scram_client_final(struct scram_exchange *exchange, const uint8_t *data, size_t size, const struct scram_secret *secret,
                                     char server_final_out[SCRAM_MESSAGE_SIZE_MAX], bool *is_right_out, const char **why_out);

#endif
