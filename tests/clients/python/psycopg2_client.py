"""psycopg2 in transaction mode: simple protocol throughout, COPY, cursors held on the server, large objects, cancel."""
import io
import random

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras

import crowd
from crowd import equal


def check_transactions(connection):
    with connection, connection.cursor() as cursor:
        cursor.execute("insert into item (name, price, tags, note) values (%s, %s, %s, %s) returning id",
                       ("psycopg2 item", "12.50", ["a", "b'c"], psycopg2.extras.Json({"k": [1, None]})))
        equal(cursor.rowcount, 1, "rows inserted")
        cursor.execute("select price::text, tags, note from item where name = %s", ("psycopg2 item",))
        equal(cursor.fetchall(), [("12.50", ["a", "b'c"], {"k": [1, None]})], "row read back")
        cursor.execute("savepoint s")
        try:
            cursor.execute("insert into item (name) values ('psycopg2 item')")
            raise AssertionError("a duplicate was accepted")
        except psycopg2.errors.UniqueViolation as error:
            equal(error.diag.constraint_name, "item_name_key", "constraint in the error")
        cursor.execute("rollback to savepoint s")
        cursor.execute("delete from item where name = 'psycopg2 item'")
        equal(cursor.rowcount, 1, "rows deleted")

    with connection.cursor() as cursor:
        try:
            cursor.execute("select 1 / 0")
            raise AssertionError("divided by zero")
        except psycopg2.errors.DivisionByZero:
            equal(connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_INERROR, "status after an error")
        connection.rollback()
        cursor.execute("select speak('psycopg2')")
        equal(cursor.fetchone(), ("PSYCOPG2",), "answer of a function")
        connection.commit()
    if not any("heard: psycopg2" in notice for notice in connection.notices):
        raise AssertionError(f"the notice did not arrive: {connection.notices}")

    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    with connection, connection.cursor() as cursor:
        cursor.execute("show transaction_isolation")
        equal(cursor.fetchone(), ("serializable",), "isolation level")
        try:
            cursor.execute("insert into item (name) values ('no')")
            raise AssertionError("wrote in a read-only transaction")
        except psycopg2.errors.ReadOnlySqlTransaction:
            connection.rollback()
    connection.set_session(isolation_level="READ COMMITTED", readonly=False)


def check_server_cursor(connection):
    with connection, connection.cursor(name="walk", scrollable=True) as cursor:
        cursor.itersize = 100
        cursor.execute("select n, repeat('x', n %% 50) from generate_series(1, %s) as n", (2500,))
        total = 0
        for number, text in cursor:
            equal(len(text), number % 50, "text of a row")
            total += number
        equal(total, 2500 * 2501 // 2, "sum over a cursor held on the server")
        cursor.scroll(10, mode="absolute")
        equal(cursor.fetchone()[0], 11, "row after scrolling")


def check_copy(connection):
    lines = "".join(f"copied {n}\t{n}.25\n" for n in range(5000))
    with connection.cursor() as cursor:
        cursor.copy_expert("copy item (name, price) from stdin", io.StringIO(lines))
        equal(cursor.rowcount, 5000, "rows copied in")
        out = io.StringIO()
        cursor.copy_expert("copy (select name, price from item where name like 'copied %' order by id) to stdout", out)
        equal(out.getvalue(), lines, "rows copied out")
        try:
            cursor.copy_expert("copy item (name, price) from stdin", io.StringIO("a\tnot a price\n" * 10))
            raise AssertionError("COPY took nonsense")
        except psycopg2.errors.InvalidTextRepresentation:
            connection.rollback()
        cursor.execute("select count(*) from item where name like 'copied %'")
        equal(cursor.fetchone(), (0,), "rows after the rollback")
    connection.rollback()


def check_many_values(connection):
    with connection.cursor() as cursor:
        cursor.execute("create temporary table pairs (a integer, b text) on commit drop")
        pairs = [(n, f"value {n}") for n in range(3000)]
        psycopg2.extras.execute_values(cursor, "insert into pairs values %s", pairs, page_size=500)
        psycopg2.extras.execute_batch(cursor, "update pairs set b = b || %s where a = %s", [("!", n) for n in range(200)], page_size=50)
        cursor.execute("select a, b from pairs order by a")
        equal(cursor.fetchall(), [(n, text + "!" if n < 200 else text) for n, text in pairs], "rows of execute_values and execute_batch")
    connection.commit()


def check_large_object(connection):
    data = random.Random(1).randbytes(700_000)
    large = connection.lobject(0, "wb")
    large.write(data)
    large.close()
    large = connection.lobject(large.oid, "rb")
    equal(large.read(), data, "large object")
    large.seek(699_990)
    equal(large.read(), data[-10:], "end of the large object")
    large.unlink()
    connection.commit()


def check_autocommit_and_cancel(connection):
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select 1; select 2; select %s::text", ("three",))
        equal(cursor.fetchall(), [("three",)], "last of several statements")
        equal(connection.info.transaction_status, psycopg2.extensions.TRANSACTION_STATUS_IDLE, "status under autocommit")
        timer = crowd.threading.Timer(0.2, connection.cancel)
        timer.start()
        try:
            cursor.execute("select pg_sleep(20)")
            raise AssertionError("the query was not cancelled")
        except psycopg2.errors.QueryCanceled:
            timer.join()
        cursor.execute("select 'alive'")
        equal(cursor.fetchone(), ("alive",), "answer after the cancel")
        cursor.execute("vacuum item")
    connection.autocommit = False


def one_of_the_crowd(number):
    connection = psycopg2.connect("")
    try:
        for turn in range(crowd.ROUNDS):
            mine = (f"psycopg2-{number}", f"{turn} {random.random()}")
            with connection.cursor() as cursor:
                cursor.execute("insert into uncommitted values (%s, %s)", mine)
                cursor.execute("select owner, value from uncommitted")
                equal(cursor.fetchall(), [mine], "rows that nobody else may have")
                connection.rollback()
            with connection, connection.cursor() as cursor:
                cursor.execute("insert into done values ('psycopg2', %s, %s)", (number, turn))
    finally:
        connection.close()


def main():
    connection = psycopg2.connect("")
    check_transactions(connection)
    check_server_cursor(connection)
    check_copy(connection)
    check_many_values(connection)
    check_large_object(connection)
    check_autocommit_and_cancel(connection)
    crowd.run(crowd.CLIENTS, one_of_the_crowd)
    with connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from done where client_kind = 'psycopg2'")
        equal(cursor.fetchone(), (crowd.CLIENTS * crowd.ROUNDS,), "rounds done")
    connection.close()


main()
