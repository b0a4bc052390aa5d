"""How commands speak to people: one console for results, one for what went wrong."""

import sys
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

output = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def fail(message: str) -> NoReturn:
    """Say what went wrong on standard error and exit with status 1."""
    errors.print(f"[red]orbdo:[/red] {escape(message)}", soft_wrap=True)
    sys.exit(1)
