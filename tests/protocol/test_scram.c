/* protocol/scram.h against RFC 7677, against secrets that PostgreSQL 15 stored, and against a client written here. */
#include "protocol/scram.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From pg_authid: create user alice password 'correct horse'. */
#define ALICE                                                                                   \
    "SCRAM-SHA-256$4096:+o7ICDsyWILqIuQVasS5ow==$NvpJN3RlmSnSvp71g6DiHElj/k97NiivVsuAu5QFVrA=:" \
    "E84KyM1xk57o2+utD55Z9nobyMuWeTwE4lbu/d3pIFU="
/* create user "müller" password 'pässwörd' */
#define MUELLER                                                                                 \
    "SCRAM-SHA-256$4096:wdU/DLrJm7nUf3dkAvYzkw==$0b1FI6UNq0YNlAVacExU6+VxFpl6/0GzilVisbzjf1M=:" \
    "FXnJxInVV65Qeka7GGeTJ6bf8tsx5lmkTatEdi/ROpY="

static const uint8_t nonce[SCRAM_NONCE_SIZE] = "eighteen bytes...";
#define NONCE_BASE64 "ZWlnaHRlZW4gYnl0ZXMuLi4A"

/* Few iterations: the tests here are not about PBKDF2. */
static void make_secret(struct scram_secret *secret_out)
{
    scram_derive_secret("pencil", (const uint8_t *)"sixteen bytes...", SCRAM_SALT_SIZE, 2, secret_out);
}

/* ---- secrets ---- */

Test(scram, secrets_are_postgresqls)
{
    static const struct {
        const char *text;
        const char *password;
    } cases[] = {{ALICE, "correct horse"}, {MUELLER, "p\xc3\xa4sswort"}, {MUELLER, "p\xc3\xa4ssw\xc3\xb6rd"}};
    static const bool is_right[] = {true, false, true};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scram_secret secret;
        struct scram_secret derived;
        char text[256];
        cr_assert_eq(scram_parse_secret(cases[i].text, &secret), CODEC_OK);
        cr_assert_eq(secret.iterations, 4096);
        cr_assert_eq(secret.salt_size, SCRAM_SALT_SIZE);
        cr_assert_eq(scram_check_password(&secret, cases[i].password), is_right[i]);
        scram_derive_secret(cases[i].password, secret.salt, secret.salt_size, secret.iterations, &derived);
        cr_assert_eq(scram_format_secret(&derived, text, sizeof text), strlen(text));
        cr_assert_eq(strcmp(text, cases[i].text) == 0, is_right[i], "%s", text);
    }
}

Test(scram, a_secret_survives_parse_and_format_and_wants_its_room)
{
    struct scram_secret secret;
    cr_assert_eq(scram_parse_secret(ALICE, &secret), CODEC_OK);
    for (size_t size = 0; size <= sizeof ALICE; size++) {
        char *text = malloc(size == 0 ? 1 : size);
        size_t written = scram_format_secret(&secret, text, size);
        cr_assert_eq(written, size < sizeof ALICE ? 0 : strlen(ALICE), "%zu", size);
        if (written > 0) cr_assert_str_eq(text, ALICE);
        free(text);
    }
}

Test(scram, a_secret_cut_anywhere_is_none)
{
    struct scram_secret secret;
    for (size_t size = 0; size < strlen(ALICE); size++) {
        char *text = strndup(ALICE, size);
        cr_assert_eq(scram_parse_secret(text, &secret), CODEC_BAD, "%s", text);
        free(text);
    }
    cr_assert_eq(scram_parse_secret(ALICE "=", &secret), CODEC_BAD);
    cr_assert_eq(scram_parse_secret(ALICE "A", &secret), CODEC_BAD);
    cr_assert_eq(scram_parse_secret(ALICE "\n", &secret), CODEC_BAD);
    cr_assert_eq(scram_parse_secret(" " ALICE, &secret), CODEC_BAD);
}

#define KEY     "NvpJN3RlmSnSvp71g6DiHElj/k97NiivVsuAu5QFVrA="
#define KEYS    "$" KEY ":" KEY
#define SALT_48 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

