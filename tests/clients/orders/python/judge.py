"""Holds the report against what a shop really did; waits for it, for a unit of work is reported when it has ended.

    judge.py listing|fixed|pipelined ROUTE EXTRA
    judge.py quiet PREFIX LAST: nothing on any route with this prefix, as soon as something is told of the route LAST

$REPORT is the command that prints the report as JSON."""
import json
import os
import shlex
import subprocess
import sys
import time

SECONDS = 15
VISITS = 5


class Unlike(Exception):
    pass


def demand(finding, **wanted):
    for name, value in wanted.items():
        got = finding[name]
        is_right = value(got) if callable(value) else got == value
        if not is_right:
            raise Unlike(f"{name} is {got!r} in {json.dumps(finding, indent=1)}")


def one(findings, verdict, *parts_of_shape):
    found = [f for f in findings if f["verdict"] == verdict and all(part in f["shape"] for part in parts_of_shape)]
    if len(found) != 1:
        raise Unlike(f"{len(found)} findings {verdict} with {parts_of_shape} in {json.dumps(findings, indent=1)}")
    return found[0]


def is_parent(link):
    """Of the orders' 77 rows, the column user_id."""
    def judge(parent):
        return parent is not None and "from orders" in parent["shape"] and parent["column"] == "user_id" and parent["table"] == "orders" \
            and parent["slot"] == "$1" and parent["rows"] == 77 and parent["cover"] == 1 and parent["inorder"] == 1 and parent["link"] == link
    return judge


def check_listing(findings, extra):
    def all_of_them(count):
        return 176 <= count <= 176 + extra
    users = one(findings, "n_plus_one", "from users", "id = ")
    addresses = one(findings, "n_plus_one", "from addresses", "user_id = ")
    offices = one(findings, "exact_duplicate", "from offices", "id = ")
    everywhere = {"units": lambda units: units >= VISITS, "unit_statements": all_of_them, "severity": "critical", "database": "app", "user": "app",
                  "trend": "new"}
    demand(users, n_p50=77, n_max=77, distinct=77, dup=0, round_trips=77, rows=1, confidence="proven", parent=is_parent("to_one"), **everywhere)
    demand(addresses, n_p50=77, n_max=77, distinct=77, dup=0, round_trips=77, rows=2, confidence="proven", parent=is_parent("to_many"), **everywhere)
    demand(offices, n_p50=20, n_max=20, distinct=1, dup=19, round_trips=20, rows=1, **everywhere)
    for finding in (users, addresses, offices):
        demand(finding, lost_ms=lambda lost: lost > 0, db_ms=lambda time: time > 0, wall_ms=lambda time: time > 0, suggestion=bool)
    if len(findings) != 3:
        raise Unlike(f"more than what is there: {json.dumps(findings, indent=1)}")


def check_fixed(findings, _):
    if len(findings) != 3:
        raise Unlike(f"more than what was there: {json.dumps(findings, indent=1)}")
    for finding in findings:
        demand(finding, trend="gone")


def check_pipelined(findings, _):
    for parts in (("from users", "id = "), ("from addresses", "user_id = ")):
        demand(one(findings, "batched", *parts), n_p50=77, distinct=77, severity="info", round_trips=lambda trips: trips <= 3,
               lost_ms_per_unit=lambda lost: lost < 50)
    if len(findings) != 2:
        raise Unlike(f"more than what is there: {json.dumps(findings, indent=1)}")


def read_report():
    report = json.loads(subprocess.run(shlex.split(os.environ["REPORT"]), check=True, stdout=subprocess.PIPE).stdout)
    if report["version"] != 1:
        raise AssertionError(f"version {report['version']}")
    return report["findings"]


def look(what, name, argument):
    findings = read_report()
    if what != "quiet":
        pages = {"listing": check_listing, "fixed": check_fixed, "pipelined": check_pipelined}
        pages[what]([f for f in findings if f["route"] == name], int(argument))
        return
    if not any(f["route"] == argument for f in findings):
        raise Unlike(f"nothing of {argument}")
    noise = [f for f in findings if f["route"].startswith(name)]
    if noise:
        raise AssertionError(f"told without a reason: {json.dumps(noise, indent=1)}")


def main():
    what, name, argument = sys.argv[1:]
    end = time.monotonic() + SECONDS
    while True:
        try:
            return look(what, name, argument)
        except Unlike:
            if time.monotonic() >= end:
                raise
        time.sleep(0.2)


main()
