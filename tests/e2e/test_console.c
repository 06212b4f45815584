/*
 * The console: who gets in, what SHOW says, and in which columns. The commands are in test_console_commands.c.
 */
#include "tests/e2e/support/files.h"
#include "tests/e2e/support/process.h"
#include "tests/e2e/support/proxy.h"
#include "tests/e2e/support/run_directory.h"
#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/stage.h"
#include "tests/e2e/support/turns.h"
#include "tests/e2e/support/wait.h"
#include "tests/e2e/support/wire.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

const struct postgres_options e2e_postgres_options = {0};

TestSuite(console, .timeout = 300);

static const char roles[] = "admin_users = boss\nstats_users = looker, other\n";

static PGconn *console(const struct proxy *proxy, const char *user)
{
    return sql_connect("%s dbname=pgturnstile user=%s", proxy_conninfo(proxy, ""), user);
}

/* ---- columns ---- */

#define PEER                                                                                                                       \
    "type:s,user:s,database:s,replication:s,state:s,addr:s,port:i,local_addr:s,local_port:i,connect_time:T,request_time:T,wait:i," \
    "wait_us:i,close_needed:i,ptr:s,link:s,remote_pid:i,tls:s,application_name:s,prepared_statements:i,id:i"
#define SOCKET PEER ",recv_pos:i,pkt_pos:i,pkt_remain:i,send_pos:i,send_remain:i,pkt_avail:i,send_avail:i"

/* PgBouncer's, in its order: s text, i int4, q int8, N numeric, T timestamptz, b bytea. Ours may follow. */
static const struct {
    const char *show, *columns;
} expected[] = {
    {"POOLS", "database:s,user:s,cl_active:i,cl_waiting:i,cl_active_cancel_req:i,cl_waiting_cancel_req:i,sv_active:i,sv_active_cancel:i,"
              "sv_being_canceled:i,sv_idle:i,sv_used:i,sv_tested:i,sv_login:i,maxwait:i,maxwait_us:i,pool_mode:s,load_balance_hosts:s"},
    {"STATS",
     "database:s,total_server_assignment_count:N,total_xact_count:N,total_query_count:N,total_received:N,total_sent:N,total_xact_time:N,"
     "total_query_time:N,total_wait_time:N,total_client_parse_count:N,total_server_parse_count:N,total_bind_count:N,"
     "total_client_login_count:N,avg_server_assignment_count:N,avg_xact_count:N,avg_query_count:N,avg_recv:N,avg_sent:N,avg_xact_time:N,"
     "avg_query_time:N,avg_wait_time:N,avg_client_parse_count:N,avg_server_parse_count:N,avg_bind_count:N,avg_client_login_count:N"},
    {"STATS_TOTALS",
     "database:s,server_assignment_count:N,xact_count:N,query_count:N,bytes_received:N,bytes_sent:N,xact_time:N,query_time:N,wait_time:N,"
     "client_parse_count:N,server_parse_count:N,bind_count:N,client_login_count:N"},
    {"STATS_AVERAGES",
     "database:s,server_assignment_count:N,xact_count:N,query_count:N,bytes_received:N,bytes_sent:N,xact_time:N,query_time:N,wait_time:N,"
     "avg_client_parse_count:N,avg_server_parse_count:N,avg_bind_count:N,avg_client_login_count:N"},
    {"TOTALS", "name:s,value:N"},
    {"CLIENTS", PEER},
    {"SERVERS", PEER},
    {"SOCKETS", SOCKET},
    {"ACTIVE_SOCKETS", SOCKET},
    {"DATABASES",
     "name:s,host:s,port:i,database:s,force_user:s,pool_size:i,min_pool_size:i,reserve_pool_size:i,server_lifetime:i,pool_mode:s,"
     "load_balance_hosts:s,max_connections:i,current_connections:i,max_client_connections:i,current_client_connections:i,paused:i,"
     "disabled:i"},
    {"LISTS", "list:s,items:i"},
    {"CONFIG", "key:s,value:s,default:s,changeable:s"},
    {"USERS",
     "name:s,pool_size:i,reserve_pool_size:i,pool_mode:s,max_user_connections:i,current_connections:i,max_user_client_connections:i,"
     "current_client_connections:i"},
    {"PEERS", "peer_id:i,host:s,port:i,pool_size:i"},
    {"PEER_POOLS", "peer_id:i,cl_active_cancel_req:i,cl_waiting_cancel_req:i,sv_active_cancel:i,sv_login:i"},
    {"FDS", "fd:i,task:s,user:s,database:s,addr:s,port:i,cancel:q,link:i,client_encoding:s,std_strings:s,datestyle:s,timezone:s,password:s,"
            "scram_client_key:b,scram_server_key:b"},
    {"MEM", "name:s,size:i,used:i,free:i,memtotal:i"},
    {"DNS_HOSTS", "hostname:s,ttl:q,addrs:s"},
    {"DNS_ZONES", "zonename:s,serial:q,count:i"},
    {"VERSION", "version:s"},
    {"STATE", "key:s,value:s"},
};
enum { EXPECTED = sizeof expected / sizeof expected[0] };
static const char *const ours[] = {"LEASES", "WAITING", "PINS", "ERRORS"};

