/*
 * The first words of a connection: versions, SSLRequest, startup parameters, options, the welcome. Where the manual leaves room, a
 * direct connection to PostgreSQL says what is right.
 * Not for passwords: test_auth.c.
 */
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const struct postgres_options e2e_postgres_options = {0};

static struct proxy *proxy;

static void start(void)
{
    proxy = proxy_start("%s", "");
}

static void finish(void)
{
    proxy_finish(&proxy);
}

TestSuite(startup, .init = start, .fini = finish, .timeout = 300);

static void stage_startup(struct wire *wire, uint16_t major, uint16_t minor, const char *name, const char *value)
{
    const char *const pairs[] = {"user", "app", "database", "app", name, value, NULL};
    frontend_write_startup(&wire->out, major, minor, pairs);
}

/* The connection must end, after a FATAL error or without one; the SQLSTATE in the first case. */
static void expect_end(struct wire *wire, const char *sqlstate, const char *what)
{
    struct wire_message message = wire_receive(wire);
    if (message.type != 0) {
        struct backend_error error = {0};
        cr_assert_eq(message.type, BACKEND_ERROR, "%s: message %c", what, message.type);
        cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
        cr_assert_str_eq(error.severity, "FATAL", "%s", what);
        if (sqlstate != NULL) cr_assert_str_eq(error.sqlstate, sqlstate, "%s: %s", what, error.message);
        message = wire_receive(wire);
    }
    cr_assert_eq(message.type, 0, "%s: message %c instead of the end", what, message.type);
}

/* A FATAL error of this SQLSTATE whose message contains `word`, then the end. The welcome may have begun, as PostgreSQL's has. */
static void expect_refusal(struct wire *wire, const char *sqlstate, const char *word, const char *what)
{
    struct backend_error error = {0};
    struct wire_message message = wire_receive(wire);
    while (message.type == BACKEND_AUTHENTICATION || message.type == BACKEND_PARAMETER_STATUS) message = wire_receive(wire);
    cr_assert_eq(message.type, BACKEND_ERROR, "%s: message %c instead of an error", what, message.type);
    cr_assert_eq(backend_parse_error(message.body, message.size, &error), CODEC_OK);
    cr_assert_str_eq(error.severity, "FATAL", "%s", what);
    if (sqlstate != NULL) cr_assert_str_eq(error.sqlstate, sqlstate, "%s: %s", what, error.message);
    if (word != NULL) cr_assert_not_null(strstr(error.message, word), "%s: \"%s\" lacks \"%s\"", what, error.message, word);
    message = wire_receive(wire);
    cr_assert_eq(message.type, 0, "%s: message %c instead of the end", what, message.type);
}

static void expect_working(struct wire *wire)
{
    wire_send_query(wire, "select 'here'");
    wire_expect(wire, "T D:here C:SELECT_1 Z:I");
}

Test(startup, version_3_0)
{
    struct wire *wire = wire_connect(proxy->port);
    stage_startup(wire, 3, 0, NULL, NULL);
    wire_flush(wire);
    wire_expect(wire, "R S* K Z:I");
    cr_assert_eq(wire->key_size, 4);
    expect_working(wire);
    wire_close(&wire);
}

/* The NegotiateProtocolVersion that this startup brings: a copy of its body. Then a working session follows. */
static uint8_t *negotiated(int port, uint16_t minor, const char *name, const char *value, size_t *size_out)
{
    struct wire *wire = wire_connect(port);
    stage_startup(wire, 3, minor, name, value);
    wire_flush(wire);
    struct wire_message message = wire_receive(wire);
    cr_assert_eq(message.type, BACKEND_NEGOTIATE_PROTOCOL_VERSION, "message %c", message.type);
    uint8_t *copy = malloc(message.size);
    memcpy(copy, message.body, message.size);
    *size_out = message.size;
    wire_expect(wire, "R S* K Z:I");
    expect_working(wire);
    wire_close(&wire);
    return copy;
}

