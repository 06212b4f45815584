#ifndef TESTS_PROXY_CONFIG_FIXTURE_H
#define TESTS_PROXY_CONFIG_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/config.h"

/* A directory of its own with a configuration file and an auth_file in it, and what the reader says of them. */
extern char path[128], auth_path[128];
extern char
    told[1 << 16]; /* of the file read last: "12: text", "12: warning: text", "0: text" for the file as a whole, "users.txt:3: text" */

/* For TestSuite's init and fini. */
void config_fixture_begin(void);
void config_fixture_end(void);

/* Four lines that are a good file. */
#define CONFIG_FIXTURE_TRUST "[databases]\n*=\n[pgturnstile]\nauth_type=trust\n"

/* For the owner alone to read. */
void write_file(const char *name, const char *text, size_t size);
/* Read the file at `path`; NULL: refused. The caller drops the reference. */
struct config *load_file(void);
struct config *load_bytes(const char *text, size_t size);
/* The file is good, and there is nothing to say about it. */
struct config *load(const char *text);
void expect_told(const char *text, bool is_refused, const char *expected);

#endif
