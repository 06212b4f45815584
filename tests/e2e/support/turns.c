/*
 * Deciding which server a transaction runs on by holding all the others. Not for pools that share their servers with other pools.
 * Invariant: at most one server is free at any time between turns_start and turns_end.
 */
#include "tests/e2e/support/turns.h"

#include "tests/e2e/support/sql.h"
#include "tests/e2e/support/wait.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool turns_is_reference(void)
{
    return getenv("PGTURNSTILE_E2E_REFERENCE") != NULL;
}

struct proxy *turns_proxy(const char *settings)
{
    return turns_is_reference() ? NULL : proxy_start("%s", settings);
}

int turns_port(const struct proxy *proxy)
{
    return proxy != NULL ? proxy->port : postgres_shared()->port;
}

/* A statement besides BEGIN, since a transaction that has only begun holds no server. */
static void hold(struct turns *turns, int i, char *pid)
{
    cr_assert_str_eq(wire_query(turns->holders[i], "begin"), "");
    snprintf(pid, sizeof turns->pids[i], "%s", wire_query(turns->holders[i], "select pg_backend_pid()"));
}

struct turns *turns_start(int port, const char *user, int count)
{
    struct turns *turns = calloc(1, sizeof *turns);
    cr_assert_leq(count, TURNS_MAX);
    turns->given = -1;
    if (turns_is_reference()) return turns;
    turns->count = count;
    for (int i = 0; i < count; i++) {
        turns->holders[i] = wire_connect(port);
        wire_login(turns->holders[i], user, "app", NULL);
        hold(turns, i, turns->pids[i]);
        cr_assert_neq(turns->pids[i][0], '!', "server %d: %s", i, turns->pids[i]);
    }
    return turns;
}

void turns_give(struct turns *turns, int i)
{
    turns_take(turns);
    if (i >= turns->count) return;
    cr_assert_str_eq(wire_query(turns->holders[i], "rollback"), "");
    turns->given = i;
}

void turns_take(struct turns *turns)
{
    char pid[sizeof turns->pids[0]];
    int i = turns->given;
    if (i < 0) return;
    turns->given = -1;
    hold(turns, i, pid);
    cr_assert_str_eq(pid, turns->pids[i], "the server that was given is gone");
}

int turns_find(const struct turns *turns, const char *pid)
{
    for (int i = 0; i < turns->count; i++)
        if (strcmp(turns->pids[i], pid) == 0) return i;
    cr_assert_eq(turns->count, 0, "no server has the process id %s", pid);
    return 0;
}

void turns_end(struct turns **turns)
{
    if (*turns == NULL) return;
    for (int i = 0; i < (*turns)->count; i++) {
        if (i != (*turns)->given) cr_assert_str_eq(wire_query((*turns)->holders[i], "rollback"), "");
        wire_close(&(*turns)->holders[i]);
    }
    free(*turns);
    *turns = NULL;
}

void turns_open(const char *settings, int count, struct proxy **proxy_out, int *port_out, struct turns **turns_out)
{
    char lines[1024];
    int size = snprintf(lines, sizeof lines, "budget = %d\n%s", count, settings);
    cr_assert_lt(size, (int)sizeof lines);
    *proxy_out = turns_proxy(lines);
    *port_out = turns_port(*proxy_out);
    *turns_out = turns_start(*port_out, "app", count);
}

void turns_close(struct turns **turns, struct proxy **proxy)
{
    if (turns != NULL) turns_end(turns);
    if (!turns_is_reference()) WAIT_FOR(backends_busy() == 0, LONG_MS);
    proxy_finish(proxy);
}
