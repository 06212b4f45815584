"""The models that django_client.py works on."""
