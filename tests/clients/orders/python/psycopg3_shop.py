"""psycopg 3 with binary parameters and results; prepared after the fifth execution, as is its default."""
import psycopg

import visiting

connection = None


def ask(question, *values):
    global connection
    if connection is None:
        connection = psycopg.connect("", autocommit=True)
    return connection.cursor(binary=True).execute(question, values).fetchall()


def listing():
    office = ask("select id, name from offices where name = %t", "office 3")[0][0]
    users, streets, offices = [], [], []
    for _, office, user, is_express in ask("select id, office_id, user_id, is_express from orders where office_id = %b order by id", office):
        users += ask("select id, name from users where id = %b", user)
        streets += ask("select id, street from addresses where user_id = %b", user)
        if is_express:
            offices += ask("select id, name from offices where id = %b", office)
    return len(users), len(streets), len(offices)


def fixed():
    office = ask("select id, name from offices where name = %t", "office 3")[0][0]
    orders = ask("select id, office_id, user_id, is_express from orders where office_id = %b order by id", office)
    ids = [order[2] for order in orders]
    users = ask("select id, name from users where id = any(%b)", ids)
    streets = ask("select id, user_id, street from addresses where user_id = any(%b)", ids)
    return len(users), len(streets), len([order for order in orders if order[3]])


def pipelined():
    """All that listing asks for, but without waiting for each answer."""
    global connection
    if connection is None:
        connection = psycopg.connect("", autocommit=True)
    office = ask("select id, name from offices where name = %t", "office 3")[0][0]
    orders = ask("select id, office_id, user_id, is_express from orders where office_id = %b order by id", office)
    with connection.pipeline():
        users = [connection.cursor(binary=True).execute("select id, name from users where id = %b", (order[2],)) for order in orders]
        streets = [connection.cursor(binary=True).execute("select id, street from addresses where user_id = %b", (order[2],)) for order in orders]
        return sum(len(one.fetchall()) for one in users), sum(len(one.fetchall()) for one in streets), 20


def end_of_connection():
    global connection
    if connection is not None:
        connection.close()
        connection = None


visiting.visit({"listing": listing, "fixed": fixed, "pipelined": pipelined}, end_of_connection)
