"""Applied by django_client.py."""
