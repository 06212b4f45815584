/*
 * Who is let in: every auth_type with every kind of secret, answers that tell a stranger nothing, limits on the number of clients and on
 * the time a login may take.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(auth, .timeout = 300);

/* ---- secrets ---- */

/* What PostgreSQL would store for this password. The caller frees it. */
static char *stored_secret(const char *encryption, const char *role, const char *password)
{
    PGconn *direct = sql_direct();
    char *quoted = PQescapeLiteral(direct, password, strlen(password));
    sql_run(direct, "set password_encryption = '%s'", encryption);
    sql_run(direct, "drop role if exists %s", role);
    sql_run(direct, "create role %s login password %s", role, quoted);
    char *secret = strdup(sql_value(direct, "select rolpassword from pg_authid where rolname = '%s'", role));
    PQfreemem(quoted);
    return secret;
}

/* The roles plain_user, md5_user and scram_user with the password "pass word", each with that kind of secret. */
static char *auth_file(void)
{
    char *plain = stored_secret("md5", "plain_user", "pass word");
    char *md5 = stored_secret("md5", "md5_user", "pass word");
    char *scram = stored_secret("scram-sha-256", "scram_user", "pass word");
    char *text = text_format("; users of the test\n\"plain_user\" \"pass word\"\n\"md5_user\" \"%s\"\n\"scram_user\" \"%s\" more\n"
                             "\"empty_user\" \"\"\n\"app\" \"app's password\"\n",
                             md5, scram);
    free(scram);
    free(md5);
    free(plain);
    return text;
}

static struct proxy *proxy_with_users(const char *settings)
{
    char *users = auth_file();
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.settings = settings, .auth_file = users});
    proxy->options.auth_file = NULL;
    free(users);
    return proxy;
}

static bool is_let_in(const struct proxy *proxy, const char *user, const char *password)
{
    char more[200];
    snprintf(more, sizeof more, "user=%s password='%s'", user, password);
    PGconn *connection = PQconnectdb(proxy_conninfo(proxy, more));
    bool is_in = PQstatus(connection) == CONNECTION_OK;
    if (is_in) cr_assert_str_eq(sql_value(connection, "select current_user"), user);
    PQfinish(connection);
    return is_in;
}

Test(auth, every_type_with_every_secret)
{
    static const struct {
        const char *type, *user;
        bool is_possible;
    } samples[] = {
        {"password", "plain_user", true},      {"password", "md5_user", true},        {"password", "scram_user", true},
        {"plain", "plain_user", true},         {"md5", "plain_user", true},           {"md5", "md5_user", true},
        {"md5", "scram_user", true},           {"scram-sha-256", "plain_user", true}, {"scram-sha-256", "md5_user", false},
        {"scram-sha-256", "scram_user", true},
    };
    struct proxy *proxy = NULL;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char settings[60];
        snprintf(settings, sizeof settings, "auth_type = %s\n", samples[i].type);
        if (i == 0 || strcmp(samples[i].type, samples[i - 1].type) != 0) {
            proxy_finish(&proxy);
            proxy = proxy_with_users(settings);
        }
        const char *what = samples[i].type;
        cr_assert_eq(is_let_in(proxy, samples[i].user, "pass word"), samples[i].is_possible, "%s, %s", what, samples[i].user);
        cr_assert_not(is_let_in(proxy, samples[i].user, "wrong"), "%s, %s", what, samples[i].user);
        cr_assert_not(is_let_in(proxy, samples[i].user, "pass wor"), "%s, %s", what, samples[i].user);
        cr_assert_not(is_let_in(proxy, samples[i].user, "pass word "), "%s, %s", what, samples[i].user);
        cr_assert_not(is_let_in(proxy, "empty_user", "x"), "%s", what);
        /* A second time, when whatever is derived from the secret is known. */
        cr_assert_eq(is_let_in(proxy, samples[i].user, "pass word"), samples[i].is_possible, "%s, %s", what, samples[i].user);
        cr_assert_not(is_let_in(proxy, samples[i].user, "wrong"), "%s, %s", what, samples[i].user);
    }
    proxy_finish(&proxy);
}

Test(auth, the_stored_hash_is_no_password)
{
    char *secret = stored_secret("md5", "md5_user", "pass word");
    struct proxy *proxy = proxy_with_users("auth_type = password\n");
    cr_assert_not(is_let_in(proxy, "md5_user", secret));
    proxy_finish(&proxy);
    free(secret);
}

