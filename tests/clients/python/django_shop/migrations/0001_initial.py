"""Tables, in one transaction."""
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Customer", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("name", models.CharField(max_length=100, unique=True)),
            ("joined", models.DateTimeField(null=True)),
        ]),
        migrations.CreateModel("Purchase", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("amount", models.DecimalField(max_digits=10, decimal_places=2)),
            ("details", models.JSONField(default=dict)),
            ("customer", models.ForeignKey(on_delete=models.CASCADE, related_name="purchases", to="django_shop.customer")),
        ]),
    ]
