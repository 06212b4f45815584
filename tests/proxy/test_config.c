#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/config.h"
#include "proxy/config_text.h"
#include "tests/proxy/config_fixture.h"

TestSuite(config, .init = config_fixture_begin, .fini = config_fixture_end);

/* Lines that go into an otherwise good file, as its lines 4 and on. */
#define HEAD  "[databases]\n* =\n[pgturnstile]\n"
#define TRUST CONFIG_FIXTURE_TRUST

/* One more line in [pgturnstile], line 5 of the file. */
static void expect_setting_told(const char *line, bool is_refused, const char *expected)
{
    char text[1024];
    snprintf(text, sizeof text, TRUST "%s\n", line);
    expect_told(text, is_refused, expected);
}

static const char *option(const struct config_database *database, const char *keyword)
{
    const char *value = NULL;
    for (size_t i = 0; database->libpq_options[i] != NULL; i += 2) {
        if (strcmp(database->libpq_options[i], keyword) != 0) continue;
        cr_assert_null(value, "%s stands twice", keyword);
        value = database->libpq_options[i + 1];
    }
    return value;
}

/* ---- the whole ---- */

Test(config, a_realistic_file)
{
    static const char users[] = "\"alice\" \"wonderland\"\n\"bob\" \"builder\"\n";
    char text[4096];
    write_file(auth_path, users, sizeof users - 1);
    snprintf(
        text, sizeof text,
        "; made by hand\n"
        "[databases]\n"
        "shop = host=10.0.0.1 port=5433 dbname=shop_production pool_size=40 min_pool_size=2\n"
        "reports = host=/var/run/postgresql user=reporter password='it''s secret' pool_mode=session connect_query='SET x = ''1;2''; SELECT "
        "1'\n"
        "\"odd \"\"name\"\"\" = host=@abstract application_name=odd client_encoding=UNICODE datestyle='ISO, DMY' timezone=Europe/Berlin\n"
        "* = host=db1,db2,db3 port=5432,5433,5434 target_session_attrs=read-write server_lifetime=90.5\n"
        "\n"
        "[users]\n"
        "alice = pool_mode=statement\n"
        "bob = pool_size=7\n"
        "\n"
        "[pgturnstile]\n"
        "listen_addr = 0.0.0.0\n"
        "listen_port = 6543\n"
        "unix_socket_mode = 0750\n"
        "  budget = 50\n"
        "pool_mode = transaction\n"
        "query_wait_timeout = 2.5\n"
        "log_connections = off\n"
        "auth_type = SCRAM-SHA-256\n"
        "auth_file = %s\n"
        "ignore_startup_parameters = extra_float_digits, search_path\n",
        auth_path);
    struct config *config = load(text);
    cr_assert_str_eq(config->path, path);
    cr_assert_str_eq(config->settings.listen_addr, "0.0.0.0");
    cr_assert_eq(config->settings.listen_port, 6543);
    cr_assert_eq(config->settings.unix_socket_mode, 0750);
    cr_assert_eq(config->settings.budget, 50);
    cr_assert_eq(config->settings.pool_mode, POOL_MODE_TRANSACTION);
    cr_assert_eq(config->settings.query_wait_timeout_us, 2500000);
    cr_assert_eq(config->settings.auth_type, AUTH_SCRAM);
    cr_assert_not(config->settings.log_connections);
    cr_assert(config->settings.log_disconnections);
    cr_assert_eq(config->settings.server_lifetime_us, 3600 * (int64_t)1000000);
    cr_assert_str_eq(userlist_find(config->userlist, "alice")->secret, "wonderland");
    cr_assert_eq(config->database_count, 4);
    cr_assert_eq(config->user_count, 2);

    const struct config_database *shop = config_find_database(config, "shop");
    cr_assert_str_eq(shop->name, "shop");
    cr_assert_str_eq(shop->dbname, "shop_production");
    cr_assert_str_eq(option(shop, "dbname"), "shop_production");
    cr_assert_str_eq(option(shop, "host"), "10.0.0.1");
    cr_assert_str_eq(option(shop, "port"), "5433");
    cr_assert_null(shop->user);
    cr_assert_null(shop->password);
    cr_assert_null(shop->connect_query);

    const struct config_database *reports = config_find_database(config, "reports");
    cr_assert_str_eq(reports->user, "reporter");
    cr_assert_str_eq(reports->password, "it's secret");
    cr_assert_str_eq(reports->connect_query, "SET x = '1;2'; SELECT 1");
    cr_assert_null(reports->dbname);
    cr_assert_null(option(reports, "dbname"));
    cr_assert_null(option(reports, "user"));
    cr_assert_null(option(reports, "password"));

    const struct config_database *odd = config_find_database(config, "odd \"name\"");
    cr_assert_str_eq(option(odd, "host"), "@abstract");
    cr_assert_str_eq(option(odd, "application_name"), "odd");
    cr_assert_str_eq(option(odd, "client_encoding"), "UNICODE");
    cr_assert_str_eq(option(odd, "options"), "-c datestyle=ISO,\\ DMY -c timezone=Europe/Berlin");

    const struct config_database *rest = config_find_database(config, "whatever");
    cr_assert_str_eq(rest->name, "*");
    cr_assert_str_eq(option(rest, "host"), "db1,db2,db3");
    cr_assert_str_eq(option(rest, "port"), "5432,5433,5434");
    cr_assert_str_eq(option(rest, "target_session_attrs"), "read-write");
    cr_assert_eq(rest->server_lifetime_us, 90500000);
    cr_assert_eq(shop->server_lifetime_us, -1);

    cr_assert_eq(config_pool_mode(config, shop, NULL), POOL_MODE_TRANSACTION);
    cr_assert_eq(config_pool_mode(config, reports, "bob"), POOL_MODE_SESSION);
    cr_assert_eq(config_pool_mode(config, reports, "alice"), POOL_MODE_STATEMENT);
    cr_assert_eq(config_pool_size(config, shop, "alice"), 40);
    cr_assert_eq(config_pool_size(config, shop, "bob"), 7);
    cr_assert_eq(config_pool_size(config, reports, "alice"), 0);
    cr_assert_eq(config_min_pool_size(config, shop), 2);
    cr_assert_eq(config_min_pool_size(config, reports), 0);
    cr_assert_null(config_find_user(config, "carol"));

    cr_assert(config_ignores_parameter(config, "extra_float_digits"));
    cr_assert(config_ignores_parameter(config, "Search_Path"));
    cr_assert_not(config_ignores_parameter(config, "search"));
    cr_assert_not(config_ignores_parameter(config, ""));
    config_unref(&config);
    cr_assert_null(config);
}

