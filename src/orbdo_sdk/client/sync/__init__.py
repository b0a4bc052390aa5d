"""The sync twin of the client, made by ``scripts/unasync.py``; only this file is written by hand."""
