"""psycopg 3: extended protocol, binary results, pipelines, COPY as text and binary, named statements, server cursors, cancel."""
import datetime
import decimal
import random
import threading
import uuid

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

import crowd
from crowd import equal

NEVER_NAMED = {"prepare_threshold": None}


def check_welcome():
    """What the driver is told at login must be what the server says later, in the server's own spelling."""
    with psycopg.connect("", client_encoding="utf8", application_name="psycopg3 client", **NEVER_NAMED) as connection:
        for name in ("server_version", "server_encoding", "client_encoding", "application_name", "DateStyle", "IntervalStyle", "TimeZone",
                     "integer_datetimes", "standard_conforming_strings"):
            equal(connection.info.parameter_status(name), connection.execute(f"show {name}").fetchone()[0], f"parameter {name}")
        equal(connection.info.parameter_status("client_encoding"), "UTF8", "client encoding")


def check_values(connection):
    values = (7, 2**40, decimal.Decimal("1.50"), "Größe \\ ' \"", b"\x00\xff\x01", datetime.date(2024, 2, 29),
              datetime.timedelta(days=1, seconds=3), uuid.UUID(int=5), [1, None, 3], None, True, 1e300)
    question = ("select %s::int4, %s::int8, %s::numeric, %s::text, %s::bytea, %s::date, %s::interval, %s::uuid, %s::int4[], %s::text, "
                "%s::bool, %s::float8")
    for is_binary in (False, True):
        row = connection.execute(question, values, binary=is_binary).fetchone()
        equal(row, values, f"values, binary {is_binary}")
    equal(connection.execute("select %s::jsonb", (Jsonb({"a": [1, {"b": None}]}),)).fetchone(), ({"a": [1, {"b": None}]},), "jsonb")
    connection.commit()


def check_transactions(connection):
    with connection.transaction() as outer:
        connection.execute("insert into item (name) values (%s)", ("psycopg3",))
        try:
            with connection.transaction():
                connection.execute("insert into item (name) values (%s)", ("psycopg3",))
            raise AssertionError("a duplicate was accepted")
        except errors.UniqueViolation:
            pass
        equal(connection.execute("select count(*) from item where name = 'psycopg3'").fetchone(), (1,), "rows after the inner rollback")
        raise psycopg.Rollback(outer)
    equal(connection.execute("select count(*) from item where name = 'psycopg3'").fetchone(), (0,), "rows after the outer rollback")
    connection.commit()
    heard = []
    connection.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    equal(connection.execute("select speak(%s)", ("psycopg3",)).fetchone(), ("PSYCOPG3",), "answer of a function")
    equal(heard, ["heard: psycopg3"], "notices")
    connection.commit()


def check_pipeline(connection):
    with connection.pipeline():
        cursors = [connection.execute("select %s::int4 * 2", (n,)) for n in range(500)]
        equal([cursor.fetchone()[0] for cursor in cursors], [n * 2 for n in range(500)], "answers of a pipeline")
    connection.commit()

    try:
        with connection.pipeline():
            connection.execute("insert into item (name) values ('pipelined')")
            connection.execute("select 1 / %s", (0,))
            connection.execute("insert into item (name) values ('never')")
        raise AssertionError("an error in the pipeline went unnoticed")
    except errors.DivisionByZero:
        connection.rollback()
    equal(connection.execute("select count(*) from item where name in ('pipelined', 'never')").fetchone(), (0,), "rows after the error")
    connection.commit()

    with connection.pipeline() as pipeline, connection.transaction():
        first = connection.execute("select 'before the sync'")
        pipeline.sync()
        second = connection.execute("select 'after the sync'")
        equal((first.fetchone(), second.fetchone()), (("before the sync",), ("after the sync",)), "answers around a sync")

    with connection.cursor() as cursor:
        cursor.executemany("insert into uncommitted values ('many', %s)", [(str(n),) for n in range(1000)])
        equal(cursor.rowcount, 1000, "rows of executemany")
    connection.rollback()


