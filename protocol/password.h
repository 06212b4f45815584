#ifndef PROTOCOL_PASSWORD_H
#define PROTOCOL_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The secrets of an auth_file, as pg_authid.rolpassword stores them, and the md5 exchange. */

enum password_kind { PASSWORD_PLAIN, PASSWORD_MD5, PASSWORD_SCRAM }; /* "md5" + 32 hex digits; "SCRAM-SHA-256$..." */
enum { PASSWORD_MD5_SIZE = 36 };                                     /* "md5", 32 hex digits, NUL */

enum password_kind password_kind_of(const char *secret);
/* "md5" + hex(md5(password + user)) */
void password_md5_secret(const char *password, const char *user, char secret_out[PASSWORD_MD5_SIZE]);
/* What a client must send: "md5" + hex(md5(hex(md5(password + user)) + salt)), from the stored "md5..." secret. */
void password_md5_response(const char *md5_secret, const uint8_t salt[4], char response_out[PASSWORD_MD5_SIZE]);
/* Compare in time that depends only on the lengths. */
bool password_is_equal(const void *a, size_t a_size, const void *b, size_t b_size);

#endif
