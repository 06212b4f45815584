/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677): stored secrets and the server's side of one exchange, as strict and as lenient as
 * PostgreSQL: the user name and unknown attributes are ignored, an authorization identity is refused. Not for randomness,
 * SASLprep, or the framing of the messages.
 *
 * Invariants: every string of an exchange ends in NUL and is below SCRAM_MESSAGE_SIZE_MAX; the server's signature is
 * given only to a client that has proved the password, since others could guess passwords from it offline.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* see hmac_sha256 */
#include "protocol/scram.h"

#include <assert.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

enum { ITERATIONS_MAX = INT32_MAX };

static enum codec_result refuse(const char *why, const char **why_out)
{
    *why_out = why;
    return CODEC_BAD;
}

/* ---- base64 ---- */

/* Characters of the base64 text for `size` bytes, without NUL. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)
enum { BASE64_BYTES_MAX = SCRAM_SALT_SIZE_MAX };

/*
 * The bytes that text[0..size) stands for, at most `max` (itself at most BASE64_BYTES_MAX). False: not base64, white space included,
 * or too long. EVP_DecodeBlock skips white space and counts padding as zero bytes, so the text is judged before.
 */
static bool decode_base64(const char *text, size_t size, uint8_t *bytes_out, size_t max, size_t *size_out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert(max <= BASE64_BYTES_MAX);
    if (size == 0 || size % 4 != 0 || size > BASE64_SIZE(max)) return false;
    size_t padding = text[size - 1] != '=' ? 0 : text[size - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < size - padding; i++) {
        if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL) return false;
    }
    uint8_t bytes[BASE64_SIZE(BASE64_BYTES_MAX)];
    int decoded = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)size);
    if (decoded < 0 || (size_t)decoded - padding > max) return false;
    *size_out = (size_t)decoded - padding;
    memcpy(bytes_out, bytes, *size_out);
    return true;
}

static bool decode_key(const char *text, size_t size, uint8_t key_out[SCRAM_KEY_SIZE])
{
    size_t key_size;
    return decode_base64(text, size, key_out, SCRAM_KEY_SIZE, &key_size) && key_size == SCRAM_KEY_SIZE;
}

/* ---- text that is built up in a fixed buffer; failure sticks in the writer ---- */

static void write_text(struct bytes_writer *writer, const char *text)
{
    bytes_write_block(writer, text, strlen(text));
}

static void write_base64(struct bytes_writer *writer, const uint8_t *bytes, size_t size)
{
    unsigned char text[BASE64_SIZE(BASE64_BYTES_MAX) + 1];
    assert(size <= BASE64_BYTES_MAX);
    int written = EVP_EncodeBlock(text, bytes, (int)size);
    bytes_write_block(writer, text, (size_t)written);
}

static void write_number(struct bytes_writer *writer, uint32_t number)
{
    char digits[10]; /* of UINT32_MAX */
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    bytes_write_block(writer, digits + start, sizeof digits - start);
}

/* ---- secrets ---- */

/* The decimal number at *text, up to `end`; 0 when it is none, or above ITERATIONS_MAX. */
static uint32_t parse_iterations(const char *text, const char *end)
{
    uint64_t number = 0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') return 0;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > ITERATIONS_MAX) return 0;
    }
    return (uint32_t)number;
}

enum codec_result scram_parse_secret(const char *text, struct scram_secret *secret_out)
{
    static const char scheme[] = SCRAM_MECHANISM "$";
    if (strncmp(text, scheme, strlen(scheme)) != 0) return CODEC_BAD;
    const char *iterations = text + strlen(scheme);
    const char *salt = strchr(iterations, ':');
    if (salt == NULL) return CODEC_BAD;
    const char *stored_key = strchr(++salt, '$');
    if (stored_key == NULL) return CODEC_BAD;
    const char *server_key = strchr(++stored_key, ':');
    if (server_key == NULL) return CODEC_BAD;
    server_key++;

