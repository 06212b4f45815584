"""Django as it comes: psycopg2, autocommit, no tags."""
import os

import django
from django.conf import settings

import visiting

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"],
                           "USER": os.environ["PGUSER"], "PASSWORD": os.environ["PGPASSWORD"], "NAME": os.environ["PGDATABASE"]}},
    INSTALLED_APPS=["shop"], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()

from django.db import connections  # noqa: E402  after setup()
from shop.models import Office  # noqa: E402


def listing():
    office = Office.objects.get(name="office 3")
    users, streets, offices = [], [], []
    for order in office.orders.order_by("id"):
        users.append(order.user.name)
        streets += [address.street for address in order.user.addresses.all()]
        if order.is_express:
            offices.append(Office.objects.get(pk=order.office_id).name)
    return len(users), len(streets), len(offices)


def fixed():
    office = Office.objects.get(name="office 3")
    orders = list(office.orders.order_by("id").prefetch_related("user__addresses"))
    streets = [address.street for order in orders for address in order.user.addresses.all()]
    return len({order.user.name for order in orders}), len(streets), len([order.office.name for order in orders if order.is_express])


visiting.visit({"listing": listing, "fixed": fixed}, connections.close_all)
