/*
 * Stored secrets told apart, PostgreSQL's md5 password hashes, and comparison in constant time. Not for SCRAM (scram.c)
 * and not for deciding which user may log in.
 *
 * MD5 stands here because old clients and old secrets use it, not because it protects anything.
 */
#include "protocol/password.h"

#include "protocol/scram.h"

#include <assert.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { MD5_SIZE = 16, MD5_HEX_SIZE = 2 * MD5_SIZE };

enum password_kind password_kind_of(const char *secret)
{
    if (strncmp(secret, SCRAM_MECHANISM "$", strlen(SCRAM_MECHANISM "$")) == 0) return PASSWORD_SCRAM;
    /* Lower-case digits only, as in PostgreSQL: a password may look almost like a hash. */
    if (strncmp(secret, "md5", 3) == 0 && strlen(secret) == PASSWORD_MD5_SIZE - 1 && strspn(secret + 3, "0123456789abcdef") == MD5_HEX_SIZE)
        return PASSWORD_MD5;
    return PASSWORD_PLAIN;
}

/* "md5" + hex(md5(a + b)). A libcrypto without MD5 (FIPS mode) stops the process: there is no safe answer. */
static void hash_pair(const void *a, size_t a_size, const void *b, size_t b_size, char text_out[PASSWORD_MD5_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[MD5_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert(context != NULL);
    int is_done = EVP_DigestInit_ex(context, EVP_md5(), NULL) && EVP_DigestUpdate(context, a, a_size) &&
                  EVP_DigestUpdate(context, b, b_size) && EVP_DigestFinal_ex(context, digest, NULL);
    assert(is_done);
    EVP_MD_CTX_free(context);

    memcpy(text_out, "md5", 3);
    for (size_t i = 0; i < MD5_SIZE; i++) {
        text_out[3 + 2 * i] = digits[digest[i] >> 4];
        text_out[4 + 2 * i] = digits[digest[i] & 15];
    }
    text_out[PASSWORD_MD5_SIZE - 1] = '\0';
}

void password_md5_secret(const char *password, const char *user, char secret_out[PASSWORD_MD5_SIZE])
{
    hash_pair(password, strlen(password), user, strlen(user), secret_out);
}

void password_md5_response(const char *md5_secret, const uint8_t salt[4], char response_out[PASSWORD_MD5_SIZE])
{
    assert(password_kind_of(md5_secret) == PASSWORD_MD5);
    hash_pair(md5_secret + 3, MD5_HEX_SIZE, salt, 4, response_out);
}

bool password_is_equal(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size == b_size && CRYPTO_memcmp(a, b, a_size) == 0;
}