    secret_out->iterations = parse_iterations(iterations, salt - 1);
    bool is_right = secret_out->iterations != 0 &&
                    decode_base64(salt, (size_t)(stored_key - 1 - salt), secret_out->salt, SCRAM_SALT_SIZE_MAX, &secret_out->salt_size) &&
                    decode_key(stored_key, (size_t)(server_key - 1 - stored_key), secret_out->stored_key) &&
                    decode_key(server_key, strlen(server_key), secret_out->server_key);
    return is_right ? CODEC_OK : CODEC_BAD;
}

size_t scram_format_secret(const struct scram_secret *secret, char *text_out, size_t size)
{
    struct bytes_writer writer;
    bytes_writer_init(&writer, (uint8_t *)text_out, size);
    write_text(&writer, SCRAM_MECHANISM "$");
    write_number(&writer, secret->iterations);
    write_text(&writer, ":");
    write_base64(&writer, secret->salt, secret->salt_size);
    write_text(&writer, "$");
    write_base64(&writer, secret->stored_key, SCRAM_KEY_SIZE);
    write_text(&writer, ":");
    write_base64(&writer, secret->server_key, SCRAM_KEY_SIZE);
    bytes_write_u8(&writer, '\0');
    return writer.has_failed ? 0 : writer.size - 1;
}

/*
 * HMAC (RFC 2104) and the hash itself by the low-level calls: OpenSSL 3 calls them deprecated, but HMAC() and SHA256() cost eight times
 * as much there, which is most of what a login costs.
 */
static void hmac_sha256(const uint8_t key[SCRAM_KEY_SIZE], const void *data, size_t size, uint8_t mac_out[SCRAM_KEY_SIZE])
{
    uint8_t inner[SHA256_CBLOCK], outer[SHA256_CBLOCK];
    for (size_t i = 0; i < SHA256_CBLOCK; i++) {
        uint8_t byte = i < SCRAM_KEY_SIZE ? key[i] : 0;
        inner[i] = byte ^ 0x36;
        outer[i] = byte ^ 0x5c;
    }
    SHA256_CTX hash;
    uint8_t digest[SCRAM_KEY_SIZE];
    SHA256_Init(&hash);
    SHA256_Update(&hash, inner, sizeof inner);
    SHA256_Update(&hash, data, size);
    SHA256_Final(digest, &hash);
    SHA256_Init(&hash);
    SHA256_Update(&hash, outer, sizeof outer);
    SHA256_Update(&hash, digest, sizeof digest);
    SHA256_Final(mac_out, &hash);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
}

/* RFC 5802, section 3: StoredKey := H(ClientKey). */
static void hash_client_key(const uint8_t client_key[SCRAM_KEY_SIZE], uint8_t stored_key_out[SCRAM_KEY_SIZE])
{
    SHA256_CTX hash;
    SHA256_Init(&hash);
    SHA256_Update(&hash, client_key, SCRAM_KEY_SIZE);
    SHA256_Final(stored_key_out, &hash);
}

void scram_mock_secret(const char *user, const uint8_t key[SCRAM_KEY_SIZE], uint32_t iterations, struct scram_secret *secret_out)
{
    *secret_out = (struct scram_secret){.iterations = iterations, .salt_size = SCRAM_SALT_SIZE};
    uint8_t mac[SCRAM_KEY_SIZE];
    hmac_sha256(key, user, strlen(user), mac);
    memcpy(secret_out->salt, mac, SCRAM_SALT_SIZE);
    hmac_sha256(mac, key, SCRAM_KEY_SIZE, secret_out->stored_key);
    hmac_sha256(secret_out->stored_key, mac, sizeof mac, secret_out->server_key);
}

