"""Forked children: something is checked in one, and the parent hears whether it held."""

import os
from collections.abc import Callable


def in_a_child(check: Callable[[], bool]) -> bool:
    """Whether the check holds in a child forked at this moment; an exception there counts as no."""
    child = os.fork()
    if child == 0:
        outcome = 1
        try:
            outcome = 0 if check() else 1
        finally:
            os._exit(outcome)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