static char letter_of(Oid type)
{
    switch (type) {
    case 25: return 's';
    case 23: return 'i';
    case 20: return 'q';
    case 1700: return 'N';
    case 1184: return 'T';
    case 17: return 'b';
    default: return '?';
    }
}

static void expect_columns(const PGresult *result, const char *show, const char *columns)
{
    char *words = strdup(columns), *rest = words;
    int i = 0;
    for (char *word; (word = strsep(&rest, ",")); i++) {
        char actual[128] = "(none)";
        if (i < PQnfields(result)) snprintf(actual, sizeof actual, "%s:%c", PQfname(result, i), letter_of(PQftype(result, i)));
        cr_expect_str_eq(actual, word, "SHOW %s, column %d: %s instead of %s", show, i + 1, actual, word);
    }
    free(words);
}

/* Simple, extended as text, extended as binary: the same columns, as many rows, and a type for each. */
Test(console, show_has_pgbouncers_columns)
{
    struct proxy *proxy = proxy_start("%s", roles);
    struct wire *busy = wire_session(proxy->port), *waiting[6];
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    for (int i = 0; i < 6; i++) {
        waiting[i] = wire_session(proxy->port);
        wire_send_query(waiting[i], "begin; select 1");
    }
    PGconn *boss = console(proxy, "boss");
    for (int i = 0; i < EXPECTED + 4; i++) {
        const char *show = i < EXPECTED ? expected[i].show : ours[i - EXPECTED];
        char text[64];
        snprintf(text, sizeof text, "SHOW %s", show);
        PGresult *simple = PQexec(boss, text), *described;
        cr_assert_eq(PQresultStatus(simple), PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(boss));
        if (i < EXPECTED) expect_columns(simple, show, expected[i].columns);
        for (int binary = 0; binary < 2; binary++) {
            PGresult *result = PQexecParams(boss, text, 0, NULL, NULL, NULL, NULL, binary);
            cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s: %s", text, PQerrorMessage(boss));
            cr_expect_eq(PQnfields(result), PQnfields(simple));
            for (int column = 0; column < PQnfields(result); column++) {
                cr_expect_eq(PQfformat(result, column), binary);
                cr_expect_neq(letter_of(PQftype(result, column)), '?', "%s.%s", show, PQfname(result, column));
            }
            PQclear(result);
        }
        PQclear(PQprepare(boss, show, text, 0, NULL));
        described = PQdescribePrepared(boss, show);
        cr_expect_eq(PQnparams(described), 0);
        cr_expect_eq(PQnfields(described), PQnfields(simple), "%s: %s", text, PQerrorMessage(boss));
        PQclear(described);
        PQclear(simple);
    }
    PQfinish(boss);
    for (int i = 0; i < 6; i++) wire_close(&waiting[i]);
    wire_close(&busy);
    proxy_finish(&proxy);
}

static int64_t big_endian(const char *data, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++) number = number << 8 | (unsigned char)data[i];
    return (int64_t)number;
}

/* int4, int8, numeric and timestamptz in their binary forms are what PostgreSQL itself makes of the text. */
Test(console, binary_results)
{
    struct proxy *proxy = proxy_start("%s", roles);
    struct wire *app = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(app, "select 1"), "1");
    PGconn *boss = console(proxy, "boss");
    PGresult *text = PQexec(boss, "show clients"), *binary = PQexecParams(boss, "show clients", 0, NULL, NULL, NULL, NULL, 1);
    int port = PQfnumber(text, "port"), time = PQfnumber(text, "connect_time");
    cr_assert_eq(big_endian(PQgetvalue(binary, 0, port), 4), atoi(PQgetvalue(text, 0, port)));
    int64_t us = big_endian(PQgetvalue(binary, 0, time), 8);
    const char *stamp =
        sql_value(sql_direct(), "select to_char(timestamptz '2000-01-01 00:00:00+00' + interval '1 us' * %lld, 'YYYY-MM-DD HH24:MI:SS')",
                  (long long)us);
    cr_assert_eq(strncmp(stamp, PQgetvalue(text, 0, time), 19), 0, "%s, %s", stamp, PQgetvalue(text, 0, time));
    PQclear(text);
    PQclear(binary);
    text = PQexec(boss, "show stats_totals");
    binary = PQexecParams(boss, "show stats_totals", 0, NULL, NULL, NULL, NULL, 1);
    int sent = PQfnumber(text, "bytes_sent");
    const unsigned char *numeric = (const unsigned char *)PQgetvalue(binary, 0, sent);
    long long value = 0;
    for (int64_t i = 0, digits = big_endian((const char *)numeric, 2); i < digits; i++)
        value = value * 10000 + big_endian((const char *)numeric + 8 + 2 * i, 2);
    cr_assert_eq(big_endian((const char *)numeric + 2, 2) + 1, big_endian((const char *)numeric, 2));
    cr_assert_eq(value, atoll(PQgetvalue(text, 0, sent)));
    PQclear(text);
    PQclear(binary);
    PQfinish(boss);
    wire_close(&app);
    proxy_finish(&proxy);
}