Test(auth, names_and_passwords_with_quotes)
{
    sql_run(sql_direct(), "drop role if exists \"quo\"\"te\"; create role \"quo\"\"te\" login");
    struct proxy *proxy = proxy_start_with(
        &(struct proxy_options){.settings = "auth_type = scram-sha-256\n", .auth_file = "\"quo\"\"te\" \"pass\"\"w\xc3\xb6rd \\ ;\"\n"});
    PGconn *connection = sql_connect("%s", proxy_conninfo(proxy, "user='quo\"te' password='pass\"w\xc3\xb6rd \\\\ ;'"));
    cr_assert_str_eq(sql_value(connection, "select current_user"), "quo\"te");
    PQfinish(connection);
    proxy_finish(&proxy);
}

/* ---- what a stranger learns ---- */

/* The messages from the startup to the end with this password, as "type:code" words; the error's text too. */
static char *login_transcript(const struct proxy *proxy, const char *user, const char *database, const char *password)
{
    char *text = text_format("%s", "");
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", user, "database", database, NULL});
    wire_flush(wire);
    for (;;) {
        struct wire_message message = wire_receive(wire);
        struct backend_error error = {0};
        uint32_t code = 0;
        const uint8_t *data;
        size_t size;
        if (message.type == 0) break;
        if (message.type == BACKEND_AUTHENTICATION)
            cr_assert_eq(backend_parse_authentication(message.body, message.size, &code, &data, &size), CODEC_OK);
        if (message.type == BACKEND_ERROR) cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
        char *longer = text_format("%s %c:%u:%s:%s", text, message.type, code, error.sqlstate != NULL ? error.sqlstate : "",
                                   error.message != NULL ? error.message : "");
        free(text);
        text = longer;
        if (message.type == BACKEND_READY_FOR_QUERY) break;
        if (code == BACKEND_AUTH_CLEARTEXT || code == BACKEND_AUTH_MD5) frontend_write_password(&wire->out, password);
        if (code == BACKEND_AUTH_SASL) frontend_write_sasl_initial(&wire->out, "SCRAM-SHA-256", "n,,n=,r=0123456789abcdefghij", 28);
        if (code == BACKEND_AUTH_SASL_CONTINUE) {
            struct bytes_reader reader;
            bytes_reader_init(&reader, data, size);
            const char *comma = memchr(data, ',', size);
            cr_assert_not_null(comma);
            char *final = text_format("c=biws,%.*s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", (int)(comma - (const char *)data),
                                      (const char *)data);
            frontend_write_sasl_response(&wire->out, final, strlen(final));
            free(final);
        }
        wire_flush(wire);
    }
    wire_close(&wire);
    return text;
}

/* The transcript with each mention of the user replaced. */
static void anonymise(char *text, const char *user)
{
    for (char *at = strstr(text, user); at != NULL; at = strstr(at, user)) memset(at, 'u', strlen(user));
}

Test(auth, unknown_user_and_wrong_password_answer_alike)
{
    static const char *const types[] = {"password", "md5", "scram-sha-256"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char settings[60];
        snprintf(settings, sizeof settings, "auth_type = %s\n", types[i]);
        struct proxy *proxy = proxy_with_users(settings);
        char *known = login_transcript(proxy, "plain_user", "app", "wrong");
        char *unknown = login_transcript(proxy, "plane_user", "app", "wrong");
        char *nowhere = login_transcript(proxy, "plain_user", "nowhere", "wrong");
        anonymise(known, "plain_user");
        anonymise(unknown, "plane_user");
        anonymise(nowhere, "plain_user");
        cr_assert_not_null(strstr(known, "28P01"), "%s: %s", types[i], known);
        cr_assert_str_eq(unknown, known, "%s", types[i]);
        cr_assert_str_eq(nowhere, known, "%s", types[i]);
        free(nowhere);
        free(unknown);
        free(known);
        proxy_finish(&proxy);
    }
}

