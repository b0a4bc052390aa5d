"""The rules about the shape of code and of every shared file, each a function from a file to its violations.

What ruff, mypy or pyright can say is left to them.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.support.source import Module, within

FILE_LINES_AIM = 400
FILE_LINES_MAX = 600
FUNCTION_LINES_AIM = 40
FUNCTION_LINES_MAX = 60

MIGRATIONS = "orbdo_server.storage.migrations.versions"

Function = ast.FunctionDef | ast.AsyncFunctionDef

LEFTOVERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
REASON = r"\s+\w.{2}"
DIRECTIVES = {
    "type: ignore": re.compile(rf"#\s*type:\s*ignore\[[\w-]+(,\s*[\w-]+)*\]\s*#{REASON}"),
    "pyright: ignore": re.compile(rf"#\s*pyright:\s*ignore\[\w+(,\s*\w+)*\]\s*[#-]?{REASON}"),
    "noqa": re.compile(rf"#\s*noqa:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*\s*[#-]?{REASON}"),
    "pragma: no": re.compile(rf"#\s*pragma:\s*no (cover|branch)\s*[#-]?{REASON}"),
}
EMPTY_NAMES = ("Manager", "Helper", "Helpers", "Util", "Utils", "Service", "Processor", "Base")
MONEY_WORDS = re.compile(r"(^|_)(amount|quantity|price|rate|total|subtotal|usage|cost|fee|balance|credit)(_|s?$)")

MACHINE_FOLDERS = ("work", "tmp", "root", "home", "Users")
MACHINE_PATH = re.compile(rf"(?<![\w.~-])/(?:{'|'.join(MACHINE_FOLDERS)})/\w")
REGISTRY = re.compile(
    r"https?://[^\s\"']*/simple\b|\b(pypi|npmjs|pythonhosted)\.\w|--(extra-)?index-url[ =]\S", re.IGNORECASE
)


@dataclass(frozen=True)
class Allowance:
    """A length that is over the aim for a reason; it is lowered when the code shrinks and never raised."""

    lines: int
    reason: str


def file_is_short(module: Module, allowances: Mapping[str, Allowance]) -> Iterator[str]:
    """A file over the aim without an allowance, over its allowance, or over what is ever allowed."""
    limit = allowances[module.path].lines if module.path in allowances else FILE_LINES_AIM
    if module.lines > min(limit, FILE_LINES_MAX):
        yield f"{module.path}: has {module.lines} lines, {min(limit, FILE_LINES_MAX)} are allowed"


def functions_are_short(module: Module, allowances: Mapping[str, Allowance]) -> Iterator[str]:
    """A function over the aim without an allowance, over its allowance, or over what is ever allowed.

    Migrations are left out: each is a list of tables, written once and never changed.
    """
    if within(module, MIGRATIONS):
        return
    for name, function in functions(module):
        limit = allowances[name].lines if name in allowances else FUNCTION_LINES_AIM
        if length(function) > min(limit, FUNCTION_LINES_MAX):
            yield module.at(
                function, f"{name} has {length(function)} lines, {min(limit, FUNCTION_LINES_MAX)} are allowed"
            )


def unneeded_allowances(lengths: Mapping[str, int], allowances: Mapping[str, Allowance], aim: int) -> Iterator[str]:
    """An allowance without a reason, or for something that is gone, or that has shrunk since."""
    for name, allowance in allowances.items():
        actual = lengths.get(name, 0)
        if actual <= aim:
            yield f"{name}: needs no allowance any more"
        elif actual < allowance.lines:
            yield f"{name}: lower its allowance to {actual}"
        if len(allowance.reason.split()) < 3:
            yield f"{name}: its allowance has no reason"


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function of the file, nested ones too, named ``path::Class.function``."""
    yield from _functions(module.tree, f"{module.path}::")