/* ---- the protocol ---- */

Test(console, simple_protocol)
{
    struct proxy *proxy = proxy_start("%s", roles);
    struct wire *wire = wire_connect(proxy->port);
    wire_login(wire, "boss", "pgbouncer", NULL);
    cr_assert_str_eq(wire_parameter(wire, "server_version"), "1.25.2/bouncer");
    stage_query(wire, "show version", "T D:PgBouncer_1.25.2|pgturnstile_0.1.0 C:SHOW Z:I");
    stage_query(wire, "select version; /* two */ show state;", "T D C:SHOW T D D D C:SHOW Z:I");
    stage_query(wire, "", "I Z:I");
    stage_query(wire, " ; -- nothing\n", "I Z:I");
    stage_query(wire, "show version; show nonsense; show version", "T D C:SHOW E:42601 Z:I");
    stage_query(wire, "set listen_port = 1; show version", "E:55P02 Z:I");
    stage_query(wire, "show client_encoding", "T D:UTF8 C:SHOW Z:I");
    stage_query(wire, "show datestyle; show timezone; show standard_conforming_strings; show default_transaction_isolation",
                "T D:ISO C:SHOW T D:UTC C:SHOW T D:on C:SHOW T D:read_committed C:SHOW Z:I");
    stage_query(wire, "set client_encoding to 'UTF8'; set datestyle = ISO", "C:SET C:SET Z:I");
    stage_query(wire, "begin", "C:BEGIN Z:I");
    stage_query(wire, "select 1", "T D:1 C:SHOW Z:I");
    stage_query(wire, "commit", "C:COMMIT Z:I");
    stage_query(wire, "show help", "N C:SHOW Z:I");
    stage_query(wire, "select c.relname from pg_catalog.pg_class c where c.relname ~ '^(x)$'", "E:42601 Z:I");
    stage_query(wire, "drop table x", "E:42601 Z:I");
    frontend_write_function_call(&wire->out, 1, NULL, NULL, 0);
    wire_flush(wire);
    wire_expect(wire, "E:0A000 Z:I");
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(console, extended_protocol)
{
    struct proxy *proxy = proxy_start("%s", roles);
    struct wire *wire = wire_connect(proxy->port);
    wire_login(wire, "boss", "pgturnstile", NULL);
    stage_parse(wire, "a", "show state");
    frontend_write_describe(&wire->out, 'S', "a");
    stage_run(wire, "a", NULL);
    stage_sync(wire, "1 t T 2 D D D C:SHOW Z:I");
    /* A row limit, and the rest. */
    frontend_write_bind(&wire->out, "p", "a", NULL, 0);
    frontend_write_describe(&wire->out, 'P', "p");
    frontend_write_execute(&wire->out, "p", 2);
    frontend_write_execute(&wire->out, "p", 2);
    stage_sync(wire, "2 T D D s D C:SHOW Z:I");
    /* The portal ended with its transaction. */
    frontend_write_execute(&wire->out, "p", 0);
    stage_parse(wire, "", "show version");
    stage_sync(wire, "E:34000 Z:I");
    /* Errors skip to Sync. */
    stage_parse(wire, "b", "show nonsense");
    stage_run(wire, "b", NULL);
    stage_sync(wire, "E:42601 Z:I");
    stage_run(wire, "b", NULL);
    stage_sync(wire, "E:26000 Z:I");
    stage_parse(wire, "a", "show version");
    stage_sync(wire, "E:42P05 Z:I");
    stage_parse(wire, "", "show version; show version");
    stage_sync(wire, "E:42601 Z:I");
    stage_run(wire, "a", "a parameter");
    stage_sync(wire, "E:08P01 Z:I");
    stage_close(wire, "a");
    stage_run(wire, "a", NULL);
    stage_sync(wire, "3 E:26000 Z:I");
    /* A command without rows, an empty one, and what needs no describing. */
    stage_parse(wire, "", "reload");
    frontend_write_describe(&wire->out, 'S', "");
    stage_run(wire, "", NULL);
    stage_parse(wire, "", "");
    stage_run(wire, "", NULL);
    stage_sync(wire, "1 t n 2 C:RELOAD 1 2 I Z:I");
    /* Bounded. */
    for (int i = 0; i < 101; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        stage_parse(wire, name, "show version");
    }
    stage_sync(wire, "1* E:54000 Z:I");
    /* Any two pieces make one message. */
    frontend_write_query(&wire->out, "show version");
    for (size_t i = 0; i < wire->out.size; i++) {
        wire_send(wire, wire->out.data + i, 1);
        nap();
    }
    wire->out.size = 0;
    wire_expect(wire, "T D C:SHOW Z:I");
    wire_close(&wire);
    proxy_finish(&proxy);
}

Test(console, nonsense_ends_the_connection)
{
    struct proxy *proxy = proxy_start("%s", roles);
    static const uint8_t unknown[] = {'!', 0, 0, 0, 4}, huge[] = {'Q', 0x7f, 0xff, 0xff, 0xff}, tiny[] = {'Q', 0, 0, 0, 1};
    const struct {
        const uint8_t *data;
        size_t size;
    } messages[] = {{unknown, sizeof unknown}, {huge, sizeof huge}, {tiny, sizeof tiny}};
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct wire *wire = wire_connect(proxy->port);
        wire_login(wire, "boss", "pgturnstile", NULL);
        wire_send(wire, messages[i].data, messages[i].size);
        wire_expect(wire, "E:08P01 -");
        wire_close(&wire);
    }
    wire_settle(proxy->port);
    proxy_finish(&proxy);
}

