"""Which requests a gate covers, by path.

Middleware runs before routing, so route templates are not known here: a pattern is a glob over the path.
"""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware._asgi import Scope, route_path

Covers = Callable[[Scope], bool]
Paths = str | Iterable[str] | Covers

PATTERNS_MAX = 100


def compile_paths(paths: Paths | None, exclude: Paths | None) -> Covers | None:
    """The test whether a gate covers a request; None when it covers all of them.

    ``paths`` and ``exclude`` are a glob, several, or a function of the scope. ``*`` stands for anything, slashes too,
    and a pattern that ends with ``/*`` covers the path without that end: ``/api/*`` covers ``/api``, ``/api/`` and
    all below. What is excluded is not covered, whatever ``paths`` says. Raises ConfigurationError.
    """
    inside = None if paths is None else _compile(paths, option="paths")
    outside = None if exclude is None else _compile(exclude, option="exclude")
    if outside is None:
        return inside
    if inside is None:
        return lambda scope: not outside(scope)
    return lambda scope: inside(scope) and not outside(scope)


def _compile(paths: Paths, *, option: str) -> Covers:
    if callable(paths):
        return paths
    patterns = _check_patterns([paths] if isinstance(paths, str) else list(paths), option=option)
    matches = re.compile("|".join(translate(glob) for pattern in patterns for glob in _spelled_out(pattern))).match

    def covers(scope: Scope) -> bool:
        # An application mounted at /sub sees its own root as the empty path.
        return matches(route_path(scope) or "/") is not None

    return covers


def _check_patterns(patterns: list[str], *, option: str) -> list[str]:
    if not 1 <= len(patterns) <= PATTERNS_MAX:
        raise ConfigurationError(f"{option} takes 1 to {PATTERNS_MAX} patterns, got {len(patterns)}")
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern.startswith(("/", "*")):
            raise ConfigurationError(f'{option} must begin with "/" or "*", got {pattern!r}')
        if "{" in pattern:
            raise ConfigurationError(f'{option} are globs and not route templates: write "*" instead, got {pattern!r}')
    return patterns


def _spelled_out(pattern: str) -> list[str]:
    return [pattern, pattern.removesuffix("/*") or "/"] if pattern.endswith("/*") else [pattern]