Test(scram, parts_of_a_secret)
{
    static const struct {
        const char *text;
        enum codec_result result;
    } cases[] = {
        {"SCRAM-SHA-256$1:AAAA" KEYS, CODEC_OK},
        {"SCRAM-SHA-256$2147483647:AAAA" KEYS, CODEC_OK},
        {"SCRAM-SHA-256$2147483648:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$18446744073709551617:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$0:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$-1:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$+1:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$ 1:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1x:AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-1$1:AAAA" KEYS, CODEC_BAD},
        /* base64 */
        {"SCRAM-SHA-256$1:AA==" KEYS, CODEC_OK},
        {"SCRAM-SHA-256$1:AAA=" KEYS, CODEC_OK},
        {"SCRAM-SHA-256$1:" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:A" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:A===" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:====" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:A=A=" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AA==AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAA-" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1: AAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAAA   " KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AA\nAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAA\xc3" KEYS, CODEC_BAD},
        /* sizes: a salt of 64 bytes is the longest, a key has 32 */
        {"SCRAM-SHA-256$1:" SALT_48 "AAAAAAAAAAAAAAAAAAAAAA==" KEYS, CODEC_OK},
        {"SCRAM-SHA-256$1:" SALT_48 "AAAAAAAAAAAAAAAAAAAAAAA=" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:" SALT_48 "AAAAAAAAAAAAAAAAAAAAAAAAAAAA" KEYS, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAAA$AAAA:" KEY, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAAA$" KEY ":AAAA", CODEC_BAD},
        {"SCRAM-SHA-256$1:AAAA$" KEY ":", CODEC_BAD},
        {"SCRAM-SHA-256$1:AAAA$" KEY, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAAA$NvpJN3RlmSnSvp71g6DiHElj/k97NiivVsuAu5QFVrAA:" KEY, CODEC_BAD},
        {"SCRAM-SHA-256$1:AAAA$NvpJN3RlmSnSvp71g6DiHElj/k97NiivVsuAu5QFVr==:" KEY, CODEC_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scram_secret secret;
        cr_assert_eq(scram_parse_secret(cases[i].text, &secret), cases[i].result, "%s", cases[i].text);
    }
}

Test(scram, a_password_may_be_empty_or_long)
{
    struct scram_secret secret;
    char password[2001];
    memset(password, 'x', sizeof password - 1);
    password[sizeof password - 1] = '\0';
    scram_derive_secret(password, (const uint8_t *)"salt", 4, 1, &secret);
    cr_assert(scram_check_password(&secret, password));
    cr_assert_not(scram_check_password(&secret, password + 1));
    scram_derive_secret("", (const uint8_t *)"salt", 4, 1, &secret);
    cr_assert(scram_check_password(&secret, ""));
    cr_assert_not(scram_check_password(&secret, " "));
}

/* ---- the RFC's example ---- */

Test(scram, rfc_7677)
{
    /* The RFC's server nonce is not base64, so the state behind its first message is set by hand. */
    struct scram_exchange exchange = {
        .gs2_header = "n,,",
        .client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO",
        .nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        .server_first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    };
    static const char client_final[] =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    uint8_t salt[SCRAM_SALT_SIZE + 2];
    cr_assert_eq(EVP_DecodeBlock(salt, (const unsigned char *)"W22ZaJ0SNY7soEsUEjb6gQ==", 24), sizeof salt);
    struct scram_secret secret;
    scram_derive_secret("pencil", salt, SCRAM_SALT_SIZE, 4096, &secret);

    char server_final[SCRAM_MESSAGE_SIZE_MAX];
    bool is_right;
    const char *why;
    cr_assert_eq(scram_client_final(&exchange, (const uint8_t *)client_final, strlen(client_final), &secret, server_final, &is_right, &why),
                 CODEC_OK);
    cr_assert(is_right);
    cr_assert_str_eq(server_final, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

/* ---- client-first-message ---- */

static enum codec_result give_first(struct scram_exchange *exchange, const char *message, size_t size, const char **why_out)
{
    struct scram_secret secret;
    make_secret(&secret);
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, message, size);
    *why_out = NULL;
    enum codec_result result = scram_client_first(exchange, copy, size, &secret, nonce, why_out);
    if (result == CODEC_BAD) cr_assert(*why_out != NULL && **why_out != '\0');
    free(copy);
    return result;
}

Test(scram, first_messages)
{
    static const struct {
        const char *message;
        const char *word; /* in the complaint; NULL: none */
    } cases[] = {
        {"n,,n=user,r=abc", NULL},
        {"y,,n=user,r=abc", NULL},
        {"n,,n=,r=abc", NULL},
        {"n,,n=us=2Cer,r=!~", NULL},
        {"n,,n=user,r=abc,x=1,y=", NULL},
        {"", "empty"},
        {"p=tls-server-end-point,,n=user,r=abc", "channel binding"},
        {"p,,n=user,r=abc", "channel binding"},
        {"x,,n=user,r=abc", "flag"},
        {"N,,n=user,r=abc", "flag"},
        {",,n=user,r=abc", "flag"},
        {"n=,n=user,r=abc", "comma"},
        {"n,a=admin,n=user,r=abc", "authorization identity"},
        {"n,x,n=user,r=abc", "unexpected attribute"},
        {"n,,m=ext,n=user,r=abc", "extension"},
        {"n,,r=abc,n=user", "user name"},
        {"n,,user,r=abc", "user name"},
        {"n,,n=user", "nonce"},
        {"n,,n=user,", "nonce"},
        {"n,,n=user,n=user,r=abc", "nonce"},
        {"n,,n=user,r=", "nonce"},
        {"n,,n=user,r=,x=1", "nonce"},
        {"n,,n=user,r=a c", "nonce"},
        {"n,,n=user,r=a\x7f", "nonce"},
        {"n,,n=user,r=a\xc3\xa4", "nonce"},
        {"n,,n=user,r=abc,x", "attribute"},
        {"n,,n=user,r=abc,,x=1", "attribute"},
        {"n,,n=user,r=abc,1=x", "attribute"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scram_exchange exchange;
        const char *why;
        enum codec_result result = give_first(&exchange, cases[i].message, strlen(cases[i].message), &why);
        cr_assert_eq(result, cases[i].word == NULL ? CODEC_OK : CODEC_BAD, "%s", cases[i].message);
        if (cases[i].word != NULL) cr_assert_not_null(strstr(why, cases[i].word), "%s: %s", cases[i].message, why);
    }
}

Test(scram, first_message_is_remembered_and_answered)
{
    static const char message[] = "y,,n=user,r=abc,x=1";
    struct scram_exchange exchange;
    const char *why;
    cr_assert_eq(give_first(&exchange, message, strlen(message), &why), CODEC_OK);
    cr_assert_str_eq(exchange.gs2_header, "y,,");
    cr_assert_str_eq(exchange.client_first_bare, "n=user,r=abc,x=1");
    cr_assert_str_eq(exchange.nonce, "abc" NONCE_BASE64);
    cr_assert_str_eq(exchange.server_first, "r=abc" NONCE_BASE64 ",s=c2l4dGVlbiBieXRlcy4uLg==,i=2");
}

Test(scram, first_message_cut_in_front_of_its_nonce_is_bad)
{
    static const char message[] = "n,,n=user,r=abc";
    struct scram_exchange exchange;
    const char *why;
    for (size_t size = 0; size <= strlen("n,,n=user,r="); size++)
        cr_assert_eq(give_first(&exchange, message, size, &why), CODEC_BAD, "%zu", size);
}

Test(scram, first_message_with_a_nul_is_bad)
{
    static const char message[] = "n,,n=user,r=abc";
    for (size_t i = 0; i <= strlen(message); i++) {
        char copy[sizeof message];
        struct scram_exchange exchange;
        const char *why;
        memcpy(copy, message, sizeof copy);
        copy[i] = '\0';
        cr_assert_eq(give_first(&exchange, copy, sizeof copy, &why), CODEC_BAD, "%zu", i);
    }
}

Test(scram, nonces_are_taken_as_long_as_the_answer_fits)
{
    char message[2 * SCRAM_MESSAGE_SIZE_MAX] = "n,,n=,r=";
    size_t head = strlen(message);
    memset(message + head, 'a', sizeof message - head);
    /* "r=" nonce base64(18 bytes) ",s=" base64(16 bytes) ",i=2" and the NUL */
    size_t longest = SCRAM_MESSAGE_SIZE_MAX - (2 + 24 + 3 + 24 + 4 + 1);
    for (size_t size = 1; size < sizeof message - head; size++) {
        struct scram_exchange exchange;
        const char *why;
        enum codec_result result = give_first(&exchange, message, head + size, &why);
        cr_assert_eq(result, size <= longest ? CODEC_OK : CODEC_BAD, "%zu", size);
        if (size == longest) cr_assert_eq(strlen(exchange.server_first), SCRAM_MESSAGE_SIZE_MAX - 1);
    }
}

/* ---- client-final-message ---- */

/* What a client computes (RFC 5802, section 3), from the password alone. Returns the size of the message. */
static size_t make_client_final(const struct scram_exchange *exchange, const char *password, const char *binding, char *message_out,
                                size_t size, char *signature_out)
{
    uint8_t salted[32];
    uint8_t client_key[32];
    uint8_t stored_key[32];
    uint8_t server_key[32];
    uint8_t mac[32];
    char auth_message[4 * SCRAM_MESSAGE_SIZE_MAX];
    char proof[45];
    PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const unsigned char *)"sixteen bytes...", 16, 2, EVP_sha256(), 32, salted);
    HMAC(EVP_sha256(), salted, 32, (const unsigned char *)"Client Key", 10, client_key, NULL);
    HMAC(EVP_sha256(), salted, 32, (const unsigned char *)"Server Key", 10, server_key, NULL);
    SHA256(client_key, 32, stored_key);
    int written = snprintf(message_out, size, "c=%s,r=%s", binding, exchange->nonce);
    cr_assert_lt((size_t)written + strlen(",p=") + sizeof proof, size);
    int auth_size =
        snprintf(auth_message, sizeof auth_message, "%s,%s,%s", exchange->client_first_bare, exchange->server_first, message_out);
    HMAC(EVP_sha256(), stored_key, 32, (const unsigned char *)auth_message, (size_t)auth_size, mac, NULL);
    for (size_t i = 0; i < 32; i++) mac[i] ^= client_key[i];
    EVP_EncodeBlock((unsigned char *)proof, mac, 32);
    strcat(message_out, ",p=");
    strcat(message_out, proof);
    HMAC(EVP_sha256(), server_key, 32, (const unsigned char *)auth_message, (size_t)auth_size, mac, NULL);
    EVP_EncodeBlock((unsigned char *)signature_out, mac, 32);
    return strlen(message_out);
}

enum verdict { RIGHT, WRONG, MALFORMED };

static enum verdict give_final(struct scram_exchange *exchange, const char *message, size_t size, char *server_final_out)
{
    struct scram_secret secret;
    bool is_right;
    const char *why = NULL;
    make_secret(&secret);
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    memcpy(copy, message, size);
    enum codec_result result = scram_client_final(exchange, copy, size, &secret, server_final_out, &is_right, &why);
    free(copy);
    cr_assert_neq(result, CODEC_MORE);
    cr_assert_eq(is_right, *server_final_out != '\0', "only who is right gets a signature");
    if (result == CODEC_OK) return is_right ? RIGHT : WRONG;
    cr_assert(why != NULL && *why != '\0');
    cr_assert_not(is_right);
    return MALFORMED;
}

/* An exchange whose first message was `first`, and the right end of it. */
static size_t start(struct scram_exchange *exchange, const char *first, const char *password, char final_out[SCRAM_MESSAGE_SIZE_MAX],
                    char *signature_out)
{
    const char *why;
    cr_assert_eq(give_first(exchange, first, strlen(first), &why), CODEC_OK);
    return make_client_final(exchange, password, first[0] == 'y' ? "eSws" : "biws", final_out, SCRAM_MESSAGE_SIZE_MAX, signature_out);
}

Test(scram, the_right_password)
{
    static const char *const firsts[] = {"n,,n=user,r=abc", "y,,n=user,r=abc", "n,,n=,r=x,a=b"};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct scram_exchange exchange;
        char final[SCRAM_MESSAGE_SIZE_MAX];
        char server_final[SCRAM_MESSAGE_SIZE_MAX];
        char signature[45];
        size_t size = start(&exchange, firsts[i], "pencil", final, signature);
        cr_assert_eq(give_final(&exchange, final, size, server_final), RIGHT, "%s", firsts[i]);
        cr_assert_arr_eq(server_final, "v=", 2);
        cr_assert_str_eq(server_final + 2, signature);
    }
}

Test(scram, a_wrong_password)
{
    static const char *const passwords[] = {"", "Pencil", "pencil ", "penci"};
    for (size_t i = 0; i < sizeof passwords / sizeof passwords[0]; i++) {
        struct scram_exchange exchange;
        char final[SCRAM_MESSAGE_SIZE_MAX];
        char server_final[SCRAM_MESSAGE_SIZE_MAX];
        char signature[45];
        size_t size = start(&exchange, "n,,n=user,r=abc", passwords[i], final, signature);
        cr_assert_eq(give_final(&exchange, final, size, server_final), WRONG, "%s", passwords[i]);
    }
}

Test(scram, a_final_message_cut_or_prolonged_is_malformed)
{
    struct scram_exchange exchange;
    char final[SCRAM_MESSAGE_SIZE_MAX];
    char server_final[SCRAM_MESSAGE_SIZE_MAX];
    char signature[45];
    size_t size = start(&exchange, "n,,n=user,r=abc", "pencil", final, signature);
    for (size_t cut = 0; cut < size; cut++) cr_assert_eq(give_final(&exchange, final, cut, server_final), MALFORMED, "%zu", cut);
    for (int extra = 0; extra < 256; extra++) {
        final[size] = (char)extra;
        cr_assert_eq(give_final(&exchange, final, size + 1, server_final), MALFORMED, "%d", extra);
    }
    char large[2 * SCRAM_MESSAGE_SIZE_MAX];
    memset(large, 'a', sizeof large);
    memcpy(large, final, size);
    for (size_t longer = SCRAM_MESSAGE_SIZE_MAX - 1; longer < sizeof large; longer++)
        cr_assert_eq(give_final(&exchange, large, longer, server_final), MALFORMED, "%zu", longer);
}

Test(scram, no_other_byte_anywhere_is_right)
{
    struct scram_exchange exchange;
    char final[SCRAM_MESSAGE_SIZE_MAX];
    char server_final[SCRAM_MESSAGE_SIZE_MAX];
    char signature[45];
    size_t size = start(&exchange, "n,,n=user,r=abc", "pencil", final, signature);
    for (size_t i = 0; i < size; i++) {
        if (i == size - 2) continue; /* the last digit of the proof holds two bits that stand for nothing */
        for (int byte = 0; byte < 256; byte++) {
            char changed[SCRAM_MESSAGE_SIZE_MAX];
            memcpy(changed, final, size);
            if (changed[i] == (char)byte) continue;
            changed[i] = (char)byte;
            cr_assert_neq(give_final(&exchange, changed, size, server_final), RIGHT, "%d at %zu", byte, i);
        }
    }
}

Test(scram, final_messages_that_do_not_belong)
{
    struct scram_exchange exchange;
    char right[SCRAM_MESSAGE_SIZE_MAX];
    char message[4 * SCRAM_MESSAGE_SIZE_MAX];
    char server_final[SCRAM_MESSAGE_SIZE_MAX];
    char signature[45];
    start(&exchange, "n,,n=user,r=abc", "pencil", right, signature);
    const char *proof = strstr(right, ",p=");

    snprintf(message, sizeof message, "c=eSws,r=%s%s", exchange.nonce, proof);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), MALFORMED, "said y, had said n");
    snprintf(message, sizeof message, "c=biwsAAAA,r=%s%s", exchange.nonce, proof);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), MALFORMED, "binding data");
    snprintf(message, sizeof message, "c=biws,r=%sx%s", exchange.nonce, proof);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), MALFORMED, "a longer nonce");
    snprintf(message, sizeof message, "c=biws,r=abc%s", proof);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), MALFORMED, "only its own nonce");
    snprintf(message, sizeof message, "r=%s,c=biws%s", exchange.nonce, proof);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), MALFORMED, "another order");
    snprintf(message, sizeof message, "c=biws,r=%s,p=AAAA", exchange.nonce);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), MALFORMED, "a short proof");
    snprintf(message, sizeof message, "c=biws,r=%s,x=1", exchange.nonce);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), MALFORMED, "no proof");
    /* An extension is read over, and belongs to what is signed. */
    snprintf(message, sizeof message, "c=biws,r=%s,x=1%s", exchange.nonce, proof);
    cr_assert_eq(give_final(&exchange, message, strlen(message), server_final), WRONG);
}