def check_copy(connection):
    rows = [(f"copied {n}", decimal.Decimal(n) / 4, [str(n)]) for n in range(3000)]
    with connection.cursor() as cursor:
        for kind in ("", "with (format binary)"):
            with cursor.copy(f"copy item (name, price, tags) from stdin {kind}") as copy:
                if kind:
                    copy.set_types(["text", "numeric", "text[]"])
                for row in rows:
                    copy.write_row(row)
            equal(cursor.rowcount, 3000, "rows copied in")
            with cursor.copy(f"copy (select name, price, tags from item where name like 'copied %' order by id) to stdout {kind}") as copy:
                copy.set_types(["text", "numeric", "text[]"])
                equal(list(copy.rows()), rows, f"rows copied out {kind}")
            connection.rollback()
        try:
            with cursor.copy("copy item (name) from stdin") as copy:
                copy.write("half a row")
                raise RuntimeError("the client gives up")
        except (RuntimeError, errors.QueryCanceled):
            connection.rollback()
        equal(cursor.execute("select 'alive'").fetchone(), ("alive",), "answer after an abandoned COPY")
    connection.commit()


def check_server_cursor(connection):
    with connection.transaction(), connection.cursor(name="walk", scrollable=True) as cursor:
        cursor.execute("select n from generate_series(1, %s) as n", (1000,))
        equal(sum(row[0] for row in cursor), 500500, "sum over a cursor held on the server")
        cursor.scroll(0, mode="absolute")
        equal(cursor.fetchmany(3), [(1,), (2,), (3,)], "rows after scrolling back")
    equal(sum(row[0] for row in connection.cursor().stream("select n from generate_series(1, 500) as n")), 125250, "sum of a streamed answer")
    connection.commit()


def check_cancel():
    with psycopg.connect("", autocommit=True, **NEVER_NAMED) as connection:
        timer = threading.Timer(0.2, connection.cancel)
        timer.start()
        try:
            connection.execute("select pg_sleep(20)")
            raise AssertionError("the query was not cancelled")
        except errors.QueryCanceled:
            timer.join()
        equal(connection.execute("select 'alive'").fetchone(), ("alive",), "answer after the cancel")


def one_of_the_crowd(kind, options):
    def work(number):
        with psycopg.connect("", **options) as connection:
            for turn in range(crowd.ROUNDS):
                mine = (f"{kind}-{number}", f"{turn} {random.random()}")
                connection.execute("insert into uncommitted values (%s, %s)", mine)
                equal(connection.execute("select owner, value from uncommitted").fetchall(), [mine], "rows that nobody else may have")
                connection.rollback()
                connection.execute("insert into done values (%s, %s, %s)", (kind, number, turn))
                connection.commit()
                with connection.pipeline():
                    cursors = [connection.execute("select %s::text, %s::int4", (mine[1], n)) for n in range(20)]
                    equal([cursor.fetchone() for cursor in cursors], [(mine[1], n) for n in range(20)], "answers of a pipeline")
                connection.commit()

    return work


def one_with_named_statements(number):
    with psycopg.connect("", prepare_threshold=0) as connection:
        for turn in range(crowd.ROUNDS):
            for variant in range(4):
                row = connection.execute(f"select %s::int4 + {variant}, %s::text", (number * 100 + turn, f"{number}")).fetchone()
                equal(row, (number * 100 + turn + variant, f"{number}"), "answer of a named statement")
            connection.commit()


def main():
    with psycopg.connect("", **NEVER_NAMED) as connection:
        check_values(connection)
        check_transactions(connection)
        check_pipeline(connection)
        check_copy(connection)
        check_server_cursor(connection)
    check_welcome()
    check_cancel()
    crowd.run(crowd.CLIENTS, one_of_the_crowd("psycopg3", NEVER_NAMED))
    crowd.run(crowd.NAMED_CLIENTS, one_of_the_crowd("psycopg3-named", {"prepare_threshold": 2}))
    crowd.run(crowd.NAMED_CLIENTS, one_with_named_statements)
    with psycopg.connect("", **NEVER_NAMED) as connection:
        for kind, clients in (("psycopg3", crowd.CLIENTS), ("psycopg3-named", crowd.NAMED_CLIENTS)):
            equal(connection.execute("select count(*) from done where client_kind = %s", (kind,)).fetchone(), (clients * crowd.ROUNDS,),
                  f"rounds done by {kind}")


main()