/* ---- who gets in ---- */

Test(console, users_need_their_password)
{
    struct proxy *proxy =
        proxy_start_with(&(struct proxy_options){.settings = "auth_type = scram-sha-256\nadmin_users = boss\nstats_users = looker\n",
                                                 .auth_file = "\"boss\" \"b\"\n\"looker\" \"l\"\n\"app\" \"a\"\n"});
    PGconn *boss = sql_connect("%s dbname=pgturnstile user=boss password=b", proxy_conninfo(proxy, ""));
    cr_assert_str_eq(sql_value(boss, "show version"), "PgBouncer 1.25.2");
    PQfinish(boss);
    cr_assert(strstr(sql_refused("%s dbname=pgbouncer user=boss password=x", proxy_conninfo(proxy, "")), "password authentication failed"));
    cr_assert(
        strstr(sql_refused("%s dbname=pgbouncer user=nobody password=x", proxy_conninfo(proxy, "")), "password authentication failed"));
    cr_assert(
        strstr(sql_refused("%s dbname=pgbouncer user=app password=a", proxy_conninfo(proxy, "")), "permission denied for the console"));
    /* Names are compared to the letter. */
    cr_assert(strstr(sql_refused("%s dbname=pgbouncer user=Boss password=b", proxy_conninfo(proxy, "")), "password authentication failed"));
    proxy_finish(&proxy);
}

static struct proxy *proxy_with_admin_socket(const char *settings, const char *auth_file, char **directory_out)
{
    char *directory = run_directory_short();
    cr_assert(mkdir(directory, 0755) == 0);
    process_hand_over(directory);
    char *all = text_format("admin_socket = %s\n%s", directory, settings);
    struct proxy *proxy = proxy_start_with(&(struct proxy_options){.settings = all, .auth_file = auth_file});
    proxy->options.settings = NULL;
    free(all);
    *directory_out = directory;
    return proxy;
}

