"""Django with psycopg2: migrations, persistent connections with a time zone each, nested atomic blocks, server-side cursors."""
import datetime
import decimal
import os

import django
from django.conf import settings

import crowd
from crowd import equal

PLACE = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": os.environ["PGHOST"],
    "PORT": os.environ["PGPORT"],
    "USER": os.environ["PGUSER"],
    "PASSWORD": os.environ["PGPASSWORD"],
    "NAME": os.environ["PGDATABASE"],
    "CONN_MAX_AGE": None,
}
ZONES = {"default": "UTC", "tokyo": "Asia/Tokyo", "berlin": "Europe/Berlin"}
settings.configure(
    DATABASES={alias: {**PLACE, "TIME_ZONE": zone, "OPTIONS": {"options": "-c search_path=django,public -c statement_timeout=30s",
                                                               "application_name": f"django {alias}"}} for alias, zone in ZONES.items()},
    INSTALLED_APPS=["django_shop"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from django.core.management import call_command  # noqa: E402  after setup()
from django.db import IntegrityError, close_old_connections, connections, transaction  # noqa: E402
from django.db.models import Count, F, Sum  # noqa: E402
from django_shop.models import Customer, Purchase  # noqa: E402


def ask(alias, question, *values):
    with connections[alias].cursor() as cursor:
        cursor.execute(question, values)
        return cursor.fetchone()[0]


def check_session(alias):
    """What each connection has set for itself at its start must be in force in each transaction."""
    equal(ask(alias, "show timezone"), ZONES[alias], "time zone")
    equal(ask(alias, "show search_path"), "django,public", "search path")
    equal(ask(alias, "show statement_timeout"), "30s", "statement timeout")
    equal(ask(alias, "select application_name from pg_stat_activity where pid = pg_backend_pid()"), f"django {alias}", "application name")


def check_migrations():
    ask("default", "create schema if not exists django; select 1")
    call_command("migrate", verbosity=0)
    equal(Customer.objects.count(), 300, "customers of the migration")
    call_command("migrate", "django_shop", "0001", verbosity=0, fake=True)
    call_command("migrate", "django_shop", "0002", verbosity=0, fake=True)
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    equal("django_shop_purchase" in connections["default"].introspection.table_names(), True, "table found by introspection")


def check_queries():
    noon = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
    # This Django gives local times the offset that their zone had a century ago, so the hour is compared.
    for alias, hour in (("default", 12), ("tokyo", 21), ("berlin", 13)):
        customer = Customer.objects.using(alias).create(name=f"Größe 'of' {alias}", joined=noon)
        equal(Customer.objects.using(alias).get(pk=customer.pk).joined.hour, hour, "hour read back")
        Purchase.objects.using(alias).bulk_create(
            Purchase(customer=customer, amount=decimal.Decimal(n) / 4, details={"n": n, "none": None}) for n in range(200))
        totals = Purchase.objects.using(alias).filter(customer=customer).aggregate(Sum("amount"), Count("id"))
        equal(totals, {"amount__sum": decimal.Decimal("4975.00"), "id__count": 200}, "totals")
        equal(Purchase.objects.using(alias).filter(details__n__gte=190).count(), 10, "rows found by JSON")
        Customer.objects.using(alias).filter(pk=customer.pk).update(points=F("points") + 3)
        equal([(c.points, len(c.purchases.all())) for c in Customer.objects.using(alias).filter(pk=customer.pk).prefetch_related("purchases")],
              [(3, 200)], "prefetched rows")
        customer.delete()
        equal(Purchase.objects.using(alias).count(), 0, "rows after the cascade")


def check_atomic():
    with transaction.atomic():
        Customer.objects.create(name="outer")
        try:
            with transaction.atomic():
                Customer.objects.create(name="inner")
                Customer.objects.create(name="outer")
            raise AssertionError("a duplicate was accepted")
        except IntegrityError:
            pass
        with transaction.atomic():
            Customer.objects.create(name="second inner")
        equal(sorted(Customer.objects.filter(name__contains="er", points=0).exclude(name__startswith="early").values_list("name", flat=True)),
              ["outer", "second inner"], "rows after the inner rollback")
        transaction.set_rollback(True)
    equal(Customer.objects.filter(name="outer").exists(), False, "a row that was rolled back")
    done = []
    with transaction.atomic():
        transaction.on_commit(lambda: done.append("committed"))
        equal(Customer.objects.select_for_update().get(name="early 7").points, 7, "locked row")
    equal(done, ["committed"], "what runs on commit")


def check_server_cursor(_=None):
    """In autocommit Django's cursors are WITH HOLD, in an atomic block they are not."""
    equal(sum(c.points for c in Customer.objects.filter(name__startswith="early").iterator(chunk_size=20)), 44850, "sum over a cursor WITH HOLD")
    with transaction.atomic():
        equal(sum(c.points for c in Customer.objects.filter(name__startswith="early").iterator(chunk_size=20)), 44850, "sum over a cursor")
    walk = Customer.objects.filter(name__startswith="early").order_by("points").iterator(chunk_size=10)
    for n in range(25):
        equal(next(walk).points, n, "row of a cursor that stays open")
        equal(ask("default", "select %s::text", str(n)), str(n), "answer in between")
    walk.close()
    connections.close_all()


def one_of_the_crowd(number):
    alias = list(ZONES)[number % len(ZONES)]
    mine = f"django-{number}"
    try:
        ask(alias, "select set_config('app.user_id', %s, false)", mine)
        for turn in range(crowd.ROUNDS):
            close_old_connections()
            check_session(alias)
            equal(ask(alias, "select current_setting('app.user_id')"), mine, "this client's own setting")
            with transaction.atomic(using=alias):
                Customer.objects.using(alias).create(name=f"{mine} {turn}")
                with connections[alias].cursor() as cursor:
                    cursor.execute("insert into uncommitted values (%s, %s)", (mine, str(turn)))
                    cursor.execute("select owner, value from uncommitted")
                    equal(cursor.fetchall(), [(mine, str(turn))], "rows that nobody else may have")
                try:
                    with transaction.atomic(using=alias):
                        Customer.objects.using(alias).create(name=f"{mine} {turn}")
                    raise AssertionError("a duplicate was accepted")
                except IntegrityError:
                    pass
                seen = Customer.objects.using(alias).filter(name__startswith="django-").iterator(chunk_size=5)
                equal([c.name for c in seen], [f"{mine} {turn}"], "rows of a cursor that nobody else may have")
                transaction.set_rollback(True, using=alias)
            with connections[alias].cursor() as cursor:
                cursor.execute("insert into done values ('django', %s, %s)", (number, turn))
    finally:
        connections.close_all()


def main():
    check_migrations()
    check_queries()
    check_atomic()
    check_server_cursor()
    crowd.run(crowd.CLIENTS, check_server_cursor)
    crowd.run(crowd.CLIENTS, one_of_the_crowd)
    equal(ask("default", "select count(*) from done where client_kind = 'django'"), crowd.CLIENTS * crowd.ROUNDS, "rounds done")
    connections.close_all()


main()