static void compare_negotiation(uint16_t minor, const char *name, const char *value)
{
    size_t direct_size, size;
    uint8_t *direct = negotiated(postgres_shared()->port, minor, name, value, &direct_size);
    uint8_t *ours = negotiated(proxy->port, minor, name, value, &size);
    cr_assert_eq(size, direct_size, "3.%u %s: %zu bytes, %zu direct", minor, name != NULL ? name : "", size, direct_size);
    cr_assert_eq(memcmp(ours, direct, size), 0, "3.%u: differs from a direct connection's", minor);
    free(ours);
    free(direct);
}

Test(startup, newer_minor_versions_are_negotiated_once)
{
    compare_negotiation(2, NULL, NULL);
    compare_negotiation(1, NULL, NULL);
    compare_negotiation(9999, NULL, NULL);
}

Test(startup, unknown_protocol_options_are_negotiated_once)
{
    compare_negotiation(0, "_pq_.nosuch", "1");
    compare_negotiation(2, "_pq_.nosuch", "1");
}

Test(startup, other_major_versions_are_refused)
{
    static const uint16_t majors[] = {4, 2, 1, 0, 5, 1234};
    for (size_t i = 0; i < sizeof majors / sizeof *majors; i++) {
        struct wire *wire = wire_connect(proxy->port);
        stage_startup(wire, majors[i], 0, NULL, NULL);
        wire_flush(wire);
        expect_refusal(wire, "0A000", NULL, "major version");
        wire_close(&wire);
    }
}

Test(startup, ssl_and_gss_are_declined)
{
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_ssl_request(&wire->out);
    wire_flush(wire);
    cr_assert_eq(wire_receive_byte(wire), 'N');
    frontend_write_gssenc_request(&wire->out);
    wire_flush(wire);
    cr_assert_eq(wire_receive_byte(wire), 'N');
    wire_login(wire, "app", "app", NULL);
    expect_working(wire);
    wire_close(&wire);
    wire = wire_connect(proxy->port);
    frontend_write_gssenc_request(&wire->out);
    wire_flush(wire);
    cr_assert_eq(wire_receive_byte(wire), 'N');
    wire_login(wire, "app", "app", NULL);
    expect_working(wire);
    wire_close(&wire);
}

Test(startup, ssl_request_with_a_byte_at_a_time)
{
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_ssl_request(&wire->out);
    wire_flush_slowly(wire);
    cr_assert_eq(wire_receive_byte(wire), 'N');
    wire_login(wire, "app", "app", NULL);
    wire_close(&wire);
}

/* What stands behind an SSLRequest in the same segment could have been injected in front of the TLS handshake. */
Test(startup, bytes_behind_ssl_request_end_the_connection)
{
    for (int is_gss = 0; is_gss < 2; is_gss++) {
        struct wire *wire = wire_connect(proxy->port);
        if (is_gss)
            frontend_write_gssenc_request(&wire->out);
        else
            frontend_write_ssl_request(&wire->out);
        stage_startup(wire, 3, 0, NULL, NULL);
        wire_flush(wire);
        int first = wire_receive_byte(wire);
        if (first == 'N') first = wire_receive_byte(wire);
        cr_assert_eq(first, 'E');
        wire->in_start--;
        expect_refusal(wire, "08P01", NULL, "bytes behind SSLRequest");
        wire_close(&wire);
    }
}

Test(startup, repeated_ssl_requests_do_not_loop)
{
    struct wire *wire = wire_connect(proxy->port);
    int answers = 0;
    wire->is_forgiving = true;
    for (; answers < 1000; answers++) {
        frontend_write_ssl_request(&wire->out);
        if (!wire_flush(wire) || wire_receive_byte(wire) != 'N') break;
    }
    cr_assert_lt(answers, 10);
    wire_close(&wire);
}

Test(startup, one_byte_at_a_time)
{
    struct wire *wire = wire_connect(proxy->port);
    stage_startup(wire, 3, 0, "application_name", "slow");
    wire_flush_slowly(wire);
    wire_expect(wire, "R S* K Z:I");
    frontend_write_query(&wire->out, "select current_setting('application_name')");
    wire_flush_slowly(wire);
    wire_expect(wire, "T D:slow C:SELECT_1 Z:I");
    wire_close(&wire);
}