/* We are root, or the user that the proxy runs as: no password either way. Whoever connects to the other socket shows one. */
Test(console, admin_socket)
{
    char *directory, *path;
    struct proxy *proxy = proxy_with_admin_socket("auth_type = scram-sha-256\nadmin_socket_mode = 0620\n", "\"app\" \"a\"\n", &directory);
    PGconn *anybody = sql_connect("host=%s port=%d user=anybody dbname=pgturnstile", directory, proxy->port);
    cr_assert_str_eq(sql_value(anybody, "show version"), "PgBouncer 1.25.2");
    sql_run(anybody, "show fds");
    sql_run(anybody, "reload");
    PQfinish(anybody);
    PGconn *unnamed = sql_connect("host=%s port=%d user=anybody", directory, proxy->port);
    cr_assert_str_eq(sql_value(unnamed, "show version"), "PgBouncer 1.25.2");
    PQfinish(unnamed);
    cr_assert(strstr(sql_refused("host=%s port=%d user=app password=a dbname=other", directory, proxy->port), "console only"));
    struct stat status;
    path = text_format("%s/.s.PGSQL.%d", directory, proxy->port);
    cr_assert(stat(path, &status) == 0 && S_ISSOCK(status.st_mode));
    cr_assert_eq(status.st_mode & 0777, 0620, "%o", status.st_mode);
    /* psql, as the proxy's own user. */
    char *port = text_format("%d", proxy->port);
    const char *argv[] = {"psql", "-X", "-h", directory, "-p", port, "-c", "show lists", "pgbouncer", NULL};
    int result = process_run(argv, &(struct process_options){.identity = PROCESS_UNPRIVILEGED, .output_path = proxy->log_path});
    cr_assert(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    proxy_finish(&proxy);
    cr_assert(stat(path, &status) != 0, "the socket file was left behind");
    free(port);
    free(path);
    free(directory);
}

/* PgBouncer's rule: over the Unix socket with its uid, its own name needs no password. */
Test(console, own_uid_over_the_unix_socket)
{
    struct proxy *proxy =
        proxy_start_with(&(struct proxy_options){.settings = "auth_type = scram-sha-256\n", .auth_file = "\"app\" \"a\"\n"});
    char *port = text_format("%d", proxy->port);
    static const struct {
        const char *user;
        bool is_ok;
    } tries[] = {{"pgbouncer", true}, {"pgturnstile", true}, {"app", false}};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        const char *argv[] = {"psql", "-X",          "-w", "-h",       proxy->directory, "-p", port,
                              "-U",   tries[i].user, "-c", "show fds", "pgbouncer",      NULL};
        int result = process_run(argv, &(struct process_options){.identity = PROCESS_UNPRIVILEGED, .output_path = proxy->log_path});
        cr_assert_eq(WIFEXITED(result) && WEXITSTATUS(result) == 0, tries[i].is_ok, "%s", tries[i].user);
    }
    uid_t uid;
    gid_t gid;
    /* Where the proxy is somebody else, we are not it. */
    if (process_unprivileged_user(&uid, &gid))
        sql_refused("host=%s port=%d user=pgbouncer dbname=pgbouncer password=x", proxy->directory, proxy->port);
    free(port);
    proxy_finish(&proxy);
}

Test(console, works_when_all_places_are_taken)
{
    char *directory;
    struct proxy *proxy = proxy_with_admin_socket("max_client_conn = 2\nadmin_users = boss\n", NULL, &directory);
    struct wire *one = wire_session(proxy->port), *two = wire_session(proxy->port), *three = wire_try_connect(proxy->port);
    cr_assert_not(wire_try_login(three, "app", "app"));
    PGconn *boss = console(proxy, "boss");
    cr_assert_str_eq(sql_value(boss, "show version"), "PgBouncer 1.25.2");
    PGconn *local = sql_connect("host=%s port=%d user=x dbname=pgturnstile", directory, proxy->port);
    cr_assert_str_eq(sql_value(local, "show version"), "PgBouncer 1.25.2");
    /* Those places are for names that may use them. */
    cr_assert(strstr(sql_refused("%s dbname=pgturnstile user=app", proxy_conninfo(proxy, "")), "too many clients"));
    wire_close(&three);
    wire_close(&two);
    struct wire *four = NULL;
    WAIT_FOR((wire_close(&four), four = wire_try_connect(proxy->port)) && wire_try_login(four, "app", "app"), LONG_MS);
    PQfinish(local);
    PQfinish(boss);
    wire_close(&four);
    wire_close(&one);
    proxy_finish(&proxy);
    free(directory);
}

/* More console sessions than have places of their own take those of clients, and the budget is not touched. */
Test(console, many_sessions)
{
    struct proxy *proxy = proxy_start("max_client_conn = 10\n%s", roles);
    PGconn *sessions[74];
    for (int i = 0; i < 74; i++) {
        sessions[i] = console(proxy, i % 2 ? "boss" : "looker");
        cr_assert_str_eq(sql_value(sessions[i], "show version"), "PgBouncer 1.25.2");
    }
    cr_assert(strstr(sql_refused("%s dbname=pgturnstile user=boss", proxy_conninfo(proxy, "")), "too many clients"));
    cr_assert_eq(backends_count(), 0);
    for (int i = 0; i < 74; i++) PQfinish(sessions[i]);
    struct wire *app = NULL;
    WAIT_FOR((wire_close(&app), app = wire_try_connect(proxy->port)) && wire_try_login(app, "app", "app"), LONG_MS);
    wire_close(&app);
    proxy_finish(&proxy);
}

