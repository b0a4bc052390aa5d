"""Turning the rows of a file into events."""