void scram_derive_secret(const char *password, const uint8_t *salt, size_t salt_size, uint32_t iterations, struct scram_secret *secret_out)
{
    assert(salt_size > 0 && salt_size <= SCRAM_SALT_SIZE_MAX && iterations > 0 && iterations <= ITERATIONS_MAX);
    size_t password_size = strlen(password);
    assert(password_size <= INT32_MAX);
    uint8_t salted_password[SCRAM_KEY_SIZE];
    uint8_t client_key[SCRAM_KEY_SIZE];
    int is_done = PKCS5_PBKDF2_HMAC(password, (int)password_size, salt, (int)salt_size, (int)iterations, EVP_sha256(),
                                    sizeof salted_password, salted_password);
    assert(is_done);
    hmac_sha256(salted_password, "Client Key", strlen("Client Key"), client_key);
    hash_client_key(client_key, secret_out->stored_key);
    hmac_sha256(salted_password, "Server Key", strlen("Server Key"), secret_out->server_key);
    memmove(secret_out->salt, salt, salt_size);
    secret_out->salt_size = salt_size;
    secret_out->iterations = iterations;
    OPENSSL_cleanse(salted_password, sizeof salted_password);
    OPENSSL_cleanse(client_key, sizeof client_key);
}

bool scram_check_password(const struct scram_secret *secret, const char *password)
{
    struct scram_secret derived;
    scram_derive_secret(password, secret->salt, secret->salt_size, secret->iterations, &derived);
    bool is_right = CRYPTO_memcmp(derived.stored_key, secret->stored_key, SCRAM_KEY_SIZE) == 0;
    OPENSSL_cleanse(&derived, sizeof derived);
    return is_right;
}

/* ---- messages: attributes "x=value" with commas between them (RFC 5802, section 7) ---- */

/* One attribute. The value is within the message and ends at a comma or at the end of the message. */
struct attribute {
    char name;
    const char *value;
    size_t size;
};

/* The attribute at *position, which moves behind it and its comma. False: there is none. */
static bool next_attribute(const char **position, struct attribute *attribute_out)
{
    const char *text = *position;
    bool is_letter = (text[0] >= 'A' && text[0] <= 'Z') || (text[0] >= 'a' && text[0] <= 'z');
    if (!is_letter || text[1] != '=') return false;
    attribute_out->name = text[0];
    attribute_out->value = text + 2;
    attribute_out->size = strcspn(text + 2, ",");
    *position = attribute_out->value + attribute_out->size;
    if (**position == ',') (*position)++;
    return true;
}

static bool expect_attribute(const char **position, char name, struct attribute *attribute_out)
{
    return next_attribute(position, attribute_out) && attribute_out->name == name;
}

/* Printable and not a comma (RFC 5802, section 7, "nonce"). */
static bool is_nonce(const struct attribute *attribute)
{
    for (size_t i = 0; i < attribute->size; i++) {
        if (attribute->value[i] < 0x21 || attribute->value[i] > 0x7e) return false;
    }
    return attribute->size > 0;
}

/* The message as a string of its own. False: empty, too long, or with a NUL inside. */
static bool copy_message(char text_out[SCRAM_MESSAGE_SIZE_MAX], const uint8_t *data, size_t size)
{
    if (size == 0 || size >= SCRAM_MESSAGE_SIZE_MAX || memchr(data, '\0', size) != NULL) return false;
    memcpy(text_out, data, size);
    text_out[size] = '\0';
    return true;
}

static bool equals(const struct attribute *attribute, const char *text, size_t size)
{
    return attribute->size == size && memcmp(attribute->value, text, size) == 0;
}

/* ---- the exchange ---- */

/* "n,," or "y,,": `*rest_out` is what comes behind. */
static enum codec_result read_gs2_header(const char *message, const char **rest_out, const char **why_out)
{
    if (message[0] == 'p') return refuse("client requires SCRAM channel binding, but it is not supported", why_out);
    if (message[0] != 'n' && message[0] != 'y') return refuse("malformed SCRAM message: unexpected channel-binding flag", why_out);
    if (message[1] != ',') return refuse("malformed SCRAM message: comma expected behind the channel-binding flag", why_out);
    if (message[2] == 'a') return refuse("client uses authorization identity, but it is not supported", why_out);
    if (message[2] != ',') return refuse("malformed SCRAM message: unexpected attribute in client-first-message", why_out);
    *rest_out = message + 3;
    return CODEC_OK;
}