Test(startup, second_startup_is_a_violation)
{
    struct wire *wire = wire_session(proxy->port);
    stage_startup(wire, 3, 0, NULL, NULL);
    wire_flush(wire);
    expect_refusal(wire, "08P01", NULL, "second startup");
    wire_close(&wire);
}

Test(startup, query_in_the_segment_of_the_startup)
{
    struct wire *wire = wire_connect(proxy->port);
    stage_startup(wire, 3, 0, NULL, NULL);
    frontend_write_query(&wire->out, "select 'early'");
    wire_flush(wire);
    wire_expect(wire, "R S* K Z:I T D:early C:SELECT_1 Z:I");
    wire_close(&wire);
}

/* The first part of a startup packet that came in two is no message of the session, even where the welcome needs no server and comes at once. */
Test(startup, query_behind_a_startup_in_two_parts)
{
    struct wire *known = wire_session(proxy->port);
    for (size_t cut = 1; cut < 40; cut += 6) {
        struct wire *wire = wire_connect(proxy->port);
        stage_startup(wire, 3, 0, "application_name", "in two parts");
        frontend_write_query(&wire->out, "select 'early'");
        wire_send(wire, wire->out.data, cut);
        wire_settle(proxy->port);
        wire_send(wire, wire->out.data + cut, wire->out.size - cut);
        wire->out.size = 0;
        wire_expect(wire, "R S* K Z:I T D:early C:SELECT_1 Z:I");
        wire_close(&wire);
    }
    wire_close(&known);
}

/* While it waits for its welcome a client may send more than is read of it: the rest is read afterwards. */
Test(startup, large_query_behind_the_startup)
{
    enum { SIZE = 200000 };
    proxy_finish(&proxy);
    proxy = proxy_start("budget = 1\n");
    struct wire *holder = wire_session(proxy->port), *wire = wire_connect(proxy->port);
    cr_assert_str_eq(wire_query(holder, "begin; select 1"), "1");
    char *text = malloc(SIZE + 30);
    size_t used = (size_t)sprintf(text, "select length('");
    memset(text + used, 'x', SIZE);
    strcpy(text + used + SIZE, "')");
    /* A setting whose effect on the welcome is not known yet needs the server. */
    stage_startup(wire, 3, 0, "work_mem", "5MB");
    frontend_write_query(&wire->out, text);
    wire_flush(wire);
    for (int i = 0; i < 3; i++) wire_settle(proxy->port);
    cr_assert_str_eq(wire_query(holder, "commit"), "");
    wire_expect(wire, "R S* K Z:I T D:200000 C:SELECT_1 Z:I");
    free(text);
    wire_close(&wire);
    wire_close(&holder);
}

Test(startup, lengths_that_lie)
{
    static const struct {
        const char *what;
        size_t size;
        uint8_t bytes[40];
    } samples[] = {
        {"length 0", 8, {0, 0, 0, 0, 0, 3, 0, 0}},
        {"length 3", 8, {0, 0, 0, 3, 0, 3, 0, 0}},
        {"length 4", 8, {0, 0, 0, 4, 0, 3, 0, 0}},
        {"length 7", 8, {0, 0, 0, 7, 0, 3, 0, 0}},
        {"length 10005", 8, {0, 0, 0x27, 0x15, 0, 3, 0, 0}},
        {"length 2147483647", 8, {0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}},
        {"length 4294967295", 8, {0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0}},
        {"no final NUL", 14, {0, 0, 0, 14, 0, 3, 0, 0, 'u', 's', 'e', 'r', 0, 'a'}},
        {"name without value", 14, {0, 0, 0, 14, 0, 3, 0, 0, 'u', 's', 'e', 'r', 0, 0}},
        {"bytes behind the end", 18, {0, 0, 0, 18, 0, 3, 0, 0, 'u', 's', 'e', 'r', 0, 'a', 0, 0, 'x', 0}},
        {"HTTP", 18, "GET / HTTP/1.0\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct wire *wire = wire_connect(proxy->port);
        wire_send(wire, samples[i].bytes, samples[i].size);
        /* PostgreSQL itself ends such a connection without a word; both are fine. */
        if (strcmp(samples[i].what, "name without value") == 0)
            expect_end(wire, NULL, samples[i].what);
        else
            expect_end(wire, "08P01", samples[i].what);
        wire_close(&wire);
    }
}

Test(startup, cancel_requests_of_wrong_size)
{
    static const uint8_t samples[][16] = {
        {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2e},
        {0, 0, 0, 12, 0x04, 0xd2, 0x16, 0x2e, 1, 2, 3, 4},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct wire *wire = wire_connect(proxy->port);
        wire_send(wire, samples[i], samples[i][3]);
        expect_end(wire, "08P01", "CancelRequest");
        wire_close(&wire);
    }
}

Test(startup, without_a_user)
{
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"database", "app", NULL});
    wire_flush(wire);
    expect_refusal(wire, "28000", NULL, "no user");
    wire_close(&wire);
}