Test(config, without_a_fallback_unknown_databases_are_none)
{
    struct config *config = load("[databases]\na =\nb = dbname=c\n[pgturnstile]\nauth_type = trust\n");
    cr_assert_null(config_find_database(config, "c"));
    cr_assert_null(config_find_database(config, ""));
    cr_assert_not_null(config_find_database(config, "b"));
    cr_assert_null(config_find_database(config, "a")->dbname);
    cr_assert_null(config_find_database(config, "a")->libpq_options[0]);
    config_unref(&config);
}

Test(config, a_database_as_a_section)
{
    struct config *config = load("[database shop]\n"
                                 "host = db1\n"
                                 "password = two words ; and # more\n"
                                 "connect_query = 'SELECT ''x'''\n"
                                 "options = -c work_mem=1MB\n"
                                 "timezone = UTC\n"
                                 "[database \"odd ] name\"]\n"
                                 "pool_size = 3\n"
                                 "[database  spaced ]\n"
                                 "[pgturnstile]\n"
                                 "auth_type = trust\n"
                                 "[database last]\n"
                                 "port = 1\n");
    const struct config_database *shop = config_find_database(config, "shop");
    cr_assert_eq(config->database_count, 4);
    cr_assert_str_eq(option(shop, "host"), "db1");
    cr_assert_str_eq(shop->password, "two words ; and # more");
    cr_assert_str_eq(shop->connect_query, "SELECT 'x'");
    cr_assert_str_eq(option(shop, "options"), "-c work_mem=1MB -c timezone=UTC");
    cr_assert_eq(config_find_database(config, "odd ] name")->pool_size, 3);
    cr_assert_not_null(config_find_database(config, "spaced"));
    cr_assert_str_eq(option(config_find_database(config, "last"), "port"), "1");
    config_unref(&config);
}

Test(config, what_debians_inih_cannot_carry_works)
{
    static char text[40000];
    static char name[64];
    static char query[20001];
    memset(query, 'q', sizeof query - 1);
    memset(name, 'n', sizeof name - 1);
    snprintf(text, sizeof text,
             "\xef\xbb\xbf[databases]\r\n"
             "a = connect_query='SELECT 1 ; SELECT 2 # x' host=h\r\n"
             "b = connect_query='%s' host=h\n"
             "\t  c = host=indented\n"
             "\"d:e=f ; g\" = host=2001:db8::1\n"
             "[database %s]\n"
             "host = at:a=colon ; more\n"
             "[pgturnstile]\n"
             "server_reset_query = DISCARD ALL ; SELECT 1 : 2\n"
             "auth_type = trust",
             query, name);
    struct config *config = load(text);
    cr_assert_str_eq(config_find_database(config, "a")->connect_query, "SELECT 1 ; SELECT 2 # x");
    cr_assert_str_eq(config_find_database(config, "b")->connect_query, query);
    cr_assert_str_eq(option(config_find_database(config, "b"), "host"), "h");
    cr_assert_str_eq(option(config_find_database(config, "c"), "host"), "indented");
    cr_assert_str_eq(option(config_find_database(config, "d:e=f ; g"), "host"), "2001:db8::1");
    cr_assert_str_eq(option(config_find_database(config, name), "host"), "at:a=colon ; more");
    cr_assert_str_eq(config->settings.server_reset_query, "DISCARD ALL ; SELECT 1 : 2");
    config_unref(&config);
}

Test(config, every_problem_at_once_in_the_order_of_the_lines)
{
    static const char users[] = "\"alice\" \"a\"\nbob \"b\"\n\"carol\"\n";
    char text[2048];
    write_file(auth_path, users, sizeof users - 1);
    snprintf(text, sizeof text,
             "early = 1\n"
             "[databases]\n"
             "a = hots=h\n"
             "a = host=h port=99999\n"
             "pgbouncer = host=h\n"
             "[pgturnstile]\n"
             "listen_prot = 1\n"
             "listen_port = 65536 ; too many\n"
             "verbose : 1\n"
             "log_stats = maybe\n"
             "pool_mode = Session\n"
             "pool_mode = transaction\n"
             "disable_pqexec = 1\n"
             "pkt_buf = 8192\n"
             "%%include other.ini\n"
             "[pgbouncer]\n"
             "auth_type = hba\n"
             "auth_file = %s\n"
             "[peers]\n"
             "1 = host=x\n"
             "[what]\n"
             "[broken\n"
             "stats_period = 0\n"
             "just words\n",
             auth_path);
    expect_told(text, true,
                "1: \"early\" stands before the first section: begin the file with [pgturnstile]\n"
                "3: unknown key \"hots\": did you mean host?\n"
                "4: port must be a number from 1 to 65535, or one for each host, separated by commas\n"
                "4: database \"a\" is said twice, first on line 3: keep one\n"
                "5: \"pgbouncer\" is reserved for the console: choose another name\n"
                "7: unknown key \"listen_prot\": did you mean listen_port?\n"
                "8: listen_port must be a number from 1 to 65535, not \"65536 ; too many\" (a comment must stand on a line of its own)\n"
                "9: neither [section] nor \"name = value\": write = between name and value, not :\n"
                "10: log_stats must be 0 or 1 (or no, yes, off, on, false, true), not \"maybe\"\n"
                "12: pool_mode is said twice, first on line 11: keep one\n"
                "13: disable_pqexec is not supported: simple queries cannot be forbidden here; remove the key only if clients may send "
                "them\n"
                "14: warning: pkt_buf has no effect: buffers size themselves\n"
                "15: %include and other directives are not supported: put everything into this file\n"
                "16: [pgbouncer] and [pgturnstile] of line 6 mean the same: put everything into [pgturnstile]\n"
                "17: auth_type must be one of trust, password, plain, md5, scram-sha-256, not \"hba\"\n"
                "19: [peers] is not supported in this version: remove the section\n"
                "21: unknown section [what]: there are [pgturnstile], [databases], [database NAME], [users] and [class NAME]\n"
                "22: a section is written [name], with nothing after the bracket\n"
                "24: neither [section] nor \"name = value\": the = is missing\n"
                "users.txt:2: the name in double quotes is missing: write \"user\" \"secret\"\n"
                "users.txt:3: the secret in double quotes is missing: write \"user\" \"secret\"\n");
}