/* Behind the gs2 header: "n=user,r=nonce" and extensions that nobody must understand. */
static enum codec_result read_client_first_bare(const char *bare, struct attribute *nonce_out, const char **why_out)
{
    const char *position = bare;
    struct attribute attribute;
    if (bare[0] == 'm') return refuse("client requires an unsupported SCRAM extension", why_out);
    if (!expect_attribute(&position, 'n', &attribute)) return refuse("malformed SCRAM message: user name expected", why_out);
    if (!expect_attribute(&position, 'r', nonce_out)) return refuse("malformed SCRAM message: nonce expected", why_out);
    if (!is_nonce(nonce_out)) return refuse("malformed SCRAM message: empty or unprintable nonce", why_out);
    while (*position != '\0') {
        if (!next_attribute(&position, &attribute)) return refuse("malformed SCRAM message: attribute expected", why_out);
    }
    return CODEC_OK;
}

/* Fill nonce and server_first. False: the client's nonce is too long for them. */
static bool write_server_first(struct scram_exchange *exchange, const struct attribute *client_nonce, const struct scram_secret *secret,
                               const uint8_t nonce[SCRAM_NONCE_SIZE])
{
    struct bytes_writer writer;
    bytes_writer_init(&writer, (uint8_t *)exchange->nonce, sizeof exchange->nonce);
    bytes_write_block(&writer, client_nonce->value, client_nonce->size);
    write_base64(&writer, nonce, SCRAM_NONCE_SIZE);
    bytes_write_u8(&writer, '\0');
    if (writer.has_failed) return false;

    bytes_writer_init(&writer, (uint8_t *)exchange->server_first, sizeof exchange->server_first);
    write_text(&writer, "r=");
    write_text(&writer, exchange->nonce);
    write_text(&writer, ",s=");
    write_base64(&writer, secret->salt, secret->salt_size);
    write_text(&writer, ",i=");
    write_number(&writer, secret->iterations);
    bytes_write_u8(&writer, '\0');
    return !writer.has_failed;
}

enum codec_result scram_client_first(struct scram_exchange *exchange, const uint8_t *data, size_t size, const struct scram_secret *secret,
                                     const uint8_t nonce[SCRAM_NONCE_SIZE], const char **why_out)
{
    char message[SCRAM_MESSAGE_SIZE_MAX];
    const char *bare;
    struct attribute client_nonce;
    if (!copy_message(message, data, size)) return refuse("malformed SCRAM message: empty, too long, or with a NUL", why_out);
    enum codec_result result = read_gs2_header(message, &bare, why_out);
    if (result != CODEC_OK) return result;
    result = read_client_first_bare(bare, &client_nonce, why_out);
    if (result != CODEC_OK) return result;

    size_t header_size = (size_t)(bare - message);
    memcpy(exchange->gs2_header, message, header_size);
    exchange->gs2_header[header_size] = '\0';
    memcpy(exchange->client_first_bare, bare, strlen(bare) + 1);
    if (!write_server_first(exchange, &client_nonce, secret, nonce)) return refuse("malformed SCRAM message: nonce too long", why_out);
    return CODEC_OK;
}