def length(function: Function) -> int:
    """Lines from ``def`` to the last one, the docstring counted, decorators not."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def module_has_docstring(module: Module) -> Iterator[str]:
    """A file that does not begin by saying what it is."""
    if not ast.get_docstring(module.tree):
        yield f"{module.path}:1: has no docstring that says what it is and what it refuses to do"


def tests_say_the_behaviour(module: Module) -> Iterator[str]:
    """A test without a docstring, or with one that is not a sentence."""
    for name, function in functions(module):
        if function.name.startswith("test_"):
            docstring = ast.get_docstring(function) or ""
            if not docstring.strip().endswith((".", "!", "?", "``")) or len(docstring.split()) < 3:
                yield module.at(function, f"{name} has no sentence that says the behaviour")


def tests_are_not_skipped(module: Module) -> Iterator[str]:
    """A skip or an expected failure without a reason."""
    explained = {id(node.func) for node in module.nodes if isinstance(node, ast.Call) and _has_reason(node)}
    for node in module.nodes:
        match node:
            case ast.Attribute(value=ast.Attribute(attr="mark"), attr="skip" | "skipif" | "xfail" as mark):
                if id(node) not in explained:
                    yield module.at(node, f"{mark} without a reason")


def no_leftovers(module: Module) -> Iterator[str]:
    """A note to oneself in a comment, or in the packages a ``print`` or a breakpoint."""
    for line, text in module.comments:
        if found := LEFTOVERS.search(text):
            yield f"{module.path}:{line}: {found[0]}: finish it or open an issue"
    for node in module.nodes if module.path.startswith("src/") else ():
        match node:
            case ast.Call(func=ast.Name(id="print" | "breakpoint" as name)):
                yield module.at(node, f"calls {name}()")


def exceptions_are_explained(module: Module) -> Iterator[str]:
    """A comment that silences a tool without naming the code and, after it, the reason."""
    for line, text in module.comments:
        for directive, complete in DIRECTIVES.items():
            for start in re.finditer(rf"#\s*{directive}", text):
                if not complete.match(text, start.start()):
                    yield f"{module.path}:{line}: '{directive}' without a code and a reason: {text}"


def names_are_nouns_of_the_domain(module: Module) -> Iterator[str]:
    """A class or a module of the packages called by one of the words that say nothing."""
    last = module.name.rpartition(".")[2].strip("_")
    if last.capitalize() in EMPTY_NAMES:
        yield f"{module.path}:1: is called {last}"
    for node in module.nodes:
        if isinstance(node, ast.ClassDef) and re.search(rf"({'|'.join(EMPTY_NAMES)})$", node.name):
            yield module.at(node, f"is called {node.name}")


def money_is_no_float(module: Module) -> Iterator[str]:
    """A parameter, a field or a function that is called after money or a quantity and typed as a float."""
    if not within(module, "orbdo_sdk", "orbdo_server"):
        return
    for node in module.nodes:
        name, annotation = _annotated(node)
        if annotation and MONEY_WORDS.search(name) and re.search(r"\bfloat\b", ast.unparse(annotation)):
            yield module.at(node, f"{name} is a float")


def names_no_machine(path: str, text: str) -> Iterator[str]:
    """A line of any shared file that names a folder of somebody's machine or a package registry."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern in (MACHINE_PATH, REGISTRY):
            if found := pattern.search(line):
                yield f"{path}:{number}: names {found[0]!r}"


def _functions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(parent):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield f"{prefix}{name}", node
                yield from _functions(node, f"{prefix}{name}.")
            case ast.ClassDef(name=name):
                yield from _functions(node, f"{prefix}{name}.")
            case _:
                yield from _functions(node, prefix)


def _annotated(node: ast.AST) -> tuple[str, ast.expr | None]:
    match node:
        case ast.arg(arg=name, annotation=annotation):
            return name, annotation
        case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=annotation):
            return name, annotation
        case ast.FunctionDef(name=name, returns=annotation) | ast.AsyncFunctionDef(name=name, returns=annotation):
            return name, annotation
    return "", None


def _has_reason(call: ast.Call) -> bool:
    return any(word.arg == "reason" for word in call.keywords)