Test(scram, an_exchange_is_good_for_one_nonce)
{
    struct scram_exchange exchange;
    char final[SCRAM_MESSAGE_SIZE_MAX];
    char other[SCRAM_MESSAGE_SIZE_MAX];
    char server_final[SCRAM_MESSAGE_SIZE_MAX];
    char signature[45];
    size_t size = start(&exchange, "n,,n=user,r=abc", "pencil", final, signature);
    start(&exchange, "n,,n=user,r=abd", "pencil", other, signature);
    cr_assert_eq(give_final(&exchange, final, size, server_final), MALFORMED, "replayed");
}

Test(scram, mock_secret_is_stable_for_one_user_and_fits_no_password)
{
    static const uint8_t key[SCRAM_KEY_SIZE] = {1, 2, 3};
    struct scram_secret alice, again, bob;
    scram_mock_secret("alice", key, 4096, &alice);
    scram_mock_secret("alice", key, 4096, &again);
    scram_mock_secret("bob", key, 4096, &bob);
    cr_assert_eq(memcmp(&alice, &again, sizeof alice), 0);
    cr_assert_neq(memcmp(alice.salt, bob.salt, SCRAM_SALT_SIZE), 0);
    cr_assert_eq(alice.salt_size, SCRAM_SALT_SIZE);
    cr_assert_eq(alice.iterations, 4096);
    cr_assert_not(scram_check_password(&alice, ""));
    cr_assert_not(scram_check_password(&alice, "alice"));
}