/* "c=binding,r=nonce,extensions,p=proof": the proof, and how much of the message stands in front of it and its comma. */
static enum codec_result read_client_final(const struct scram_exchange *exchange, const char *message, uint8_t proof_out[SCRAM_KEY_SIZE],
                                           size_t *without_proof_size_out, const char **why_out)
{
    const char *position = message;
    struct attribute attribute;
    if (!expect_attribute(&position, 'c', &attribute)) return refuse("malformed SCRAM message: channel binding expected", why_out);
    /* base64 of "n,," or "y,,": the header of the first message, so that nobody in between can have changed it. */
    if (!equals(&attribute, exchange->gs2_header[0] == 'y' ? "eSws" : "biws", 4))
        return refuse("unexpected SCRAM channel-binding attribute in client-final-message", why_out);
    if (!expect_attribute(&position, 'r', &attribute)) return refuse("malformed SCRAM message: nonce expected", why_out);
    if (!equals(&attribute, exchange->nonce, strlen(exchange->nonce)))
        return refuse("invalid SCRAM response: nonce does not match", why_out);
    do {
        if (!next_attribute(&position, &attribute)) return refuse("malformed SCRAM message: proof expected", why_out);
    } while (attribute.name != 'p');
    if (attribute.value[attribute.size] != '\0') return refuse("malformed SCRAM message: garbage behind the proof", why_out);
    if (!decode_key(attribute.value, attribute.size, proof_out)) return refuse("malformed SCRAM message: malformed proof", why_out);
    *without_proof_size_out = (size_t)(attribute.value - strlen(",p=") - message);
    return CODEC_OK;
}

/* RFC 5802, section 3: AuthMessage, which both signatures are made over. */
static void write_auth_message(struct bytes_writer *writer, const struct scram_exchange *exchange, const char *client_final,
                               size_t without_proof_size)
{
    write_text(writer, exchange->client_first_bare);
    write_text(writer, ",");
    write_text(writer, exchange->server_first);
    write_text(writer, ",");
    bytes_write_block(writer, client_final, without_proof_size);
    assert(!writer->has_failed);
}

static bool is_proof_right(const struct scram_secret *secret, const uint8_t proof[SCRAM_KEY_SIZE], const struct bytes_writer *auth_message)
{
    uint8_t client_key[SCRAM_KEY_SIZE];
    uint8_t stored_key[SCRAM_KEY_SIZE];
    hmac_sha256(secret->stored_key, auth_message->data, auth_message->size, client_key);
    for (size_t i = 0; i < SCRAM_KEY_SIZE; i++) client_key[i] ^= proof[i];
    hash_client_key(client_key, stored_key);
    OPENSSL_cleanse(client_key, sizeof client_key);
    return CRYPTO_memcmp(stored_key, secret->stored_key, SCRAM_KEY_SIZE) == 0;
}

static void write_server_final(const struct scram_secret *secret, const struct bytes_writer *auth_message,
                               char server_final_out[SCRAM_MESSAGE_SIZE_MAX])
{
    uint8_t signature[SCRAM_KEY_SIZE];
    struct bytes_writer writer;
    hmac_sha256(secret->server_key, auth_message->data, auth_message->size, signature);
    bytes_writer_init(&writer, (uint8_t *)server_final_out, SCRAM_MESSAGE_SIZE_MAX);
    write_text(&writer, "v=");
    write_base64(&writer, signature, sizeof signature);
    bytes_write_u8(&writer, '\0');
    assert(!writer.has_failed);
}

enum codec_result scram_client_final(struct scram_exchange *exchange, const uint8_t *data, size_t size, const struct scram_secret *secret,
                                     char server_final_out[SCRAM_MESSAGE_SIZE_MAX], bool *is_right_out, const char **why_out)
{
    char message[SCRAM_MESSAGE_SIZE_MAX];
    uint8_t proof[SCRAM_KEY_SIZE];
    size_t without_proof_size;
    server_final_out[0] = '\0';
    *is_right_out = false;
    if (!copy_message(message, data, size)) return refuse("malformed SCRAM message: empty, too long, or with a NUL", why_out);
    enum codec_result result = read_client_final(exchange, message, proof, &without_proof_size, why_out);
    if (result != CODEC_OK) return result;

    uint8_t auth_bytes[3 * SCRAM_MESSAGE_SIZE_MAX];
    struct bytes_writer auth_message;
    bytes_writer_init(&auth_message, auth_bytes, sizeof auth_bytes);
    write_auth_message(&auth_message, exchange, message, without_proof_size);
    *is_right_out = is_proof_right(secret, proof, &auth_message);
    if (*is_right_out) write_server_final(secret, &auth_message, server_final_out);
    return CODEC_OK;
}
