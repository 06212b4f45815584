"""The console through drivers: psycopg2 (simple protocol), psycopg 3 (extended), asyncpg (extended, binary results), and psql's \\watch."""
import asyncio
import datetime
import decimal
import os
import subprocess

import asyncpg
import psycopg
import psycopg2

HOST, PORT = os.environ["PGHOST"], int(os.environ["PGPORT"])
USER, PASSWORD = os.environ["CONSOLE_USER"], os.environ["CONSOLE_PASSWORD"]
SHOWS = ("pools stats stats_totals stats_averages totals clients servers sockets active_sockets databases lists config users peers "
         "peer_pools mem dns_hosts dns_zones version state leases waiting pins errors").split()


def check(condition, text):
    if not condition:
        raise SystemExit(text)


def expect_denied(run, errors):
    try:
        run()
    except errors:
        return
    raise SystemExit("a stats user may look only, and did more")


def with_psycopg2():
    connection = psycopg2.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, dbname="pgbouncer")
    with connection.cursor() as cursor:  # not autocommit: the driver says BEGIN
        cursor.execute("show version")
        check(cursor.fetchall()[0][0].startswith("PgBouncer"), "version")
    connection.commit()
    connection.set_session(autocommit=True)
    with connection.cursor() as cursor:
        for show in SHOWS:
            cursor.execute("SHOW " + show)
            cursor.fetchall()
        cursor.execute("SHOW CLIENTS")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        check(any(row["user"] == USER and isinstance(row["connect_time"], datetime.datetime) for row in rows), "clients")
        expect_denied(lambda: cursor.execute("PAUSE"), psycopg2.errors.InsufficientPrivilege)
        expect_denied(lambda: cursor.execute("SHOW FDS"), psycopg2.errors.InsufficientPrivilege)
    connection.close()


def with_psycopg3():
    with psycopg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, dbname="pgturnstile", autocommit=True) as connection:
        for show in SHOWS:
            for binary in (False, True):
                connection.execute("show " + show, binary=binary).fetchall()
                connection.execute("show " + show, prepare=True, binary=binary).fetchall()
        totals = dict(connection.execute("show totals", binary=True).fetchall())
        check(isinstance(totals["total_xact_count"], decimal.Decimal), "totals")
        expect_denied(lambda: connection.execute("reload"), psycopg.errors.InsufficientPrivilege)


async def with_asyncpg():
    connection = await asyncpg.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database="pgturnstile", ssl=False)
    for show in SHOWS:
        for _ in range(2):
            await connection.fetch("show " + show)
    statement = await connection.prepare("show clients")
    mine = [row for row in await statement.fetch() if row["user"] == USER]
    check(mine and isinstance(mine[0]["connect_time"], datetime.datetime) and isinstance(mine[0]["id"], int), "clients")
    try:
        await connection.execute("kill")
        raise SystemExit("a stats user may look only, and did more")
    except asyncpg.InsufficientPrivilegeError:
        pass
    await connection.close()


def with_psql():
    environment = dict(os.environ, PGUSER=USER, PGPASSWORD=PASSWORD, PGDATABASE="pgturnstile")
    script = "\\set ON_ERROR_STOP 1\nshow pools \\watch 0.2\n"
    try:
        output = subprocess.run(["psql", "-X"], input=script, env=environment, capture_output=True, text=True, timeout=2, check=False).stdout
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout.decode()
    check(output.count("cl_active") >= 2, "psql's \\watch: " + output)
    tables = subprocess.run(["psql", "-X", "-c", "\\d", "-c", "show version"], env=environment, capture_output=True, text=True, timeout=10,
                            check=False)
    check("console of pgturnstile" in tables.stderr or "no SQL here" in tables.stderr, tables.stderr)
    check("PgBouncer" in tables.stdout, "psql goes on after \\d")


with_psycopg2()
with_psycopg3()
asyncio.run(with_asyncpg())
with_psql()
