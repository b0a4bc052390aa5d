"""The rules about who may import whom, each a function from a module to its violations."""

import ast
from collections.abc import Iterator

from tests.support.source import Module, within

# From the bottom up: a module may import from its own layer and from those before it, never from one after it.
# `errors` speaks of HTTP and `identifiers` has the clock, so both lie above the core.
LAYERS = (
    *("core", "errors", "identifiers", "settings"),
    *("storage", "engine", "api", "dashboard", "app", "commands", "cli", "__main__"),
)
SDK_USERS = ("orbdo_server.commands", "orbdo_server.cli", "orbdo_server.__main__")
DRIVERS = {"alembic", "clickhouse_connect", "duckdb", "psycopg", "sqlalchemy", "sqlite3"}
# What a layer above storage may hold to hand it on, and never call.
HANDLES = {"sqlalchemy.Connection"}


def imports(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Every imported name, dotted in full: ``from a.b import c`` gives ``a.b.c``, for ``c`` may be a module."""
    for node in module.nodes:
        match node:
            case ast.Import(names=names):
                yield from ((node, alias.name) for alias in names)
            case ast.ImportFrom(names=names):
                origin = _origin(module, node)
                yield from ((node, f"{origin}.{alias.name}") for alias in names)
            case ast.Call(args=[ast.Constant(value=str(name)), *_]) if _called(node) in {"import_module", "__import__"}:
                yield node, name


def imports_point_down(module: Module) -> Iterator[str]:
    """A server module that imports from a layer above its own, or that lies in no known layer."""
    if not within(module, "orbdo_server"):
        return
    own = _rank(module.name)
    if own is None:
        yield f"{module.path}:1: is in no layer: name it in tests/support/arrows.py"
        return
    for node, name in imports(module):
        rank = _rank(name) if _is_of(name, "orbdo_server") else -1
        if rank is None or rank > own:
            yield module.at(node, f"imports {name}, which is above it")


def sdk_stands_alone(module: Module) -> Iterator[str]:
    """A module of the client that imports the server."""
    if within(module, "orbdo_sdk"):
        found = ((node, name) for node, name in imports(module) if _is_of(name, "orbdo_server"))
        yield from (module.at(node, f"imports {name}: the client knows no server") for node, name in found)


def server_shares_the_wire_only(module: Module) -> Iterator[str]:
    """A server module that imports more of the client than the wire, commands and the CLI excepted."""
    if not within(module, "orbdo_server") or within(module, *SDK_USERS):
        return
    for node, name in imports(module):
        if _is_of(name, "orbdo_sdk") and not _is_of(name, "orbdo_sdk.wire"):
            yield module.at(node, f"imports {name}: the server shares orbdo_sdk.wire and nothing else")


def wire_stands_alone(module: Module) -> Iterator[str]:
    """A module of the wire that imports another part of the project."""
    if within(module, "orbdo_sdk.wire"):
        for node, name in imports(module):
            if name.startswith("orbdo_") and not _is_of(name, "orbdo_sdk.wire"):
                yield module.at(node, f"imports {name}: the wire knows nothing but itself")


def drivers_stay_in_storage(module: Module) -> Iterator[str]:
    """A server module outside storage that imports a database driver or the tables themselves."""
    if not within(module, "orbdo_server") or within(module, "orbdo_server.storage"):
        return
    for node, name in imports(module):
        is_driver = name.partition(".")[0] in DRIVERS and name not in HANDLES
        if is_driver or _is_of(name, "orbdo_server.storage.tables"):
            yield module.at(node, f"imports {name}: tables are touched in storage only")


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    climbed = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*climbed, *([node.module] if node.module else [])])


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _rank(name: str) -> int | None:
    """The layer of a dotted name of the server; -1 for the bare package and its version, which all may import."""
    _, _, inner = name.partition(".")
    layer = inner.partition(".")[0]
    if layer in {"", "__version__"}:
        return -1
    return LAYERS.index(layer) if layer in LAYERS else None


def _is_of(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")
