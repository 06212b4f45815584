/* protocol/password.h. The hashes are what PostgreSQL 15 stored for these users and passwords. */
#include "protocol/password.h"

#include <criterion/criterion.h>
#include <string.h>

Test(password, kinds)
{
    static const struct {
        const char *secret;
        enum password_kind kind;
    } cases[] = {
        {"", PASSWORD_PLAIN},
        {"secret", PASSWORD_PLAIN},
        {"md5", PASSWORD_PLAIN},
        {"md52aea419619857e8a27f0f7aa641db0c6", PASSWORD_MD5},
        {"md52aea419619857e8a27f0f7aa641db0c", PASSWORD_PLAIN},
        {"md52aea419619857e8a27f0f7aa641db0c6a", PASSWORD_PLAIN},
        {"md52aea419619857e8a27f0f7aa641db0c6 ", PASSWORD_PLAIN},
        {"md52AEA419619857E8A27F0F7AA641DB0C6", PASSWORD_PLAIN},
        {"md52aea419619857e8a27f0f7aa641db0cg", PASSWORD_PLAIN},
        {"MD52aea419619857e8a27f0f7aa641db0c6", PASSWORD_PLAIN},
        {"SCRAM-SHA-256$4096:", PASSWORD_SCRAM},
        {"SCRAM-SHA-256", PASSWORD_PLAIN},
        {"scram-sha-256$4096:", PASSWORD_PLAIN},
        {"SCRAM-SHA-256-PLUS$4096:", PASSWORD_PLAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_assert_eq(password_kind_of(cases[i].secret), cases[i].kind, "%s", cases[i].secret);
}

Test(password, md5_secrets_are_postgresqls)
{
    char secret[PASSWORD_MD5_SIZE];
    password_md5_secret("secret", "md5user", secret);
    cr_assert_str_eq(secret, "md52aea419619857e8a27f0f7aa641db0c6");
    password_md5_secret("correct horse", "bob", secret);
    cr_assert_str_eq(secret, "md5e56586342e82bfc415eff843d7a4b8fa");
    password_md5_secret("", "", secret);
    cr_assert_str_eq(secret, "md5d41d8cd98f00b204e9800998ecf8427e"); /* RFC 1321: the hash of nothing */
}

Test(password, md5_responses)
{
    /* Made with python's hashlib from the formula in the manual. */
    static const uint8_t salt[4] = {0x01, 0x02, 0xfe, 0x00};
    char response[PASSWORD_MD5_SIZE];
    password_md5_response("md52aea419619857e8a27f0f7aa641db0c6", salt, response);
    cr_assert_str_eq(response, "md5397e7274149d25b97ce5969ff8a7a9ca");
    cr_assert_eq(password_kind_of(response), PASSWORD_MD5);
}

Test(password, equality)
{
    cr_assert(password_is_equal("", 0, "", 0));
    cr_assert(password_is_equal("abc", 3, "abc", 3));
    cr_assert_not(password_is_equal("abc", 3, "abd", 3));
    cr_assert_not(password_is_equal("abc", 3, "abc", 2));
    cr_assert_not(password_is_equal("", 0, "a", 1));
    cr_assert_not(password_is_equal("a\0b", 3, "a\0c", 3));
}
