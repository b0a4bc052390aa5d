"""Usage-based billing in one process: the server."""

__version__ = "0.1.0"