/* What is behind the last message of the login is looked at once, and what was in front of it never again. */
Test(auth, query_behind_a_password_in_two_parts)
{
    struct proxy *proxy = proxy_with_users("auth_type = password\n");
    for (size_t cut = 1; cut < 16; cut += 3) {
        struct wire *wire = wire_connect(proxy->port);
        frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "plain_user", "database", "app", NULL});
        wire_flush(wire);
        wire_expect(wire, "R");
        frontend_write_password(&wire->out, "pass word");
        frontend_write_query(&wire->out, "select 'early'");
        wire_send(wire, wire->out.data, cut);
        wire_settle(proxy->port);
        wire_send(wire, wire->out.data + cut, wire->out.size - cut);
        wire->out.size = 0;
        wire_expect(wire, "R S* K Z:I T D:early C:SELECT_1 Z:I");
        wire_close(&wire);
    }
    proxy_finish(&proxy);
}

/* The same salt for the same unknown name, or a second try would tell that it is made up. */
Test(auth, scram_salt_of_an_unknown_user_is_stable)
{
    struct proxy *proxy = proxy_with_users("auth_type = scram-sha-256\n");
    char salts[2][200] = {"", ""};
    for (int round = 0; round < 2; round++) {
        const uint8_t *data;
        uint32_t code;
        size_t size;
        struct wire *wire = wire_connect(proxy->port);
        frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "unknown_user", "database", "app", NULL});
        frontend_write_sasl_initial(&wire->out, "SCRAM-SHA-256", "n,,n=,r=0123456789abcdefghij", 28);
        wire_flush(wire);
        cr_assert_eq(wire_receive(wire).type, BACKEND_AUTHENTICATION);
        struct wire_message message = wire_receive(wire);
        cr_assert_eq(backend_parse_authentication(message.body, message.size, &code, &data, &size), CODEC_OK);
        cr_assert_eq(code, BACKEND_AUTH_SASL_CONTINUE);
        const char *salt = memmem(data, size, ",s=", 3);
        cr_assert_not_null(salt);
        snprintf(salts[round], sizeof salts[round], "%.*s", (int)((const char *)data + size - salt), salt);
        wire_close(&wire);
    }
    cr_assert_str_eq(salts[0], salts[1]);
    proxy_finish(&proxy);
}

Test(auth, unknown_database)
{
    const struct postgres *postgres = postgres_shared();
    char *databases = text_format("app = host=%s port=%d", postgres->directory, postgres->port);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.databases = databases});
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "app", "database", "nowhere", NULL});
    wire_flush(wire);
    wire_expect(wire, "R* E:3D000 -");
    wire_close(&wire);
    proxy_finish(&proxy);
    free(databases);
}

/* ---- messages that are no passwords ---- */

Test(auth, malformed_proofs)
{
    static const char *const types[] = {"password", "md5", "scram-sha-256"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char settings[60];
        snprintf(settings, sizeof settings, "auth_type = %s\n", types[i]);
        struct proxy *proxy = proxy_with_users(settings);
        for (int kind = 0; kind < 7; kind++) {
            struct wire *wire = wire_connect(proxy->port);
            wire->is_forgiving = true;
            frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "plain_user", "database", "app", NULL});
            switch (kind) {
            case 0: frontend_write_query(&wire->out, "select 1"); break;
            case 1: bytes_write_block(&wire->out, "p\0\0\0\4", 5); break;
            case 2: bytes_write_block(&wire->out, "p\0\0\0\6xx", 7); break;
            case 3: bytes_write_block(&wire->out, "p\0\0\0\0", 5); break;
            case 4: bytes_write_block(&wire->out, "p\x7f\xff\xff\xff", 5); break;
            case 5: frontend_write_sasl_initial(&wire->out, "SCRAM-SHA-256-PLUS", "n,,n=,r=x", 9); break;
            default: frontend_write_sasl_initial(&wire->out, "SCRAM-SHA-256", "garbage", 7); break;
            }
            wire_flush(wire);
            struct wire_message message;
            do {
                cr_assert(wire_try_receive(wire, LONG_MS, &message), "%s: malformed proof %d is not answered", types[i], kind);
                cr_assert_neq(message.type, BACKEND_READY_FOR_QUERY, "%s: let in by malformed proof %d", types[i], kind);
            } while (message.type != 0);
            wire_close(&wire);
        }
        cr_assert(is_let_in(proxy, "plain_user", "pass word"));
        proxy_finish(&proxy);
    }
}