Test(console, works_while_draining)
{
    char *directory;
    struct proxy *proxy = proxy_with_admin_socket("admin_users = boss\n", NULL, &directory);
    PGconn *boss = console(proxy, "boss");
    struct wire *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    kill(proxy->pid, SIGTERM);
    struct wire *late = NULL;
    WAIT_FOR((wire_close(&late), late = wire_try_connect(proxy->port)) == NULL || !wire_try_login(late, "app", "app"), LONG_MS);
    wire_close(&late);
    cr_assert_str_eq(sql_value(boss, "show version"), "PgBouncer 1.25.2");
    PGconn *local = sql_connect("host=%s port=%d user=x dbname=pgturnstile", directory, proxy->port);
    cr_assert_eq(sql_int(local, "show leases"), sql_int(local, "show leases"));
    cr_assert_str_eq(wire_query(busy, "select 'still here'"), "still here");
    wire_send_query(busy, "commit");
    wire_expect(busy, "C:COMMIT Z:I E:57P01 -");
    int status = 0;
    cr_assert(process_wait(proxy->pid, 10000, &status), "a console session holds up the end");
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
    proxy->pid = 0;
    PQfinish(local);
    PQfinish(boss);
    wire_close(&busy);
    proxy_finish(&proxy);
    free(directory);
}

/* An online restart: the admin socket goes over like the others, and the older's sessions go on. */
Test(console, admin_socket_over_a_restart)
{
    char *directory, *pid_file = run_directory_short(), *settings = text_format("pidfile = %s.pid\n", pid_file);
    struct proxy *proxy = proxy_with_admin_socket(settings, NULL, &directory);
    PGconn *before = sql_connect("host=%s port=%d user=x dbname=pgturnstile", directory, proxy->port);
    struct wire *busy = wire_session(proxy->port);
    cr_assert_str_eq(wire_query(busy, "begin; select 1"), "1");
    struct proxy *younger = proxy_take_over(proxy);
    cr_assert_str_eq(sql_value(before, "show version"), "PgBouncer 1.25.2");
    for (int i = 0; i < 5; i++) {
        PGconn *after = sql_connect("host=%s port=%d user=x dbname=pgturnstile", directory, younger->port);
        cr_assert_str_eq(sql_value(after, "show version"), "PgBouncer 1.25.2");
        PQfinish(after);
    }
    wire_close(&busy);
    int status = 0;
    cr_assert(process_wait(proxy->pid, 20000, &status), "the older one still runs");
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status 0x%x", status);
    proxy->pid = 0;
    PQfinish(before);
    proxy_finish(&younger);
    proxy_finish(&proxy);
    free(directory);
    free(settings);
    free(pid_file);
}

/* ---- what SHOW says ---- */

/* The value in a column of the first row whose column `key` is `value`; "" without one. */
static const char *cell(PGconn *connection, const char *show, const char *key, const char *value, const char *column)
{
    static char kept[8][256];
    static unsigned next;
    char *text = kept[next++ % 8];
    *text = '\0';
    char query[64];
    snprintf(query, sizeof query, "show %s", show);
    PGresult *result = PQexec(connection, query);
    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s: %s", query, PQerrorMessage(connection));
    int key_number = PQfnumber(result, key), number = PQfnumber(result, column);
    cr_assert(key_number >= 0 && number >= 0, "%s: %s or %s", query, key, column);
    for (int i = PQntuples(result) - 1; i >= 0; i--)
        if (strcmp(PQgetvalue(result, i, key_number), value) == 0) snprintf(text, 256, "%s", PQgetvalue(result, i, number));
    PQclear(result);
    return text;
}

static int number(PGconn *connection, const char *show, const char *key, const char *value, const char *column)
{
    return atoi(cell(connection, show, key, value, column));
}

