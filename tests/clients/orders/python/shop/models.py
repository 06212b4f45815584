"""The tables of orders.sql."""
from django.db import models


class Office(models.Model):
    name = models.TextField(unique=True)

    class Meta:
        db_table = "offices"
        managed = False


class User(models.Model):
    name = models.TextField()
    office = models.ForeignKey(Office, on_delete=models.CASCADE)

    class Meta:
        db_table = "users"
        managed = False


class Address(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="addresses")
    street = models.TextField()

    class Meta:
        db_table = "addresses"
        managed = False


class Order(models.Model):
    office = models.ForeignKey(Office, on_delete=models.CASCADE, related_name="orders")
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    is_express = models.BooleanField()

    class Meta:
        db_table = "orders"
        managed = False
