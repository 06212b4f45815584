"""asyncpg: binary extended protocol with Flush, its statement cache, cursors (suspended portals), COPY, cancel by timeout."""
import asyncio
import datetime
import decimal
import os
import random

import asyncpg

from crowd import CLIENTS, NAMED_CLIENTS, ROUNDS, equal

# asyncpg parses and binds in two round trips: without names, both must fall into one transaction.
NEVER_NAMED = {"statement_cache_size": 0}
# Fewer statements than each client uses, so that the driver keeps closing and preparing them anew.
FEW_NAMED = {"statement_cache_size": 2}
KINDS = {"asyncpg": (NEVER_NAMED, CLIENTS), "asyncpg-named": ({}, NAMED_CLIENTS), "asyncpg-few": (FEW_NAMED, NAMED_CLIENTS)}


async def check_values(connection):
    values = [7, 2**40, decimal.Decimal("1.50"), "Größe", b"\x00\xff", datetime.date(2024, 2, 29), [1, None, 3], None, True]
    row = await connection.fetchrow(
        "select $1::int4, $2::int8, $3::numeric, $4::text, $5::bytea, $6::date, $7::int4[], $8::text, $9::bool", *values)
    equal(list(row.values()), values, "values")
    equal(await connection.fetchval("select count(*) from generate_series(1, $1::int4)", 1000), 1000, "count")
    equal(await connection.execute("create temporary table t (a int) on commit drop; insert into t values (1), (2)"), "INSERT 0 2", "tag")
    await connection.executemany("insert into t values ($1)", [(n,) for n in range(500)])


async def check_transactions(connection):
    heard = []
    connection.add_log_listener(lambda _, message: heard.append(message.message))
    async with connection.transaction(isolation="serializable"):
        await check_values(connection)
        equal(await connection.fetchval("select speak($1)", "asyncpg"), "ASYNCPG", "answer of a function")
        try:
            async with connection.transaction():
                await connection.execute("insert into item (name) values ('asyncpg'), ('asyncpg')")
            raise AssertionError("a duplicate was accepted")
        except asyncpg.UniqueViolationError as error:
            equal(error.constraint_name, "item_name_key", "constraint in the error")
        equal(await connection.fetchval("select count(*) from item where name = 'asyncpg'"), 0, "rows after the inner rollback")
    await asyncio.sleep(0)
    equal(heard, ["heard: asyncpg"], "notices")


async def check_cursor(connection):
    async with connection.transaction():
        total = 0
        async for row in connection.cursor("select n from generate_series(1, $1::int4) as n", 1000, prefetch=70):
            total += row["n"]
        equal(total, 500500, "sum over a suspended portal")
        cursor = await connection.cursor("select n from generate_series(1, 100) as n")
        equal((await cursor.fetchrow())["n"], 1, "first row")
        await cursor.forward(50)
        equal([row["n"] for row in await cursor.fetch(2)], [52, 53], "rows after moving on")


async def check_copy(connection):
    async with connection.transaction():
        await connection.execute("create temporary table copied (n int, t text) on commit drop")
        records = [(n, f"text {n}") for n in range(5000)]
        equal(await connection.copy_records_to_table("copied", records=records), "COPY 5000", "tag of COPY")
        equal([tuple(row) for row in await connection.fetch("select n, t from copied order by n")], records, "rows copied in")
        with open("copied.csv", "wb") as out:
            await connection.copy_from_query("select n, t from copied order by n", output=out, format="csv")
        with open("copied.csv", encoding="utf8") as copied:
            equal(copied.read(), "".join(f"{n},{text}\n" for n, text in records), "rows copied out")
        await connection.copy_to_table("copied", source="copied.csv", format="csv")
        equal(await connection.fetchval("select count(*) from copied"), 10000, "rows after copying back")


async def check_timeout(connection):
    try:
        await connection.fetchval("select pg_sleep(20)", timeout=0.2)
        raise AssertionError("the query did not time out")
    except asyncio.TimeoutError:
        pass
    equal(await connection.fetchval("select 'alive'"), "alive", "answer after the cancel")


async def one_of_the_crowd(kind, number, options):
    connection = await asyncpg.connect(**options)
    for turn in range(ROUNDS):
        mine = (f"{kind}-{number}", f"{turn} {random.random()}")
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("insert into uncommitted values ($1, $2)", *mine)
        equal([tuple(row) for row in await connection.fetch("select owner, value from uncommitted")], [mine],
              "rows that nobody else may have")
        await transaction.rollback()
        async with connection.transaction():
            await connection.execute("insert into done values ($1, $2, $3)", kind, number, turn)
        if options is not NEVER_NAMED:
            # Both share most of their texts with others, which must not make them share a name.
            for variant in range(4):
                answer = await connection.fetchval(f"select $1::text || {(number + variant) % 5}", mine[1])
                equal(answer, f"{mine[1]}{(number + variant) % 5}", "answer outside of a transaction")
    await connection.close()


async def check_pool():
    async with asyncpg.create_pool(min_size=4, max_size=NAMED_CLIENTS) as pool:

        async def ask(number):
            async with pool.acquire() as connection:
                equal(await connection.fetchval("select $1::int4 + 1", number), number + 1, "answer through the pool")

        await asyncio.gather(*(ask(number) for number in range(100)))


async def check_settings():
    """A pool resets a connection when it comes back: UNLISTEN, RESET ALL, unlocking, closing of cursors."""
    async with asyncpg.create_pool(min_size=2, max_size=NAMED_CLIENTS, server_settings={"application_name": "pooled", "search_path": "public"}) as pool:

        async def one(number):
            for _ in range(ROUNDS):
                async with pool.acquire() as connection:
                    equal(await connection.fetchval("select current_setting('app.user_id', true)") or "", "", "setting of a client before")
                    await connection.execute(f"set app.user_id = '{number}'; set work_mem = '{number + 64}kB'")
                    await asyncio.sleep(0)
                    equal(await connection.fetchval("select current_setting('app.user_id')"), str(number), "setting of this client")
                    equal(await connection.fetchval("show work_mem"), f"{number + 64}kB", "another setting of this client")
                    equal(await connection.fetchval("show application_name"), "pooled", "application name")

        await asyncio.gather(*(one(number) for number in range(NAMED_CLIENTS)))


async def main():
    connection = await asyncpg.connect()
    await check_transactions(connection)
    await check_cursor(connection)
    await check_copy(connection)
    await check_timeout(connection)
    await connection.close()
    await check_pool()
    await check_settings()
    for kind, (options, clients) in KINDS.items():
        await asyncio.gather(*(one_of_the_crowd(kind, number, options) for number in range(clients)))
    connection = await asyncpg.connect()
    for kind, (_, clients) in KINDS.items():
        equal(await connection.fetchval("select count(*) from done where client_kind = $1", kind), clients * ROUNDS, f"rounds of {kind}")
    await connection.close()


# asyncpg reads PGHOST and its like itself, but would also look for a pgpass file in a home directory.
os.environ["PGPASSFILE"] = os.devnull
asyncio.run(main())
