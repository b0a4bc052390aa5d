# Made from src/orbdo_sdk/client/resources/__init__.py by scripts/unasync.py: change that file and run it.
"""The resources of the API, a module each."""
