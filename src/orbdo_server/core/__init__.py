"""What billing decides: values in, values out.

Nothing in this package waits, reads a clock, draws a random number, opens a file or a socket, or holds a float.
Instants and identifiers arrive as arguments. The one thing read from disk is time zone data, in ``periods``.
"""
