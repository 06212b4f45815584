"""Traffic of which nothing may be told. Each kind has a route of its own; the last is one that has to be told."""
import threading
import time

import psycopg

CROWD = 50


def connect(route, **options):
    return psycopg.connect("", application_name=route, autocommit=True, **options)


def one_lookup_by_each_of_a_crowd():
    """In the same instant; the database `quiet` has two servers for all of them."""
    connections = [connect("quiet-crowd", dbname="quiet") for _ in range(CROWD)]
    gate = threading.Barrier(CROWD)
    rows = []

    def look_up(number):
        gate.wait()
        rows.append(connections[number].execute("select name from users where id = %s", (1000 + number,)).fetchone())

    threads = [threading.Thread(target=look_up, args=(number,)) for number in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(set(rows)) != CROWD:
        raise AssertionError(f"{len(set(rows))} answers")
    for connection in connections:
        connection.close()


def health_checks():
    with connect("quiet-health", prepare_threshold=None) as connection:
        for _ in range(40):
            connection.execute("select 1")
            time.sleep(0.05)


def requests_back_to_back():
    for number in range(20):
        with connect("quiet-kept-alive") as connection:
            for user in (number, number + 20):
                connection.execute("select name from users where id = %s", (1000 + user,)).fetchone()


def correct_batches():
    for route, question in (("quiet-any", "select * from users where id = any(%s)"), ("quiet-in", None)):
        with connect(route) as connection:
            for page in range(6):
                orders = connection.execute("select user_id from orders order by id offset %s limit 12", (12 * page,)).fetchall()
                ids = [row[0] for row in orders]
                in_list = "select * from users where id in (" + ", ".join(["%s"] * len(ids)) + ")"
                users = connection.execute(question or in_list, (ids,) if question else ids).fetchall()
                if len(users) != len(ids):
                    raise AssertionError(f"{len(users)} users of {len(ids)}")
                connection.execute("select 1")
                time.sleep(0.5)


def unique_names():
    with connect("quiet-savepoints") as connection, connection.transaction():
        for number in range(200):
            connection.execute(f'savepoint "s{number}_x"')
            connection.execute(f'release savepoint "s{number}_x"')
    for number in range(100):
        with connect("quiet-cursors") as connection, connection.transaction():
            connection.execute(f'declare "c_{number}" no scroll cursor for select id from orders')
            while connection.execute(f'fetch forward 10 from "c_{number}"').fetchall():
                pass
            connection.execute(f'close "c_{number}"')


def one_to_be_told():
    with connect("told") as connection:
        for _ in range(20):
            connection.execute("select name from offices where id = 3")


one_lookup_by_each_of_a_crowd()
health_checks()
requests_back_to_back()
correct_batches()
unique_names()
one_to_be_told()
