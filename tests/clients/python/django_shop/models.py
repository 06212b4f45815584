"""Something for each kind of query that Django's ORM makes."""
from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=100, unique=True)
    joined = models.DateTimeField(null=True)
    points = models.IntegerField(default=0)


class Purchase(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="purchases")
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    details = models.JSONField(default=dict)
