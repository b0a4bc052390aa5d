"""The rules about what code may touch, above all in the core, each a function from a module to its violations.

Whether a division of two integers makes a float, no rule here can see; types and tests do.
"""

import ast
import re
from collections.abc import Iterator

from tests.support.arrows import imports
from tests.support.source import Module, within

CORE = "orbdo_server.core"
# The wire types and the client's decisions are as pure as the core.
PURE = (CORE, "orbdo_sdk.entitlement", "orbdo_sdk.wire")

# The whole of what pure code may import: no module here has a clock, randomness, a file or a socket in its daily use.
# `zoneinfo` reads the zone tables, which are data of the calendar.
PURE_IMPORTS = {
    *("__future__", "abc", "base64", "bisect", "calendar", "collections", "contextlib", "copy", "dataclasses"),
    *("datetime", "decimal", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq", "itertools", "json"),
    *("operator", "re", "reprlib", "string", "textwrap", "types", "typing", "unicodedata", "zlib", "zoneinfo"),
    *("babel", "msgspec", "sqlglot", "typing_extensions"),
    *("orbdo_sdk", "orbdo_server"),
}
# `hash` of a string differs from process to process, `id` from object to object.
IMPURE_CALLS = {"open", "input", "print", "eval", "exec", "compile", "breakpoint", "hash", "id"}
CLOCKS = {"now", "utcnow", "today"}
ASYNC = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

ROUNDING_MODULE = "orbdo_server.core.money"
# The modules that may look at the environment, each with what for.
ENVIRONMENT_READERS = {
    "orbdo_server.settings": "makes the server's settings of it",
    "orbdo_sdk.client._settings": "makes the client's options of it",
    "orbdo_server.commands.demonstration.server": "hands it on to the server that it starts",
}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
STATEMENT = re.compile(r"\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s.+\sSET\s|DELETE\s+FROM\s)", re.DOTALL)
STATEMENT_FREE = (CORE, "orbdo_server.engine", "orbdo_server.api", "orbdo_server.dashboard", "orbdo_server.app")
EXECUTORS = {"execute", "executemany", "exec_driver_sql", "scalars"}


def pure_code_imports_pure_modules(module: Module) -> Iterator[str]:
    """A pure module that imports anything but the modules known to be pure."""
    if within(module, *PURE):
        for node, name in imports(module):
            if name.partition(".")[0] not in PURE_IMPORTS:
                yield module.at(node, f"imports {name}: pure code has no clock, randomness or I/O")


def pure_code_reads_no_clock(module: Module) -> Iterator[str]:
    """A pure module that asks a date or datetime class for the present; ``now`` is an argument there."""
    if not within(module, *PURE):
        return
    for node in module.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=attribute):
                if attribute in CLOCKS and owner in {"datetime", "date", "dt"}:
                    yield module.at(node, f"reads the clock with {owner}.{attribute}")


def pure_code_calls_nothing_impure(module: Module) -> Iterator[str]:
    """A pure module that calls a built-in that reads, writes, runs text or differs from process to process."""
    if not within(module, *PURE):
        return
    for node in module.nodes:
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                yield module.at(node, f"calls {name}()")


def pure_code_never_awaits(module: Module) -> Iterator[str]:
    """A pure module with anything asynchronous in it."""
    if not within(module, *PURE):
        return
    for node in module.nodes:
        if isinstance(node, ASYNC):
            yield module.at(node, "is asynchronous")
        elif isinstance(node, ast.comprehension) and node.is_async:
            yield module.at(node.target, "is asynchronous")


def no_float_near_money(module: Module) -> Iterator[str]:
    """A pure module that writes, makes or declares a float.

    ``isinstance(value, float)`` is allowed: it is how a float is refused.
    """
    if not within(module, *PURE):
        return
    refusals = {id(name) for node in module.nodes for name in _instance_checks(node)}
    for node in module.nodes:
        match node:
            case ast.Constant(value=float() | complex()):
                yield module.at(node, "writes a float")
            case ast.Name(id="float" | "complex") if id(node) not in refusals:
                yield module.at(node, f"uses {node.id}")


def quoted_float_annotations(module: Module) -> Iterator[str]:
    """A pure module whose quoted annotation hides a float."""
    if not within(module, *PURE):
        return
    for node in module.nodes:
        match node:
            case ast.arg(annotation=annotation) | ast.AnnAssign(annotation=annotation):
                quoted = annotation
            case ast.FunctionDef(returns=returns):
                quoted = returns
            case _:
                continue
        for part in ast.walk(quoted) if quoted else ():
            if isinstance(part, ast.Constant) and re.search(r"\bfloat\b", str(part.value)):
                yield module.at(part, "declares a float in quotes")


def rounding_has_one_place(module: Module) -> Iterator[str]:
    """A server module other than the money module that rounds.

    ``quantize`` in the context EXACT is allowed: it moves the point and raises where a digit would be lost. ``round``
    is refused in the core only, for elsewhere it is given seconds.
    """
    if not within(module, "orbdo_server") or module.name == ROUNDING_MODULE:
        return
    for node in module.nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr="quantize"), keywords=keywords) if not _exact(keywords):
                yield module.at(node, f"rounds: only {ROUNDING_MODULE} does")
            case ast.Call(func=ast.Name(id="round")) if within(module, CORE):
                yield module.at(node, f"rounds: only {ROUNDING_MODULE} does")


def environment_has_one_reader(module: Module) -> Iterator[str]:
    """A module of the packages that looks at the environment and is not one of those that may."""
    if not within(module, "orbdo_sdk", "orbdo_server") or module.name in ENVIRONMENT_READERS:
        return
    for node, name in imports(module):
        if name in {f"os.{word}" for word in ENVIRONMENT}:
            yield module.at(node, f"imports {name}: settings are arguments")
    for node in module.nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=attribute) if attribute in ENVIRONMENT:
                yield module.at(node, f"uses os.{attribute}: settings are arguments")


def statements_stay_in_storage(module: Module) -> Iterator[str]:
    """A module between the core and the app that holds an SQL statement or runs one; prose in docstrings is none."""
    if not within(module, *STATEMENT_FREE):
        return
    prose = {id(node.value) for node in module.nodes if isinstance(node, ast.Expr)}
    for node in module.nodes:
        match node:
            case ast.Constant(value=str(text)) if id(node) not in prose and STATEMENT.match(text):
                yield module.at(node, "holds an SQL statement: tables are touched in storage only")
            case ast.Call(func=ast.Attribute(attr=name)) if name in EXECUTORS:
                yield module.at(node, f"calls .{name}(): tables are touched in storage only")


def _exact(keywords: list[ast.keyword]) -> bool:
    return any(word.arg == "context" and ast.unparse(word.value).endswith("EXACT") for word in keywords)


def _instance_checks(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
            yield from ast.walk(kinds)
        case ast.MatchClass(cls=kind):
            yield kind