Test(auth, an_endless_password_is_not_stored)
{
    static char filler[1 << 16];
    struct proxy *proxy = proxy_with_users("auth_type = password\n");
    struct wire *wire = wire_connect(proxy->port);
    wire->is_forgiving = true;
    long before_kib = proxy_rss_kib(proxy);
    memset(filler, 'x', sizeof filler);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "plain_user", "database", "app", NULL});
    bytes_write_block(&wire->out, "p\x7f\xff\xff\xff", 5);
    wire_flush(wire);
    /* What comes after the refusal may be thrown away for a moment, so that the refusal can be read, but not for ever. */
    int64_t deadline_ms = now_ms() + LONG_MS;
    while (wire_send(wire, filler, sizeof filler)) cr_assert_lt(now_ms(), deadline_ms, "the password is still being taken");
    cr_assert_lt(proxy_rss_kib(proxy) - before_kib, 16 * 1024);
    wire_close(&wire);
    proxy_finish(&proxy);
}

/* ---- limits ---- */

Test(auth, client_login_timeout)
{
    struct proxy *proxy = proxy_with_users("auth_type = scram-sha-256\n");
    /* A server is there and the welcome known: what follows is the time of the client alone. */
    cr_assert(is_let_in(proxy, "plain_user", "pass word"));
    proxy_reconfigure(proxy, "auth_type = scram-sha-256\nclient_login_timeout = 0.4\n");
    for (int stage = 0; stage < 3; stage++) {
        struct wire *wire = wire_connect(proxy->port);
        int64_t begun_ms = now_ms();
        frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "plain_user", "database", "app", NULL});
        /* Nothing, half a startup packet, no password. */
        wire_flush_part(wire, stage == 0 ? 0 : stage == 1 ? 10 : wire->out.size);
        wire_expect(wire, "R* E:57014 -");
        cr_assert_geq(now_ms() - begun_ms, 350);
        wire_close(&wire);
    }
    /* The clock stops with the login. */
    proxy_reconfigure(proxy, "auth_type = scram-sha-256\nclient_login_timeout = 3\n");
    PGconn *connection = sql_connect("%s", proxy_conninfo(proxy, "user=plain_user password='pass word'"));
    cr_assert_str_eq(sql_value(connection, "select 'slept' from pg_sleep(3.5)"), "slept");
    PQfinish(connection);
    proxy_finish(&proxy);
}

Test(auth, max_client_conn)
{
    enum { LIMIT = 3 };
    struct wire *wires[LIMIT];
    struct proxy *proxy = proxy_start("max_client_conn = %d\n", LIMIT);
    /* The harness's own look at the port must be gone. */
    wire_settle(proxy->port);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < LIMIT; i++) wires[i] = wire_session(proxy->port);
        for (int i = 0; i < 5; i++) {
            struct wire *refused = wire_connect(proxy->port);
            frontend_write_startup(&refused->out, 3, 0, (const char *const[]){"user", "app", "database", "app", NULL});
            wire_flush(refused);
            wire_expect(refused, "E:53300 -");
            wire_close(&refused);
        }
        for (int i = 0; i < LIMIT; i++) cr_assert_str_eq(wire_query(wires[i], "select 1"), "1");
        for (int i = 0; i < LIMIT; i++) {
            if (i % 2 == 0)
                wire_abort(&wires[i]);
            else
                wire_close(&wires[i]);
        }
        wire_settle(proxy->port);
    }
    proxy_finish(&proxy);
}

/* ---- many logins at once ---- */

enum { LOGIN_THREADS = 8, LOGINS = 15 };

static atomic_int logins_done;

static void *log_in(void *argument)
{
    for (int i = 0; i < LOGINS; i++) {
        PGconn *connection = PQconnectdb(argument);
        PGresult *result = PQexec(connection, "select 1");
        if (PQresultStatus(result) == PGRES_TUPLES_OK) logins_done++;
        PQclear(result);
        PQfinish(connection);
    }
    return NULL;
}

Test(auth, many_scram_logins_at_once)
{
    pthread_t threads[LOGIN_THREADS];
    struct proxy *proxy = proxy_with_users("auth_type = scram-sha-256\n");
    char conninfo[512];
    snprintf(conninfo, sizeof conninfo, "%s", proxy_conninfo(proxy, "user=plain_user password='pass word'"));
    for (int i = 0; i < LOGIN_THREADS; i++) cr_assert_eq(pthread_create(&threads[i], NULL, log_in, conninfo), 0);
    for (int i = 0; i < LOGIN_THREADS; i++) pthread_join(threads[i], NULL);
    cr_assert_eq(logins_done, LOGIN_THREADS * LOGINS);
    proxy_finish(&proxy);
}
