/* protocol/password.h. The input is two lines: a password, which is also tried as a secret, and a user name. */
#include "protocol/password.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *to_string(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Every secret we make is one, and so is every answer to one; both depend on what they are made from. */
static void check_md5(const char *password, const char *user)
{
    static const uint8_t salts[2][4] = {{1, 2, 3, 4}, {1, 2, 3, 5}};
    char secret[PASSWORD_MD5_SIZE];
    char responses[2][PASSWORD_MD5_SIZE];
    password_md5_secret(password, user, secret);
    assert(password_kind_of(secret) == PASSWORD_MD5);
    for (size_t i = 0; i < 2; i++) {
        password_md5_response(secret, salts[i], responses[i]);
        assert(password_kind_of(responses[i]) == PASSWORD_MD5);
    }
    assert(strcmp(responses[0], responses[1]) != 0);
    assert(strcmp(responses[0], secret) != 0);
}

static void check_kind(const char *secret)
{
    static const uint8_t salt[4];
    char response[PASSWORD_MD5_SIZE];
    switch (password_kind_of(secret)) {
    case PASSWORD_MD5:
        assert(strlen(secret) == PASSWORD_MD5_SIZE - 1 && memcmp(secret, "md5", 3) == 0);
        password_md5_response(secret, salt, response);
        break;
    case PASSWORD_SCRAM: assert(strncmp(secret, "SCRAM-SHA-256$", 14) == 0); break;
    case PASSWORD_PLAIN: assert(strncmp(secret, "SCRAM-SHA-256$", 14) != 0); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t password_size = newline == NULL ? size : (size_t)(newline - data);
    size_t user_size = newline == NULL ? 0 : size - password_size - 1;
    char *password = to_string(data, password_size);
    char *user = to_string(newline == NULL ? NULL : newline + 1, user_size);
    check_kind(password);
    check_md5(password, user);
    bool is_equal = password_size == user_size && memcmp(password, user, user_size) == 0;
    assert(password_is_equal(password, password_size, user, user_size) == is_equal);
    assert(password_is_equal(password, password_size, password, password_size));
    free(password);
    free(user);
    return 0;
}