Test(startup, database_defaults_to_the_user)
{
    struct wire *wire = wire_connect(proxy->port);
    frontend_write_startup(&wire->out, 3, 0, (const char *const[]){"user", "app", NULL});
    wire_flush(wire);
    wire_expect(wire, "R S* K Z:I");
    cr_assert_str_eq(wire_query(wire, "select current_database()"), "app");
    wire_close(&wire);
}

Test(startup, replication_is_refused_by_name)
{
    static const char *const values[] = {"true", "database", "1", "on"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct wire *wire = wire_connect(proxy->port);
        stage_startup(wire, 3, 0, "replication", values[i]);
        wire_flush(wire);
        expect_refusal(wire, NULL, "replication", values[i]);
        wire_close(&wire);
    }
}

/* ---- startup parameters and options ---- */

Test(startup, options_are_honoured)
{
    static const struct {
        const char *options, *name, *value;
    } samples[] = {
        {"-c statement_timeout=7s", "statement_timeout", "7s"},
        {"-cwork_mem=5MB", "work_mem", "5MB"},
        {"--work-mem=6MB", "work_mem", "6MB"},
        {"  -c   geqo=off   ", "geqo", "off"},
        {"-c geqo=off -c work_mem=7MB --lock_timeout=3s", "work_mem", "7MB"},
        {"-c geqo=off -c work_mem=7MB --lock_timeout=3s", "lock_timeout", "3s"},
        {"-c application_name=two\\ words", "application_name", "two words"},
        {"-c application_name=back\\\\slash", "application_name", "back\\slash"},
        {"-c search_path=app,public", "search_path", "app,public"},
        {"-c work_mem=1MB -c work_mem=8MB", "work_mem", "8MB"},
        {"", "geqo", "on"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char show[100];
        struct wire *wire = wire_connect(proxy->port);
        wire_login(wire, "app", "app", (const char *const[]){"options", samples[i].options, NULL});
        snprintf(show, sizeof show, "show %s", samples[i].name);
        cr_assert_str_eq(wire_query(wire, show), samples[i].value, "%s: %s", samples[i].options, wire->text);
        wire_close(&wire);
    }
}

Test(startup, options_stay_with_their_client)
{
    struct wire *first = wire_connect(proxy->port);
    struct wire *second = wire_connect(proxy->port);
    wire_login(first, "app", "app", (const char *const[]){"options", "-c work_mem=5MB", "geqo", "off", NULL});
    wire_login(second, "app", "app", (const char *const[]){"options", "-c lock_timeout=5s", NULL});
    for (int round = 0; round < 3; round++) {
        cr_assert_str_eq(wire_query(first, "show work_mem"), "5MB");
        cr_assert_str_eq(wire_query(first, "show lock_timeout"), "0");
        cr_assert_str_eq(wire_query(first, "show geqo"), "off");
        cr_assert_str_eq(wire_query(second, "show work_mem"), "4MB");
        cr_assert_str_eq(wire_query(second, "show lock_timeout"), "5s");
        cr_assert_str_eq(wire_query(second, "show geqo"), "on");
    }
    wire_close(&second);
    wire_close(&first);
}

Test(startup, bad_options_are_refused)
{
    static const char *const samples[] = {
        "-c=", "-c", "--=", "\\", "-c work_mem=1MB \\", "-c work_mem", "nonsense", "-", "-c =1", "-x", "-c -c",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct wire *wire = wire_connect(proxy->port);
        stage_startup(wire, 3, 0, "options", samples[i]);
        wire_flush(wire);
        expect_refusal(wire, NULL, NULL, samples[i]);
        wire_close(&wire);
    }
}

/* Refused with PostgreSQL's own SQLSTATE and by name. */
Test(startup, bad_settings_are_refused_by_name)
{
    static const struct {
        const char *name, *value, *word, *sqlstate;
    } samples[] = {
        {"nosuch_parameter", "1", "nosuch_parameter", "42704"},
        {"work_mem", "a lot", "work_mem", "22023"},
        {"client_encoding", "klingon", "client_encoding", "22023"},
        {"TimeZone", "Mars/Olympus", "TimeZone", "22023"},
        {"shared_buffers", "1MB", "shared_buffers", "55P02"},
        {"options", "-c nosuch_parameter=1", "nosuch_parameter", "42704"},
        {"options", "-c statement_timeout=soon", "statement_timeout", "22023"},
        {"options", "-c max_connections=3", "max_connections", "55P02"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct wire *wire = wire_connect(proxy->port);
        stage_startup(wire, 3, 0, samples[i].name, samples[i].value);
        wire_flush(wire);
        expect_refusal(wire, samples[i].sqlstate, samples[i].word, samples[i].value);
        wire_close(&wire);
    }
    struct wire *wire = wire_session(proxy->port);
    expect_working(wire);
    wire_close(&wire);
}

/* PostgreSQL's words repeat the value, however long it is. */
Test(startup, bad_settings_of_any_length)
{
    static const size_t sizes[] = {1000, 3900, 4000, 4096, 4200, 8192, 9800};
    char value[10000];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct wire *wire = wire_connect(proxy->port);
        memset(value, 'x', sizes[i]);
        value[sizes[i]] = '\0';
        stage_startup(wire, 3, 0, "work_mem", value);
        wire_flush(wire);
        expect_refusal(wire, "22023", value, "a long value");
        wire_close(&wire);
    }
    struct wire *wire = wire_session(proxy->port);
    expect_working(wire);
    wire_close(&wire);
}

/* ---- the welcome ---- */

static void compare_welcome(const char *const *pairs, const char *what)
{
    struct wire *direct = wire_connect(postgres_shared()->port);
    struct wire *wire = wire_connect(proxy->port);
    wire_login(direct, "app", "app", pairs);
    wire_login(wire, "app", "app", pairs);
    for (size_t i = 0; i < direct->parameter_count; i++) {
        const char *name = direct->parameters[i].name;
        const char *value = wire_parameter(wire, name);
        char question[120];
        cr_assert_not_null(value, "%s: no ParameterStatus %s", what, name);
        cr_assert_str_eq(value, direct->parameters[i].value, "%s: %s is %s, %s direct", what, name, value, direct->parameters[i].value);
        snprintf(question, sizeof question, "select current_setting('%s')", name);
        cr_assert_str_eq(wire_query(wire, question), value, "%s: %s was said to be %s and is %s", what, name, value, wire->text);
    }
    cr_assert_eq(wire->parameter_count, direct->parameter_count, "%s: %zu ParameterStatus, %zu direct", what, wire->parameter_count,
                 direct->parameter_count);
    wire_close(&wire);
    wire_close(&direct);
}

Test(startup, welcome_is_the_servers)
{
    static const char *const samples[][2] = {
        {"application_name", "welcome"},
        {"client_encoding", "utf8"},
        {"client_encoding", "latin1"},
        {"client_encoding", "'UTF-8'"},
        {"DateStyle", "german"},
        {"datestyle", "sql, dmy"},
        {"TimeZone", "europe/berlin"},
        {"timezone", "<+0330>-3:30"},
        {"IntervalStyle", "ISO_8601"},
        {"standard_conforming_strings", "no"},
        {"default_transaction_read_only", "yes"},
        {"options", "-c datestyle=german -c TimeZone=pst8pdt"},
        {"application_name", "nön-äscii \x01 control"},
        {"work_mem", "12345"},
    };
    compare_welcome(NULL, "nothing");
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        compare_welcome((const char *const[]){samples[i][0], samples[i][1], NULL}, samples[i][1]);
}

Test(startup, welcomes_do_not_mix)
{
    struct wire *berlin = wire_connect(proxy->port), *tokyo = wire_connect(proxy->port);
    wire_login(berlin, "app", "app", (const char *const[]){"TimeZone", "Europe/Berlin", "DateStyle", "German", NULL});
    wire_login(tokyo, "app", "app", (const char *const[]){"TimeZone", "Asia/Tokyo", "client_encoding", "latin1", NULL});
    for (int round = 0; round < 3; round++) {
        cr_assert_str_eq(wire_query(berlin, "show TimeZone"), "Europe/Berlin");
        cr_assert_str_eq(wire_query(tokyo, "show TimeZone"), "Asia/Tokyo");
        cr_assert_str_eq(wire_query(berlin, "show DateStyle"), "German, DMY");
        cr_assert_str_eq(wire_query(tokyo, "show DateStyle"), "ISO, MDY");
        cr_assert_str_eq(wire_query(berlin, "show client_encoding"), "UTF8");
        cr_assert_str_eq(wire_query(tokyo, "show client_encoding"), "LATIN1");
    }
    wire_close(&tokyo);
    wire_close(&berlin);
}

Test(startup, unix_socket)
{
    struct wire *wire = wire_connect_unix(proxy->directory, proxy->port);
    wire_login(wire, "app", "app", NULL);
    expect_working(wire);
    wire_close(&wire);
    PGconn *connection = sql_connect("host=%s port=%d user=app dbname=app", proxy->directory, proxy->port);
    cr_assert_str_eq(sql_value(connection, "select 'unix'"), "unix");
    PQfinish(connection);
}

/* ---- after the welcome ---- */

Test(startup, messages_that_no_client_may_send)
{
    static const struct {
        const char *what;
        size_t size;
        uint8_t bytes[12];
    } samples[] = {
        {"unknown type", 5, {'y', 0, 0, 0, 4}}, {"a server's type", 6, {'Z', 0, 0, 0, 5, 'I'}},          {"length 0", 5, {'Q', 0, 0, 0, 0}},
        {"length 3", 5, {'Q', 0, 0, 0, 3}},     {"length 4294967295", 5, {'Q', 0xff, 0xff, 0xff, 0xff}}, {"type 0", 5, {0, 0, 0, 0, 4}},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct wire *wire = wire_session(proxy->port);
        wire_send(wire, samples[i].bytes, samples[i].size);
        expect_refusal(wire, "08P01", NULL, samples[i].what);
        wire_close(&wire);
    }
    cr_assert_eq(backends_busy(), 0);
}

Test(startup, half_a_login_leaves_nothing_behind)
{
    struct wire *session = wire_session(proxy->port);
    expect_working(session);
    int before = proxy_fd_count(proxy);
    for (size_t size = 0; size < 30; size++) {
        struct wire *wire = wire_connect(proxy->port);
        stage_startup(wire, 3, 0, NULL, NULL);
        wire_flush_part(wire, size);
        if (size % 2 == 0)
            wire_close(&wire);
        else
            wire_abort(&wire);
    }
    WAIT_FOR(proxy_fd_count(proxy) <= before, LONG_MS);
    expect_working(session);
    wire_close(&session);
}

Test(startup, terminate_ends_without_a_word)
{
    struct wire *wire = wire_session(proxy->port);
    expect_working(wire);
    frontend_write_terminate(&wire->out);
    wire_flush(wire);
    wire_expect(wire, "-");
    wire_close(&wire);
}
