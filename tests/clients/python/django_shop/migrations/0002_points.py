"""A column filled from Python, then an index that no transaction may hold."""
from django.db import migrations, models


def fill(apps, _):
    customer = apps.get_model("django_shop", "Customer")
    customer.objects.bulk_create(customer(name=f"early {n}", points=n) for n in range(300))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("django_shop", "0001_initial")]
    operations = [
        migrations.AddField("Customer", "points", models.IntegerField(default=0)),
        migrations.RunPython(fill, atomic=True),
        migrations.RunSQL("create index concurrently customer_points on django_shop_customer (points)"),
    ]
