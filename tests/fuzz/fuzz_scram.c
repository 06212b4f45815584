/*
 * protocol/scram.h. The input is up to three lines: a stored secret, a client-first-message, a client-final-message; a secret that is
 * none is replaced by a fixed one, so that the messages are tried with either.
 */
#include "protocol/scram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t nonce[SCRAM_NONCE_SIZE] = "eighteen bytes...";
#define NONCE_BASE64 "ZWlnaHRlZW4gYnl0ZXMuLi4A"
/* Of the password "pencil". */
static const char fixed_secret[] =
    "SCRAM-SHA-256$2:c2l4dGVlbiBieXRlcy4uLg==$WVban8osdYFlFQG6/XlKWYr47orX7qRX6V0U6CCOorA=:CEURH2N6quGcDgxIOxWRsFraH0SY7g1SUViZ4+FKQe8=";

struct line {
    const uint8_t *data;
    size_t size;
};

/* The bytes up to the next newline; moves behind it. */
static struct line next_line(const uint8_t **data, size_t *size)
{
    struct line line = {*data, *size};
    const uint8_t *end = *size == 0 ? NULL : memchr(*data, '\n', *size);
    if (end != NULL) line.size = (size_t)(end - *data);
    size_t used = line.size + (end != NULL);
    *data += used;
    *size -= used;
    return line;
}

static char *to_string(struct line line)
{
    char *text = malloc(line.size + 1);
    if (line.size > 0) memcpy(text, line.data, line.size);
    text[line.size] = '\0';
    return text;
}

/* What parses is formatted to a text that parses to the same, at exactly the room it needs. */
static void check_secret(const char *text, struct scram_secret *secret_out)
{
    if (scram_parse_secret(text, secret_out) != CODEC_OK) {
        assert(scram_parse_secret(fixed_secret, secret_out) == CODEC_OK);
        return;
    }
    assert(secret_out->iterations > 0 && secret_out->salt_size > 0 && secret_out->salt_size <= SCRAM_SALT_SIZE_MAX);
    char formatted[512];
    struct scram_secret other;
    size_t size = scram_format_secret(secret_out, formatted, sizeof formatted);
    assert(size == strlen(formatted) && size <= strlen(text));
    char *exact = malloc(size + 1);
    assert(scram_format_secret(secret_out, exact, size) == 0);
    assert(scram_format_secret(secret_out, exact, size + 1) == size && strcmp(exact, formatted) == 0);
    free(exact);
    assert(scram_parse_secret(formatted, &other) == CODEC_OK);
    assert(other.iterations == secret_out->iterations && other.salt_size == secret_out->salt_size);
    assert(memcmp(other.salt, secret_out->salt, other.salt_size) == 0);
    assert(memcmp(other.stored_key, secret_out->stored_key, SCRAM_KEY_SIZE) == 0);
    assert(memcmp(other.server_key, secret_out->server_key, SCRAM_KEY_SIZE) == 0);
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* The message is taken apart without loss, and the answer repeats the nonce and names the secret's terms. */
static void check_first(const struct scram_exchange *exchange, struct line message)
{
    size_t header_size = strlen(exchange->gs2_header);
    assert(header_size == 3 && header_size + strlen(exchange->client_first_bare) == message.size);
    assert(memcmp(message.data, exchange->gs2_header, header_size) == 0);
    assert(memcmp(message.data + header_size, exchange->client_first_bare, message.size - header_size) == 0);
    assert(ends_with(exchange->nonce, NONCE_BASE64) && strlen(exchange->nonce) > strlen(NONCE_BASE64));
    assert(strlen(exchange->server_first) < SCRAM_MESSAGE_SIZE_MAX);
    assert(memcmp(exchange->server_first, "r=", 2) == 0);
    assert(memcmp(exchange->server_first + 2, exchange->nonce, strlen(exchange->nonce)) == 0);
}

static void check_final(struct scram_exchange *exchange, struct line message, const struct scram_secret *secret)
{
    char server_final[SCRAM_MESSAGE_SIZE_MAX];
    bool is_right;
    const char *why = NULL;
    struct scram_exchange before = *exchange;
    enum codec_result result = scram_client_final(exchange, message.data, message.size, secret, server_final, &is_right, &why);
    assert(result == CODEC_OK || result == CODEC_BAD);
    assert((result == CODEC_BAD) == (why != NULL));
    assert(!is_right || result == CODEC_OK);
    assert(strlen(server_final) == (is_right ? strlen("v=") + 44 : 0));
    assert(memcmp(&before, exchange, sizeof before) == 0);
    if (!is_right) return;

    /* The proof belongs to this secret alone. */
    struct scram_secret other = *secret;
    other.stored_key[0] ^= 1;
    assert(scram_client_final(exchange, message.data, message.size, &other, server_final, &is_right, &why) == CODEC_OK && !is_right);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line secret_line = next_line(&data, &size);
    struct line first = next_line(&data, &size);
    struct line final = next_line(&data, &size);
    struct scram_secret secret;
    struct scram_exchange exchange;
    const char *why = NULL;
    memset(&exchange, 0, sizeof exchange);
    char *text = to_string(secret_line);
    check_secret(text, &secret);
    free(text);
    enum codec_result result = scram_client_first(&exchange, first.data, first.size, &secret, nonce, &why);
    assert(result == CODEC_OK || result == CODEC_BAD);
    assert((result == CODEC_BAD) == (why != NULL));
    if (result == CODEC_BAD) return 0;
    check_first(&exchange, first);
    check_final(&exchange, final, &secret);
    return 0;
}
