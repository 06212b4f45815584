"""The Django application of the duplicates suite."""
