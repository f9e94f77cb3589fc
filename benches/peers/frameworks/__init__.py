"""The frameworks that are compared with Flâneur, each behind the same lines (`serve.py`)."""