Test(config, files_that_are_none)
{
    struct config_problems problems;
    cr_assert_null(config_load("/nonexistent/c.ini", &problems));
    cr_assert_eq(problems.count, 1);
    cr_assert_str_eq(problems.items[0].file, "/nonexistent/c.ini");
    cr_assert_eq(problems.items[0].line, 0);
    cr_assert_str_eq(problems.items[0].text, "cannot be opened: No such file or directory");
    config_problems_fini(&problems);

    cr_assert_null(config_load("/tmp", &problems));
    cr_assert(strstr(problems.items[0].text, "cannot read on: Is a directory") != NULL);
    config_problems_fini(&problems);

    static char line[70000];
    memset(line, 'x', sizeof line);
    memcpy(line, "[users]\na = ", 12);
    cr_assert_null(load_bytes(line, sizeof line));
    cr_assert(strstr(told, "2: the line is longer than 65536 bytes\n") != NULL, "%s", told);

    cr_assert_null(load_bytes("[users]\na\0b = c\n", 16));
    cr_assert(strstr(told, "2: the line holds a zero byte: this is no text file\n") != NULL, "%s", told);
}

/* ---- settings ---- */

Test(config, values_of_settings)
{
    static const struct {
        const char *line, *told;
    } cases[] = {
        {"listen_port = 1", ""},
        {"listen_port = 65535", ""},
        {"listen_port = 0", "5: listen_port must be a number from 1 to 65535, not \"0\"\n"},
        {"listen_port = -1", "5: listen_port must be a number from 1 to 65535, not \"-1\"\n"},
        {"listen_port =", "5: listen_port must be a number from 1 to 65535, not \"\"\n"},
        {"listen_port = 6432x", "5: listen_port must be a number from 1 to 65535, not \"6432x\"\n"},
        {"listen_port = 99999999999999999999999", "5: listen_port must be a number from 1 to 65535, not \"99999999999999999999999\"\n"},
        {"unix_socket_mode = 0700", ""},
        {"unix_socket_mode = 777", ""},
        {"unix_socket_mode = 0888", "5: unix_socket_mode must be an octal number from 0000 to 0777, not \"0888\"\n"},
        {"unix_socket_mode = 1777", "5: unix_socket_mode must be an octal number from 0000 to 0777, not \"1777\"\n"},
        {"server_lifetime = 0.5", ""},
        {"server_lifetime = 1.", ""},
        {"server_lifetime = .5", ""},
        {"server_lifetime = -1", "5: server_lifetime must be a time in seconds from 0 to 1000000000, such as 15 or 0.5, not \"-1\"\n"},
        {"server_lifetime = 5s", "5: server_lifetime must be a time in seconds from 0 to 1000000000, such as 15 or 0.5, not \"5s\"\n"},
        {"server_lifetime = .", "5: server_lifetime must be a time in seconds from 0 to 1000000000, such as 15 or 0.5, not \".\"\n"},
        {"server_lifetime = nan", "5: server_lifetime must be a time in seconds from 0 to 1000000000, such as 15 or 0.5, not \"nan\"\n"},
        {"log_stats = TRUE", ""},
        {"log_stats = no", ""},
        {"log_stats = 2", "5: log_stats must be 0 or 1 (or no, yes, off, on, false, true), not \"2\"\n"},
        {"pool_mode = STATEMENT", ""},
        {"pool_mode = sesion", "5: pool_mode must be one of session, transaction, statement, not \"sesion\"\n"},
        {"server_tls_sslmode = verify-full", ""},
        {"server_tls_sslmode = on", "5: server_tls_sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full\n"},
        {"unknown = 1", "5: unknown key \"unknown\": remove it\n"},
        {"wait_timeout = 1", "5: wait_timeout is a key of classes: write it into a [class NAME] section, or query_wait_timeout here\n"},
        {"weight = 2", "5: weight is a key of classes: write it into a [class NAME] section, [class default] is for all the rest\n"},
        {"share_by = user", "5: share_by is a key of classes: write it into a [class NAME] section, [class default] is for all the rest\n"},
        {"Budget = 1", "5: unknown key \"Budget\": did you mean budget?\n"},
        {"bugdet = 1", "5: unknown key \"bugdet\": did you mean budget?\n"},
        {"server_idletimeout = 1", "5: unknown key \"server_idletimeout\": did you mean server_idle_timeout?\n"},
        {"two words = 1", "5: a name with blanks before the = must stand in double quotes\n"},
        {"= 1", "5: the name before the = is missing\n"},
        {"\"listen_port\" = 7", ""},
        {"\"listen_port = 7", "5: the double quote that opens the name is not closed\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_setting_told(cases[i].line, *cases[i].told != '\0', cases[i].told);
}

Test(config, keys_that_only_pgbouncer_has)
{
    static const struct {
        const char *line, *told;
        bool is_refused;
    } cases[] = {
        {"pkt_buf = 4096", "", false},
        {"pkt_buf = 2048", "5: warning: pkt_buf has no effect: buffers size themselves\n", false},
        {"so_reuseport = 1", "5: warning: so_reuseport has no effect: one process serves the port\n", false},
        {"admin_users = postgres", "", false},
        {"query_timeout = 0", "", false},
        {"query_timeout = 0.0", "", false},
        {"query_timeout = 5", "", false},
        {"peer_id = 5", "5: warning: peer_id has no effect: there are no peers\n", false},
        {"auth_query =", "", false},
        {"auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename=$1", "", false},
        {"auth_query = SELECT x FROM y($1)",
         "5: auth_query is not supported: secrets are not looked up in PostgreSQL; list the users in auth_file\n", true},
        {"client_tls_sslmode = disable", "", false},
        {"client_tls_sslmode = require", "5: client_tls_sslmode is not supported: TLS from clients is not supported yet; only disable\n",
         true},
        {"client_tls_ciphers = anything", "", false},
        {"disable_pqexec = 1",
         "5: disable_pqexec is not supported: simple queries cannot be forbidden here; remove the key only if clients may send them\n",
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_setting_told(cases[i].line, cases[i].is_refused, cases[i].told);
}

Test(config, no_key_is_a_setting_and_one_of_pgbouncers_too)
{
#define PGBOUNCER_IGNORED(scope, name, neutral, reason) \
    if (strcmp(#scope, "SCOPE_GLOBAL") == 0) cr_expect_null(settings_find(#name), #name);
#define PGBOUNCER_REFUSED PGBOUNCER_IGNORED
#include "proxy/pgbouncer_keys.def"
}

/* Every key and default of pgbouncer 1.25 is accepted, in silence. */
Test(config, pgbouncers_own_defaults_are_accepted)
{
    static const char keys[] =
        "logfile=|pidfile=|listen_addr=localhost|listen_port=6432|unix_socket_dir=/"
        "tmp|unix_socket_mode=0777|unix_socket_group=|user=|pool_mode=session|"
        "max_client_conn=100|default_pool_size=20|min_pool_size=0|reserve_pool_size=0|reserve_pool_timeout=5|max_db_connections=0|"
        "max_db_client_connections=0|max_user_connections=0|max_user_client_connections=0|server_round_robin=0|track_extra_parameters="
        "IntervalStyle|"
        "ignore_startup_parameters=|peer_id=0|disable_pqexec=0|application_name_add_host=0|conffile=|service_name=pgbouncer|job_name="
        "pgbouncer|"
        "stats_period=60|max_prepared_statements=200|scram_iterations=4096|login_notify_message=|auth_type=trust|auth_hba_file=|auth_ident_"
        "file=|"
        "auth_file=|auth_user=|auth_query=SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM pg_authid "
        "WHERE "
        "rolname=$1 AND "
        "rolcanlogin|auth_dbname=|auth_ldap_options=|syslog=0|syslog_ident=pgbouncer|syslog_facility=daemon|log_connections=1|"
        "log_disconnections=1|log_pooler_errors=1|log_stats=1|verbose=0|admin_users=|stats_users=|server_reset_query=DISCARD ALL|"
        "server_reset_query_always=0|server_check_delay=30|server_check_query=<empty>|server_fast_close=0|server_lifetime=3600|"
        "server_idle_timeout=600|server_connect_timeout=15|server_login_retry=15|client_login_timeout=60|autodb_idle_timeout=3600|"
        "pool_idle_timeout=0|dns_max_ttl=15|dns_nxdomain_ttl=15|dns_zone_check_period=0|resolv_conf=|query_wait_notify=5|client_tls_"
        "sslmode=disable|"
        "client_tls_key_file=|client_tls_cert_file=|client_tls_ca_file=|client_tls_protocols=secure|client_tls_ciphers=default|"
        "client_tls13_ciphers=|client_tls_ecdhcurve=auto|client_tls_dheparams=auto|server_tls_sslmode=prefer|server_tls_ca_file=|"
        "server_tls_key_file=|server_tls_cert_file=|server_tls_protocols=secure|server_tls_ciphers=default|server_tls13_ciphers=|query_"
        "timeout=0|"
        "query_wait_timeout=120|cancel_wait_timeout=10|client_idle_timeout=0|idle_transaction_timeout=0|transaction_timeout=0|suspend_"
        "timeout=10|"
        "pkt_buf=4096|max_packet_size=2147483647|listen_backlog=128|sbuf_loopcnt=5|so_reuseport=0|tcp_defer_accept=1|tcp_socket_buffer=0|"
        "tcp_keepalive=1|tcp_keepcnt=0|tcp_keepidle=0|tcp_keepintvl=0|tcp_user_timeout=0|";
    static char text[sizeof keys + 64];
    snprintf(text, sizeof text, "[databases]\n*=\n[pgbouncer]\n%s", keys);
    for (char *end = text; (end = strchr(end, '|')) != NULL;) *end = '\n';
    struct config *config = load(text);
    config_unref(&config);
}

/* The file that Debian's package installs: as it is, and with every commented setting uncommented. */
Test(config, debians_pgbouncer_ini_works)
{
    FILE *file = fopen("/etc/pgbouncer/pgbouncer.ini", "r");
    if (file == NULL) cr_skip_test("/etc/pgbouncer/pgbouncer.ini is not there or not for us to read");
    static char plain[1 << 16], full[1 << 16];
    char line[1024];
    char *to_plain = plain, *to_full = full;
    bool is_settings = false;
    write_file(auth_path, "", 0);
    while (fgets(line, sizeof line, file) != NULL) {
        if (*line == '[') is_settings = strncmp(line, "[pgbouncer]", 11) == 0;
        if (strncmp(line, "auth_file", 9) == 0) snprintf(line, sizeof line, "auth_file = %s\n", auth_path);
        to_plain += sprintf(to_plain, "%s", line);
        /* Those that stand there twice, or with a placeholder, or with an example that is no default. */
        static const char *const left_out[] = {"unix_socket_dir", "client_tls_ca_file", "server_tls_ca_file", "resolv_conf"};
        const char *name = line + strspn(line, ";");
        bool is_default = is_settings && *line == ';' && strchr("abcdefghijklmnopqrstuvwxyz", *name) != NULL && strstr(name, " = ") != NULL;
        for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) is_default &= strncmp(name, left_out[i], strlen(left_out[i])) != 0;
        to_full += sprintf(to_full, "%s", is_default ? name : line);
    }
    fclose(file);

    struct config *config = load_bytes(plain, strlen(plain));
    cr_assert_not_null(config, "%s", told);
    cr_assert_eq(config->settings.auth_type, AUTH_MD5);
    cr_assert_str_eq(config->settings.unix_socket_dir, "/var/run/postgresql");
    cr_assert(strstr(told, "warning: pool_mode is not set: it is transaction here and session in PgBouncer") != NULL, "%s", told);
    cr_assert(strstr(told, "0: warning: there is no database") != NULL, "%s", told);
    config_unref(&config);

    config = load_bytes(full, strlen(full));
    for (char *problem = strtok(told, "\n"); problem != NULL; problem = strtok(NULL, "\n")) {
        if (strstr(problem, "warning: ") == NULL) cr_expect_fail("%s", problem);
    }
    config_unref(&config);
}

Test(config, every_setting_stands_in_the_sample_with_its_default)
{
    const char *top = getenv("SOURCE_DIR");
    char name[512], line[1024];
    size_t count, found = 0;
    const struct setting *list = settings_list(&count);
    snprintf(name, sizeof name, "%s/etc/pgturnstile.ini", top != NULL ? top : ".");
    FILE *file = fopen(name, "r");
    cr_assert_not_null(file, "%s", name);
    write_file(auth_path, "", 0);
    FILE *copy = fopen(path, "w");
    bool is_class = false; /* whose keys may have the same names */
    while (fgets(line, sizeof line, file) != NULL) {
        is_class |= strncmp(line, ";[class", 7) == 0;
        for (size_t i = 0; i < count && !is_class; i++) {
            char expected[256];
            int size = snprintf(expected, sizeof expected, ";%s =", list[i].name);
            if (strncmp(line, expected, (size_t)size) != 0) continue;
            snprintf(expected, sizeof expected, ";%s =%s%s\n", list[i].name, *list[i].standard != '\0' ? " " : "", list[i].standard);
            cr_expect_str_eq(line, expected);
            found++;
        }
        if (strncmp(line, "auth_file = ", 12) == 0) snprintf(line, sizeof line, "auth_file = %s\n", auth_path);
        fputs(line, copy);
    }
    fclose(file);
    fclose(copy);
    cr_assert_eq(found, count);

    struct config *config = load_file();
    cr_assert_not_null(config, "%s", told);
    cr_assert_str_eq(told, "");
    struct settings defaults;
    settings_init(&defaults);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, "auth_file") != 0)
            cr_expect(settings_is_equal(&defaults, &config->settings, &list[i]), "%s", list[i].name);
    }
    config_unref(&config);
}

Test(config, every_setting_has_a_usable_default_and_a_text)
{
    size_t count;
    const struct setting *list = settings_list(&count);
    cr_assert_gt(count, 40);
    for (size_t i = 0; i < count; i++) {
        struct settings settings;
        struct text_store store = {.blocks = NULL};
        char wanted[256];
        settings_init(&settings);
        cr_expect_eq(settings_set(&settings, &list[i], list[i].standard, &store, wanted, sizeof wanted), 0, "%s", list[i].name);
        cr_expect_gt(strlen(list[i].text), 10, "%s", list[i].name);
        cr_expect_eq(settings_find(list[i].name), &list[i]);
        text_store_fini(&store);
    }
}

/* ---- entries ---- */

/* The value of the entry "a" on line 2. */
static void expect_entry_told(const char *section, const char *value, const char *expected)
{
    char text[2048];
    snprintf(text, sizeof text, "[%s]\na = %s\n[databases]\nb=\n[pgturnstile]\nauth_type=trust\n", section, value);
    expect_told(text, *expected != '\0' && strstr(expected, "warning") == NULL, expected);
}

Test(config, entries_of_databases)
{
    static const struct {
        const char *value, *told;
    } cases[] = {
        {"", ""},
        {"host=h port=5432 dbname=d user=u password=p", ""},
        {"  host = h   port=1\tdbname='d' ", ""},
        {"password='' host=''", ""},
        {"hostaddr=127.0.0.1 service=s passfile=/x sslmode=require sslrootcert=/y keepalives=1 channel_binding=disable", ""},
        {"host=a,b port=1,2", ""},
        {"host=a,b port=1", ""},
        {"host=a,b,c port=1,2", "2: database \"a\" has 3 hosts and 2 ports: give one port, or one for each host\n"},
        {"host=a,b hostaddr=1.1.1.1", "2: database \"a\" has 2 host and 1 hostaddr: give as many of each\n"},
        {"port=", "2: port must be a number from 1 to 65535, or one for each host, separated by commas\n"},
        {"port=1,", "2: port must be a number from 1 to 65535, or one for each host, separated by commas\n"},
        {"port=543210", "2: port must be a number from 1 to 65535, or one for each host, separated by commas\n"},
        {"sslmode=on", "2: sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full\n"},
        {"pool_size=x", "2: pool_size must be a number from 0 to 100000\n"},
        {"pool_mode=x", "2: pool_mode must be one of session, transaction, statement\n"},
        {"server_lifetime=x", "2: server_lifetime must be a time in seconds from 0 to 1000000000\n"},
        {"pool_size=2 min_pool_size=3", "2: database \"a\": min_pool_size 3 is more than its pool_size 2\n"},
        {"min_pool_size=86", "2: database \"a\": min_pool_size 86 is more than the whole budget of 85\n"},
        {"host=h host=i", "2: host is said twice, first on line 2: keep one\n"},
        {"host=h nonsense", "2: database \"a\": a word without = (a value with blanks must stand in single quotes)\n"},
        {"host=h =x", "2: database \"a\": a key is missing before the =\n"},
        {"host='h", "2: database \"a\": a single quote is not closed\n"},
        {"host='h'x=1", "2: database \"a\": a blank is missing after a closing quote (a quote inside quotes is doubled)\n"},
        {"pool_sise=1", "2: unknown key \"pool_sise\": did you mean pool_size?\n"},
        {"password=hush hour=1", "2: an unknown key behind the password (a password with blanks must stand in single quotes)\n"},
        {"password=hush hour", "2: database \"a\": a word without = (a value with blanks must stand in single quotes)\n"},
        {"password='hush'hour", "2: database \"a\": a blank is missing after a closing quote (a quote inside quotes is doubled)\n"},
        {"sslpassword=hush hour=1", "2: an unknown key behind the password (a password with blanks must stand in single quotes)\n"},
        {"reserve_pool=0 max_db_connections=0 load_balance_hosts=disable gssencmode=disable", ""},
        {"reserve_pool=5 max_db_connections=5 max_db_client_connections=1000000 query_wait_timeout=0.5", ""},
        {"reserve_pool=5 reserve_pool_size=5", "2: reserve_pool_size is said twice, first on line 2: keep one\n"},
        {"max_db_connections=100001", "2: max_db_connections must be a number from 0 to 100000\n"},
        {"max_db_client_connections=1000001", "2: max_db_client_connections must be a number from 0 to 1000000\n"},
        {"query_wait_timeout=x", "2: query_wait_timeout must be a time in seconds from 0 to 1000000000\n"},
        {"max_user_connections=1", "2: unknown key \"max_user_connections\": remove it\n"},
        {"auth_user=x", "2: auth_user is not supported: secrets are not looked up in PostgreSQL; list the users in auth_file\n"},
        {"load_balance_hosts=round-robin",
         "2: warning: load_balance_hosts has no effect: the hosts of a list are tried in their order, as libpq does it\n"},
        {"user=u123456789012345678901234567890123456789012345678901234567890123",
         "2: user \"u123456789012345678901234567890123456789012345678901234567890123\" is longer than the 63 bytes that PostgreSQL keeps "
         "of a "
         "name\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_entry_told("databases", cases[i].value, cases[i].told);
}

Test(config, entries_of_users)
{
    static const struct {
        const char *value, *told;
    } cases[] = {
        {"", ""},
        {"pool_mode=session pool_size=3", ""},
        {"reserve_pool_size=1 max_user_connections=0 max_user_client_connections=1000000", ""},
        {"query_timeout=0 query_wait_timeout=1 idle_transaction_timeout=2.5 transaction_timeout=3 client_idle_timeout=4", ""},
        {"pool_size=3 query_timeout=1 pool_size=4", "2: user \"a\": pool_size is said twice: keep one\n"},
        {"max_user_client_connections=x", "2: max_user_client_connections must be a number from 0 to 1000000\n"},
        {"transaction_timeout=x", "2: transaction_timeout must be a time in seconds from 0 to 1000000000\n"},
        {"transaction_timout=1", "2: unknown key \"transaction_timout\": did you mean transaction_timeout?\n"},
        {"pool_size=-1", "2: pool_size must be a number from 0 to 100000\n"},
        {"poolsize=1", "2: unknown key \"poolsize\": did you mean pool_size?\n"},
        {"x", "2: user \"a\": a word without = (a value with blanks must stand in single quotes)\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_entry_told("users", cases[i].value, cases[i].told);
}

Test(config, names_and_sections)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"[databases]\nb=\n[database b]\n[pgturnstile]\nauth_type=trust\n", "3: database \"b\" is said twice, first on line 2: keep one\n"},
        {"[databases]\npgturnstile=\n[pgturnstile]\nauth_type=trust\n",
         "2: \"pgturnstile\" is reserved for the console: choose another name\n"},
        {"[databases]\n*=\n[users]\nu=\nu=pool_size=1\n[pgturnstile]\nauth_type=trust\n",
         "5: user \"u\" is said twice, first on line 4: keep one\n"},
        {"[databases]\n0123456789012345678901234567890123456789012345678901234567890123=\n[pgturnstile]\nauth_type=trust\n",
         "2: database \"0123456789012345678901234567890123456789012345678901234567890123\" is longer than the 63 bytes that PostgreSQL "
         "keeps of a "
         "name\n"},
        {TRUST "[database]\nhost=x\n",
         "5: [database] lacks the name: write [database NAME] with a key a line, or [databases] with a database a line\n"},
        {TRUST "[databse]\nhost=x\n", "5: unknown section [databse]: did you mean [database]?\n"},
        {TRUST "[peers]\n1 = host=x\n", "5: [peers] is not supported in this version: remove the section\n"},
        {TRUST "[users x]\na=b\n",
         "5: unknown section [users x]: there are [pgturnstile], [databases], [database NAME], [users] and [class NAME]\n"},
        {TRUST "[users] x\n", "5: a section is written [name], with nothing after the bracket\n"},
        {TRUST "[database d]\nhost=x\nhots=y\nhost=z\n",
         "7: unknown key \"hots\": did you mean host?\n8: host is said twice, first on line 6: keep one\n"},
        {TRUST "[users]\n[pgturnstile]\nbudget=3\n[users]\n[pgturnstile]\nbudget=4\n",
         "10: budget is said twice, first on line 7: keep one\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_told(cases[i].text, true, cases[i].told);
}

/* PgBouncer's limits: what the user says, else the database, else the settings. */
Test(config, limits_and_where_they_are_said)
{
    struct config *config = load("[databases]\n"
                                 "a = reserve_pool_size=1 max_db_connections=2 max_db_client_connections=3 query_wait_timeout=1.5\n"
                                 "b = max_db_connections=0\n"
                                 "[users]\n"
                                 "u = reserve_pool_size=4 max_user_connections=5 max_user_client_connections=6 query_timeout=7 "
                                 "query_wait_timeout=8 idle_transaction_timeout=9 transaction_timeout=10 client_idle_timeout=0\n"
                                 "v =\n"
                                 "[pgturnstile]\n"
                                 "auth_type = trust\n"
                                 "reserve_pool_size = 11\n"
                                 "reserve_pool_timeout = 0.5\n"
                                 "max_db_connections = 12\n"
                                 "max_db_client_connections = 13\n"
                                 "max_user_connections = 14\n"
                                 "max_user_client_connections = 15\n");
    const struct config_database *a = config_find_database(config, "a"), *b = config_find_database(config, "b");
    cr_expect_eq(config->settings.reserve_pool_timeout_us, 500000);
    cr_expect_eq(config_max_db_connections(config, a), 2);
    cr_expect_eq(config_max_db_connections(config, b), 0);
    cr_expect_eq(config_max_db_client_connections(config, a), 3);
    cr_expect_eq(config_max_db_client_connections(config, b), 13);
    cr_expect_eq(config_max_user_connections(config, "u"), 5);
    cr_expect_eq(config_max_user_connections(config, "v"), 14);
    cr_expect_eq(config_max_user_connections(config, "w"), 14);
    cr_expect_eq(config_max_user_client_connections(config, "u"), 6);
    cr_expect_eq(config_max_user_client_connections(config, "w"), 15);
    cr_expect_eq(config_reserve_pool_size(config, a, "u"), 4);
    cr_expect_eq(config_reserve_pool_size(config, a, "v"), 1);
    cr_expect_eq(config_reserve_pool_size(config, b, NULL), 11);
    cr_expect_eq(a->query_wait_timeout_us, 1500000);
    cr_expect_eq(b->query_wait_timeout_us, -1);

    const struct config_user *u = config_find_user(config, "u"), *v = config_find_user(config, "v");
    cr_expect_eq(u->query_timeout_us, 7000000);
    cr_expect_eq(u->query_wait_timeout_us, 8000000);
    cr_expect_eq(u->idle_transaction_timeout_us, 9000000);
    cr_expect_eq(u->transaction_timeout_us, 10000000);
    cr_expect_eq(u->client_idle_timeout_us, 0);
    cr_expect_eq(v->query_timeout_us, -1);
    cr_expect_eq(v->query_wait_timeout_us, -1);
    cr_expect_eq(v->idle_transaction_timeout_us, -1);
    cr_expect_eq(v->transaction_timeout_us, -1);
    cr_expect_eq(v->client_idle_timeout_us, -1);
    config_unref(&config);
}

/* ---- what things mean together ---- */

Test(config, settings_against_each_other)
{
    static const struct {
        const char *text, *told;
        bool is_refused;
    } cases[] = {
        {HEAD "",
         "0: auth_file is not set, so nobody can log in: set it to a file of lines \"user\" \"secret\" (or set auth_type = trust)\n", true},
        {HEAD "auth_type = md5\n",
         "4: auth_file is not set, so nobody can log in: set it to a file of lines \"user\" \"secret\" (or set auth_type = trust)\n", true},
        {TRUST "listen_addr =\n", "5: listen_addr and unix_socket_dir are both empty, so nobody can connect: set one of them\n", true},
        {TRUST "listen_addr =\nunix_socket_dir = /tmp\n", "", false},
        {TRUST "listen_addr = 127.0.0.1:6432, ::1\n",
         "5: listen_addr \"127.0.0.1:6432\" is no address: a port stands in listen_port, not behind it\n", true},
        {TRUST "listen_addr = ::1, fd00::1, localhost, *\n", "", false},
        {TRUST "http_listen = 9630\n",
         "5: http_listen \"9630\" is neither ADDRESS:PORT, such as 127.0.0.1:9630, nor the path of a Unix socket\n", true},
        {TRUST "http_listen = localhost:http\n",
         "5: http_listen \"localhost:http\" is neither ADDRESS:PORT, such as 127.0.0.1:9630, nor the path of a Unix socket\n", true},
        {TRUST "http_listen = 0.0.0.0:9630\n",
         "5: http_listen \"0.0.0.0:9630\" can be reached from other hosts, and whoever reaches it sees your queries: use 127.0.0.1, or say "
         "http_allow_remote = 1\n",
         true},
        {TRUST "http_listen = *:9630\nhttp_allow_remote = 1\n", "", false},
        {TRUST "http_listen = [::1]:9630\n", "", false},
        {TRUST "http_listen = 127.0.0.9:9630\n", "", false},
        {TRUST "logfile = /nonexistent/log\npidfile = /dev/null/pid\n",
         "5: warning: logfile cannot be made there: /nonexistent: No such file or directory\n"
         "6: pidfile cannot be made there: /dev/null is no directory\n",
         true},
        {TRUST "unix_socket_dir = "
               "/0123456789012345678901234567890123456789/0123456789012345678901234567890123456789/01234567890123456789\n",
         "5: unix_socket_dir makes a socket path of 117 bytes, and the system takes at most 107\n", true},
        {TRUST "default_pool_size = 5\nmin_pool_size = 6\n", "6: min_pool_size 6 is more than default_pool_size 5\n", true},
        {TRUST "min_pool_size = 86\n", "5: min_pool_size 86 is more than the whole budget of 85\n", true},
        {"[databases]\na = pool_size=3\n[pgturnstile]\nauth_type=trust\nmin_pool_size = 4\n",
         "2: database \"a\": min_pool_size 4 is more than its pool_size 3\n", true},
        {"[databases]\na = min_pool_size=3\n[pgturnstile]\nauth_type=trust\ndefault_pool_size = 2\n",
         "2: database \"a\": min_pool_size 3 is more than its pool_size 2\n", true},
        {"[databases]\na = min_pool_size=3\nb = min_pool_size=3\nc=\nd = min_pool_size=1\n[pgturnstile]\nauth_type=trust\nbudget = 5\n",
         "8: warning: the databases' min_pool_size add up to more than the budget of 5, so not all of them can be kept: lower them, or "
         "raise budget\n",
         false},
        {TRUST "stats_period = 0\n", "5: stats_period must be more than 0: to have no statistics in the log, set log_stats = 0\n", true},
        {"[pgturnstile]\nauth_type = trust\n",
         "0: warning: there is no database, so every client is refused: add one to [databases], or * for all of a server\n", false},
        {"",
         "0: auth_file is not set, so nobody can log in: set it to a file of lines \"user\" \"secret\" (or set auth_type = trust)\n"
         "0: warning: there is no database, so every client is refused: add one to [databases], or * for all of a server\n",
         true},
        {"[databases]\n*=\n[pgbouncer]\nauth_type=trust\n",
         "3: warning: pool_mode is not set: it is transaction here and session in PgBouncer; write which one is meant\n", false},
        {TRUST "auth_file = /nonexistent/users.txt\n", "users.txt:0: auth_file cannot be opened: No such file or directory\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) expect_told(cases[i].text, cases[i].is_refused, cases[i].told);
}

Test(config, secrets_that_others_can_read_are_warned_of)
{
    char text[512], expected[512];
    write_file(auth_path, "\"a\" \"b\"\n", 8);
    cr_assert_eq(chmod(auth_path, 0644), 0);
    snprintf(text, sizeof text, "[databases]\n*= password=x\n[pgturnstile]\nauth_file=%s\n", auth_path);
    write_file(path, text, strlen(text));
    cr_assert_eq(chmod(path, 0644), 0);
    struct config *config = load_file();
    cr_assert_not_null(config);
    snprintf(expected, sizeof expected,
             "2: warning: everybody on this machine can read this file, and it holds a password: chmod o-r it\n"
             "4: warning: everybody on this machine can read %s, and it holds secrets: chmod o-r it\n",
             auth_path);
    cr_assert_str_eq(told, expected);
    config_unref(&config);
}

/* They prove who a client is, and open nothing at PostgreSQL. */
Test(config, secrets_without_a_password_are_warned_of)
{
    static const char users[] =
        "\"a\" \"b\"\n\"bob\" \"md50123456789abcdef0123456789abcdef\"\n\"c\" \"md50123456789abcdef0123456789abcdef\"\n";
    static const char *const entries[] = {"", "password=x", "user=a"};
    char text[512], expected[512];
    write_file(auth_path, users, sizeof users - 1);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        snprintf(text, sizeof text, "[databases]\n* = host=h %s\n[pgturnstile]\nauth_file=%s\n", entries[i], auth_path);
        write_file(path, text, strlen(text));
        struct config *config = load_file();
        cr_assert_not_null(config);
        snprintf(
            expected, sizeof expected,
            "4: warning: %s has no plain password for \"bob\" and others: where PostgreSQL asks for one, write it there, or password = "
            "... into the entry of the database\n",
            auth_path);
        cr_assert_str_eq(told, i == 0 ? expected : "", "%s: %s", text, told);
        config_unref(&config);
    }
}

/* ---- life ---- */

Test(config, references)
{
    struct config *config = load(TRUST);
    struct config *second = config_ref(config);
    config_unref(&config);
    cr_assert_null(config);
    cr_assert_eq(second->settings.listen_port, 6432);
    config_unref(&second);
    config_unref(&second);
}

static void append_name(const char *name, void *context)
{
    strcat(context, name);
    strcat(context, " ");
}

Test(config, settings_that_a_reload_cannot_change)
{
    char names[256] = "";
    struct config *old = load(TRUST "listen_port = 1\nlogfile = /a\nbudget = 3\nlog_stats = 0\n");
    struct config *same = load(TRUST "listen_port = 1\nlogfile = /a\nbudget = 4\nlog_stats = 1\npool_mode=session\n");
    struct config *other = load(TRUST "listen_port = 2\nlogfile = /b\nunix_socket_mode = 0700\n");
    config_compare_fixed(old, same, append_name, names);
    cr_assert_str_eq(names, "");
    config_compare_fixed(old, other, append_name, names);
    cr_assert_str_eq(names, "listen_port unix_socket_mode logfile ");
    config_unref(&old);
    config_unref(&same);
    config_unref(&other);
}

Test(config, many_databases_are_found)
{
    enum { COUNT = 3000 };
    char name[32];
    FILE *file = fopen(path, "w");
    fprintf(file, "[databases]\n");
    for (int i = COUNT; i > 0; i--) fprintf(file, "db%d = dbname=real%d\n", i, i);
    fprintf(file, "* = host=h\n[pgturnstile]\nauth_type=trust\n");
    fclose(file);
    struct config *config = load_file();
    cr_assert_not_null(config, "%s", told);
    for (int i = 1; i <= COUNT; i += 11) {
        snprintf(name, sizeof name, "db%d", i);
        const struct config_database *database = config_find_database(config, name);
        cr_assert_str_eq(database->name, name);
        cr_assert_eq(atoi(database->dbname + strlen("real")), i);
    }
    cr_assert_str_eq(config_find_database(config, "db0")->name, "*");
    config_unref(&config);
}

/* Cut a good file after each byte, and replace each byte: never a crash, and always a configuration or a reason. */
Test(config, damaged_files)
{
    static const char good[] =
        "[databases]\n\"a \"\"b\" = host='x''y' port=1,2 password='p'\n* = timezone=UTC\n[database q]\noptions = '-c a=b'\n"
        "[users]\nu = pool_mode=session\n[pgturnstile]\nauth_type = trust\nlisten_port = 1\n";
    static const char odd[] = "\"'[]=%;\\ \n\xff";
    char text[sizeof good];
    for (size_t i = 0; i < sizeof good; i++) {
        struct config *config = load_bytes(good, i);
        cr_assert(config != NULL || *told != '\0');
        config_unref(&config);
    }
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (size_t j = 0; j < sizeof odd; j++) {
            memcpy(text, good, sizeof text);
            text[i] = odd[j];
            struct config *config = load_bytes(text, sizeof text - 1);
            cr_assert(config != NULL || *told != '\0');
            config_unref(&config);
        }
    }
}