Test(console, stats_count_what_passed)
{
    struct proxy *proxy = proxy_start("stats_period = 1\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    struct wire *app = wire_session(proxy->port);
    int64_t begun_us = now_us();
    for (int i = 0; i < 10; i++) cr_assert_str_eq(wire_query(app, "select 1"), "1");
    cr_assert_str_eq(wire_query(app, "begin"), "");
    cr_assert_str_eq(wire_query(app, "select 1 from pg_sleep(0.2)"), "1");
    cr_assert_str_eq(wire_query(app, "commit"), "");
    stage_parse(app, "s", "select 2");
    stage_run(app, "s", NULL);
    stage_sync(app, "1 2 D:2 C:SELECT_1 Z:I");
    stage_run(app, "s", NULL);
    stage_sync(app, "2 D:2 C:SELECT_1 Z:I");
    int64_t lasted_us = now_us() - begun_us;
    const char *const counts[][2] = {{"xact_count", "13"},        {"query_count", "15"}, {"client_parse_count", "1"},
                                     {"server_parse_count", "1"}, {"bind_count", "2"},   {"client_login_count", "1"}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        cr_expect_str_eq(cell(boss, "stats_totals", "database", "app", counts[i][0]), counts[i][1], "%s is %s", counts[i][0],
                         cell(boss, "stats_totals", "database", "app", counts[i][0]));
    cr_expect_geq(number(boss, "stats_totals", "database", "app", "server_assignment_count"), 13);
    int xact_time = number(boss, "stats", "database", "app", "total_xact_time"),
        query_time = number(boss, "stats", "database", "app", "total_query_time");
    cr_expect(xact_time >= 190000 && xact_time <= lasted_us, "%d of %lld", xact_time, (long long)lasted_us);
    cr_expect(query_time >= 190000 && query_time <= xact_time, "%d of %d", query_time, xact_time);
    cr_expect_gt(number(boss, "stats", "database", "app", "total_received"), 10 * 14);
    cr_expect_gt(number(boss, "stats", "database", "app", "total_sent"), number(boss, "stats", "database", "app", "total_received"));
    cr_expect_str_eq(cell(boss, "totals", "name", "total_xact_count", "value"), "13");
    /* The averages of a whole period. */
    int64_t deadline_ms = now_ms() + LONG_MS;
    while (number(boss, "stats", "database", "app", "avg_query_count") == 0) {
        cr_assert_str_eq(wire_query(app, "select 1"), "1");
        nap_or_fail(deadline_ms, "averages", __FILE__, __LINE__);
    }
    cr_expect_gt(number(boss, "stats_averages", "database", "app", "bytes_sent"), 0);
    /* They outlive their pool. */
    int total = number(boss, "stats", "database", "app", "total_xact_count");
    wire_close(&app);
    sql_run(boss, "reconnect");
    WAIT_FOR(number(boss, "lists", "list", "pools", "items") == 0, LONG_MS);
    cr_expect_eq(number(boss, "stats", "database", "app", "total_xact_count"), total);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console, leases_and_the_queue)
{
    struct proxy *proxy = proxy_start("budget = 2\n%s", roles);
    PGconn *boss = console(proxy, "boss");
    PGconn *holder = sql_connect("%s application_name=holder", proxy_conninfo(proxy, ""));
    PGconn *pinned = sql_connect("%s application_name=pinned", proxy_conninfo(proxy, ""));
    PGconn *first = sql_connect("%s application_name=first", proxy_conninfo(proxy, ""));
    PGconn *second = sql_connect("%s application_name=second", proxy_conninfo(proxy, ""));
    sql_run(holder, "begin");
    const char *pid = sql_value(holder, "select pg_backend_pid()");
    sql_run(pinned, "listen something");
    cr_assert_eq(PQsendQuery(first, "select 1"), 1);
    WAIT_FOR(number(boss, "pools", "database", "app", "cl_waiting") == 1, LONG_MS);
    cr_assert_eq(PQsendQuery(second, "select 2"), 1);
    WAIT_FOR(number(boss, "pools", "database", "app", "cl_waiting") == 2, LONG_MS);

    cr_expect_str_eq(cell(boss, "leases", "application_name", "holder", "pid"), pid);
    cr_expect_str_eq(cell(boss, "leases", "application_name", "holder", "state"), "idle in transaction");
    WAIT_FOR(strcmp(cell(boss, "leases", "application_name", "pinned", "state"), "idle") == 0, LONG_MS); /* it has been inquired about */
    cr_expect_str_eq(cell(boss, "leases", "application_name", "pinned", "pinned"), "LISTEN");
    cr_expect_str_eq(cell(boss, "pins", "reason", "LISTEN", "clients"), "1");
    cr_expect_str_eq(cell(boss, "pins", "reason", "LISTEN", "total"), "1");
    cr_expect_str_eq(cell(boss, "waiting", "application_name", "first", "position"), "1");
    cr_expect_str_eq(cell(boss, "waiting", "application_name", "second", "position"), "2");
    cr_expect_str_eq(cell(boss, "clients", "application_name", "second", "state"), "waiting");
    cr_expect_str_eq(cell(boss, "clients", "application_name", "holder", "state"), "active");
    cr_expect_str_eq(cell(boss, "clients", "application_name", "holder", "link"),
                     cell(boss, "servers", "application_name", "holder", "ptr"));
    cr_expect_str_eq(cell(boss, "servers", "application_name", "holder", "remote_pid"), pid);
    cr_expect_str_eq(cell(boss, "pools", "database", "app", "sv_active"), "2");
    cr_expect_str_eq(cell(boss, "pools", "database", "app", "cl_active"), "2");
    cr_expect_str_eq(cell(boss, "pools", "database", "app", "cl_pinned"), "1");
    cr_expect_str_eq(cell(boss, "databases", "name", "app", "current_connections"), "2");
    cr_expect_str_eq(cell(boss, "databases", "name", "app", "current_client_connections"), "4");
    WAIT_FOR(number(boss, "waiting", "application_name", "first", "waited_us") > 50000, LONG_MS);
    WAIT_FOR(number(boss, "pools", "database", "app", "maxwait_us") + 1000000 * number(boss, "pools", "database", "app", "maxwait") > 50000,
             10000);

    PQsendQuery(holder, "select pg_sleep(60)");
    WAIT_FOR(strcmp(cell(boss, "leases", "application_name", "holder", "state"), "running") == 0, LONG_MS);
    sql_run(boss, "kill_client %s", cell(boss, "clients", "application_name", "holder", "id"));
    PGresult *result = PQgetResult(first);
    cr_assert_str_eq(PQgetvalue(result, 0, 0), "1");
    PQclear(result);
    while ((result = PQgetResult(second))) PQclear(result);
    cr_expect_gt(number(boss, "stats", "database", "app", "total_wait_time"), 50000);
    PQfinish(second);
    PQfinish(first);
    PQfinish(pinned);
    PQfinish(holder);
    PQfinish(boss);
    proxy_finish(&proxy);
}

Test(console, errors_by_sqlstate)
{
    struct proxy *proxy = proxy_start("%s", roles);
    PGconn *boss = console(proxy, "boss"), *app = sql_connect("%s", proxy_conninfo(proxy, ""));
    for (int i = 0; i < 3; i++) cr_assert_str_eq(sql_error(app, "select 1/0"), "22012");
    sql_refused("%s dbname=pgturnstile user=app", proxy_conninfo(proxy, ""));
    cr_expect_str_eq(cell(boss, "errors", "sqlstate", "22012", "of_servers"), "3");
    cr_expect_str_eq(cell(boss, "errors", "sqlstate", "22012", "of_pgturnstile"), "0");
    cr_expect_str_eq(cell(boss, "errors", "sqlstate", "42501", "of_pgturnstile"), "1");
    /* As many as a server likes to make up. */
    for (int i = 0; i < 300; i++) {
        char code[6];
        snprintf(code, sizeof code, "Z%04d", i);
        cr_assert_str_eq(sql_error(app, "do $$ begin raise exception 'x' using errcode = '%s'; end $$", code), code);
    }
    cr_expect_geq(number(boss, "errors", "sqlstate", "other", "of_servers"), 40);
    PGresult *result = PQexec(boss, "show errors");
    cr_expect_leq(PQntuples(result), 256);
    PQclear(result);
    PQfinish(app);
    PQfinish(boss);
    proxy_finish(&proxy);
}

/* ---- many clients ---- */

enum { CROWD = 1200, OTHER_DESCRIPTORS = 200 };

/* The rows of clients that come, leave and stay, while another's queries go on; then a console that does not read its answers. */
Test(console, a_long_answer_holds_nobody_up)
{
    int possible = process_allow_descriptors() - OTHER_DESCRIPTORS, size = possible < CROWD ? possible : CROWD;
    struct proxy *proxy = proxy_start("max_client_conn = 3000\n%s", roles);
    struct wire **crowd = calloc((size_t)size, sizeof *crowd), *app = wire_session(proxy->port);
    for (int i = 0; i < size; i++) {
        crowd[i] = wire_try_connect(proxy->port);
        cr_assert(crowd[i] && wire_try_login(crowd[i], "app", "app"), "client %d", i);
    }
    PGconn *boss = console(proxy, "boss");
    PGresult *result = PQexec(boss, "show clients");
    cr_assert_eq(PQntuples(result), size + 2, "%d", PQntuples(result));
    PQclear(result);

    struct wire *deaf = wire_connect(proxy->port);
    wire_login(deaf, "looker", "pgturnstile", NULL);
    for (int i = 0; i < 50; i++) frontend_write_query(&deaf->out, "show sockets");
    wire_send(deaf, deaf->out.data, deaf->out.size);
    deaf->out.size = 0;
    long before_kib = proxy_rss_kib(proxy);
    for (int i = 0; i < 300; i++) {
        cr_assert_str_eq(wire_query(app, "select 1"), "1");
        if (i % 3 == 0 && i < size) wire_close(&crowd[i]); /* some of them are where the cursor is */
        if (i % 50 == 0) cr_assert_eq(PQsendQuery(boss, "show clients; show sockets; show waiting"), 1);
        if (i % 50 == 49)
            while ((result = PQgetResult(boss))) PQclear(result);
    }
    cr_assert_lt(proxy_rss_kib(proxy) - before_kib, 16 * 1024);
    /* The one that did not read gets all of it in the end. */
    for (int i = 0; i < 50; i++) wire_expect(deaf, "T D* C:SHOW Z:I");
    wire_close(&deaf);
    for (int i = 0; i < size; i++) wire_close(&crowd[i]);
    free(crowd);
    PQfinish(boss);
    wire_close(&app);
    proxy_finish(&proxy);
}
