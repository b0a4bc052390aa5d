"""Which requests a gate covers."""

import re
from typing import Any

import pytest

from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware._asgi import route_path
from orbdo_sdk.middleware._paths import PATTERNS_MAX, compile_paths
from tests.support.asgi import Scope, http_scope


def covers(paths: Any, path: str, exclude: Any = None, root_path: str = "") -> bool:
    """Whether a gate with these options covers the path."""
    test = compile_paths(paths, exclude)
    assert test is not None
    return test(http_scope(path, root_path=root_path))


def test_without_patterns_there_is_nothing_to_test() -> None:
    """Neither paths nor exclude: every request is covered, at no cost."""
    assert compile_paths(None, None) is None


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/users", True),
        ("/api/users/7/usage", True),
        ("/api/two\nlines", True),
        ("/apis", False),
        ("/v1/api/users", False),
        ("/", False),
        ("/API/users", False),
    ],
)
def test_a_star_at_the_end_covers_all_below(path: str, covered: bool) -> None:
    """``/api/*`` is the folder and everything in it, however deep, and nothing that merely begins alike."""
    assert covers("/api/*", path) is covered


@pytest.mark.parametrize(("path", "covered"), [("/report", True), ("/report/", False), ("/reports", False)])
def test_a_path_without_star_is_that_path(path: str, covered: bool) -> None:
    """A plain pattern covers one path."""
    assert covers("/report", path) is covered


@pytest.mark.parametrize(
    ("path", "covered"), [("/customers/acme/usage", True), ("/customers/a/b/usage", True), ("/customers/usage", False)]
)
def test_a_star_inside_stands_for_anything(path: str, covered: bool) -> None:
    """A star crosses slashes, since the routes are not known here."""
    assert covers("/customers/*/usage", path) is covered


@pytest.mark.parametrize("path", ["/", "/api", "/api/users"])
@pytest.mark.parametrize("pattern", ["*", "/*"])
def test_a_star_alone_covers_everything(pattern: str, path: str) -> None:
    """Both ways to write it cover the root too."""
    assert covers(pattern, path)


def test_special_characters_of_regular_expressions_are_plain() -> None:
    """A dot is a dot."""
    assert covers("/v1.0/*", "/v1.0/users")
    assert not covers("/v1.0/*", "/v1x0/users")


def test_several_patterns_cover_what_any_of_them_covers() -> None:
    """A list is a union, in any iterable."""
    assert [covers(("/api/*", "/report"), path) for path in ("/api/x", "/report", "/health")] == [True, True, False]


def test_what_is_excluded_is_not_covered() -> None:
    """``exclude`` goes before ``paths``, and alone takes away from everything."""
    assert not covers("/api/*", "/api/health", exclude="/api/health")
    assert covers("/api/*", "/api/users", exclude="/api/health")
    assert covers(None, "/report", exclude="/health")
    assert not covers(None, "/health", exclude="/health")


def is_write(scope: Scope) -> bool:
    """Whether the request changes something."""
    return bool(scope["method"] != "GET")


def test_a_function_of_the_scope_decides_by_more_than_the_path() -> None:
    """A callable takes the place of patterns on either side."""
    assert not covers(is_write, "/api/users")
    assert not covers("/api/*", "/api/users", exclude=lambda scope: not is_write(scope))


def test_a_mounted_application_is_matched_below_its_root() -> None:
    """Patterns are written as the application's own routes are; its root is ``/`` with and without a slash."""
    assert covers("/api/*", "/sub/api/users", root_path="/sub")
    assert covers("/", "/sub", root_path="/sub")
    assert covers("/", "/sub/", root_path="/sub/")
    assert not covers("/api/*", "/subway/api/users", root_path="/sub")


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/sub/x", "/sub", "/x"),
        ("/sub", "/sub", ""),
        ("/subway", "/sub", "/subway"),
        ("/x", "", "/x"),
        ("/other/x", "/sub", "/other/x"),
    ],
)
def test_the_path_of_the_routes_lacks_the_root(path: str, root_path: str, expected: str) -> None:
    """The root is cut off where it is a whole segment, and only there."""
    assert route_path(http_scope(path, root_path=root_path)) == expected


def test_a_scope_may_have_no_root() -> None:
    """``root_path`` is optional in ASGI."""
    assert route_path({"path": "/x"}) == "/x"


def test_as_many_patterns_as_the_bound_are_taken() -> None:
    """The bound itself is allowed."""
    patterns = [f"/p{number}" for number in range(PATTERNS_MAX)]
    assert covers(patterns, "/p99")


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ([f"/p{number}" for number in range(PATTERNS_MAX + 1)], "paths takes 1 to 100 patterns, got 101"),
        ([], "paths takes 1 to 100 patterns, got 0"),
        ("", 'paths must begin with "/" or "*", got \'\''),
        ("api/*", 'paths must begin with "/" or "*", got \'api/*\''),
        ([b"/api"], 'paths must begin with "/" or "*", got b\'/api\''),
        ("/customers/{id}", "paths are globs and not route templates: write \"*\" instead, got '/customers/{id}'"),
    ],
)
def test_a_pattern_that_would_never_match_is_refused(patterns: Any, message: str) -> None:
    """A pattern that covers nothing would leave the application open without anybody noticing."""
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        compile_paths(patterns, None)
