"""The shape of the code and of every shared file: lengths, docstrings, leftovers, exceptions and what names a machine.

The two tables of allowances only shrink. A file past 600 lines or a function past 60 fails whatever they say.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.support import tidiness
from tests.support.source import CODE_FOLDERS, ROOT, Module, assert_none, modules, shared_files, snippet
from tests.support.tidiness import FILE_LINES_AIM, FILE_LINES_MAX, FUNCTION_LINES_AIM, FUNCTION_LINES_MAX, Allowance

Rule = Callable[[Module], Iterator[str]]

# Path below the root, the lines it has, and why it is one noun all the same.
LONG_FILES: dict[str, Allowance] = {}

# ``path::Class.function``, the lines it has, and why it is better in one piece.
LONG_FUNCTIONS: dict[str, Allowance] = {}


def violations(rule: Rule, *folders: str) -> list[str]:
    """What the rule finds in these folders, or in all the code."""
    return [found for module in modules(*(folders or CODE_FOLDERS)) for found in rule(module)]


def caught(rule: Rule, text: str) -> list[str]:
    """What the rule finds in a snippet of the core."""
    return list(rule(snippet(text)))


def function_of(lines: int) -> str:
    """The text of a function with this many lines, its ``def`` included."""
    return "def rate():\n" + "    step()\n" * (lines - 1)


def test_files_are_short() -> None:
    """A file has at most 400 lines, or an allowance with a reason and at most 600."""
    assert_none(line for module in modules(*CODE_FOLDERS) for line in tidiness.file_is_short(module, LONG_FILES))


@pytest.mark.parametrize(
    ("lines", "allowed", "violations_count"),
    [
        (FILE_LINES_AIM, {}, 0),
        (FILE_LINES_AIM + 1, {}, 1),
        (450, {"lines": 450}, 0),
        (451, {"lines": 450}, 1),
        (FILE_LINES_MAX, {"lines": 1000}, 0),
        (FILE_LINES_MAX + 1, {"lines": 1000}, 1),
    ],
)
def test_a_long_file_is_caught(lines: int, allowed: dict[str, int], violations_count: int) -> None:
    """The aim, an allowance and the end of all allowances each hold at the bound and fail one line past it."""
    module = snippet("step()\n" * lines)
    allowances = {module.path: Allowance(lines=allowed["lines"], reason="one long noun")} if allowed else {}
    assert len(list(tidiness.file_is_short(module, allowances))) == violations_count


def test_functions_are_short() -> None:
    """A function has at most 40 lines, or an allowance with a reason and at most 60."""
    assert_none(
        line for module in modules(*CODE_FOLDERS) for line in tidiness.functions_are_short(module, LONG_FUNCTIONS)
    )


@pytest.mark.parametrize(
    ("lines", "allowed", "violations_count"),
    [
        (FUNCTION_LINES_AIM, {}, 0),
        (FUNCTION_LINES_AIM + 1, {}, 1),
        (50, {"lines": 50}, 0),
        (51, {"lines": 50}, 1),
        (FUNCTION_LINES_MAX, {"lines": 100}, 0),
        (FUNCTION_LINES_MAX + 1, {"lines": 100}, 1),
    ],
)
def test_a_long_function_is_caught(lines: int, allowed: dict[str, int], violations_count: int) -> None:
    """The aim, an allowance and the end of all allowances each hold at the bound and fail one line past it."""
    module = snippet(function_of(lines))
    name = f"{module.path}::rate"
    allowances = {name: Allowance(lines=allowed["lines"], reason="one long table")} if allowed else {}
    assert len(list(tidiness.functions_are_short(module, allowances))) == violations_count


def test_a_long_method_and_a_long_inner_function_are_caught() -> None:
    """Functions are found wherever they are, and a long inner one makes the outer one long too."""
    inner = "\n".join(f"        {line}" for line in function_of(41).splitlines())
    text = f"class Price:\n    @property\n    def rate(self):\n{inner}\n"
    found = [line.partition(": ")[2] for line in tidiness.functions_are_short(snippet(text), {})]
    assert found == [
        "src/orbdo_server/core/example.py::Price.rate has 42 lines, 40 are allowed",
        "src/orbdo_server/core/example.py::Price.rate.rate has 41 lines, 40 are allowed",
    ]


def test_allowances_only_shrink() -> None:
    """An allowance that the code has outgrown downwards is lowered or taken away."""
    files = {module.path: module.lines for module in modules(*CODE_FOLDERS)}
    functions = {
        name: tidiness.length(function)
        for module in modules(*CODE_FOLDERS)
        for name, function in tidiness.functions(module)
    }
    assert_none(tidiness.unneeded_allowances(files, LONG_FILES, FILE_LINES_AIM))
    assert_none(tidiness.unneeded_allowances(functions, LONG_FUNCTIONS, FUNCTION_LINES_AIM))


def test_a_loose_allowance_is_caught() -> None:
    """Something gone, something short again, something shorter than allowed and a missing reason are each seen."""
    allowances = {
        "gone": Allowance(lines=450, reason="was a table"),
        "short": Allowance(lines=450, reason="was a table"),
        "shorter": Allowance(lines=450, reason="is a table"),
        "mute": Allowance(lines=450, reason=""),
    }
    lengths = {"short": 400, "shorter": 449, "mute": 450}
    assert list(tidiness.unneeded_allowances(lengths, allowances, FILE_LINES_AIM)) == [
        "gone: needs no allowance any more",
        "short: needs no allowance any more",
        "shorter: lower its allowance to 449",
        "mute: its allowance has no reason",
    ]


def test_every_module_says_what_it_is() -> None:
    """Every file of code begins with a docstring."""
    assert_none(violations(tidiness.module_has_docstring))


def test_a_module_without_docstring_is_caught() -> None:
    """A comment at the top is no docstring."""
    assert len(caught(tidiness.module_has_docstring, "# Prices.\nimport json\n")) == 1
    assert caught(tidiness.module_has_docstring, '"""Prices."""\n') == []


def test_every_test_says_the_behaviour() -> None:
    """Every test has a sentence that says what holds when it passes."""
    assert_none(violations(tidiness.tests_say_the_behaviour, "tests", "benchmarks"))


def test_a_test_without_a_sentence_is_caught() -> None:
    """A missing docstring and a label in its place are seen, in classes and in coroutines too."""
    text = 'class TestPrice:\n    async def test_a(self): ...\n\ndef test_b():\n    """Prices"""\n'
    assert len(caught(tidiness.tests_say_the_behaviour, text)) == 2
    assert caught(tidiness.tests_say_the_behaviour, 'def test_c():\n    """Zero usage costs zero."""\n') == []


def test_no_test_is_skipped_without_a_reason() -> None:
    """A test that is skipped or expected to fail says why."""
    assert_none(violations(tidiness.tests_are_not_skipped, "tests", "benchmarks"))


@pytest.mark.parametrize("mark", ["skip", "skipif(True)", "xfail(strict=True)"])
def test_a_skip_without_a_reason_is_caught(mark: str) -> None:
    """Each of the three marks is seen without a reason and allowed with one."""
    assert len(caught(tidiness.tests_are_not_skipped, f"@pytest.mark.{mark}\ndef test(): ...")) == 1
    assert (
        caught(tidiness.tests_are_not_skipped, "@pytest.mark.skip(reason='Windows has no fork')\ndef test(): ...") == []
    )


def test_no_leftovers() -> None:
    """No note to oneself in a comment, and no print or breakpoint in the packages."""
    assert_none(violations(tidiness.no_leftovers))


@pytest.mark.parametrize("text", ["x = 1  # TO" + "DO later", "# FIX" + "ME", "print('here')", "breakpoint()"])
def test_a_leftover_is_caught(text: str) -> None:
    """Each kind is seen; a console's own ``print`` is output."""
    assert len(caught(tidiness.no_leftovers, text)) == 1
    assert caught(tidiness.no_leftovers, "console.print('table')") == []


def test_exceptions_are_explained() -> None:
    """Whatever silences a tool names the code it silences and the reason."""
    assert_none(violations(tidiness.exceptions_are_explained))


@pytest.mark.parametrize(
    "comment",
    [
        "# type: ignore",
        "# type: ignore[arg-type]",
        "# type: ignore  # httpx types this as Any",
        "# pyright: ignore[reportCallIssue]",
        "# noqa",
        "# noqa: S608",
        "# noqa  # the table name is a constant",
        "# pragma: no cover",
        "# pragma: no branch",
    ],
)
def test_an_unexplained_exception_is_caught(comment: str) -> None:
    """A silenced tool without a code, or without a reason, is seen."""
    assert len(caught(tidiness.exceptions_are_explained, f"x = 1  {comment}\n")) == 1


@pytest.mark.parametrize(
    "comment",
    [
        "# type: ignore[arg-type, misc]  # httpx types this as Any",
        "# pyright: ignore[reportCallIssue] - a metaclass makes the call",
        "# noqa: S608, S603 - the table name is a constant",
        "# pragma: no cover - only Windows comes here",
        "# type: ignore[arg-type]  # not typed upstream  # noqa: S608 - a constant name",
    ],
)
def test_an_explained_exception_is_allowed(comment: str) -> None:
    """A code and a few words are enough, and one line may carry two."""
    assert caught(tidiness.exceptions_are_explained, f"x = 1  {comment}\n") == []


def test_names_say_something() -> None:
    """No class and no module is called Manager, Helper, Util, Service, Processor or Base."""
    assert_none(violations(tidiness.names_are_nouns_of_the_domain, "src"))


def test_an_empty_name_is_caught() -> None:
    """The words are seen at the end of a class and as a module."""
    assert len(caught(tidiness.names_are_nouns_of_the_domain, "class InvoiceService: ...\nclass Utils: ...")) == 2
    assert len(list(tidiness.names_are_nouns_of_the_domain(snippet("", "orbdo_server.engine._helpers")))) == 1
    assert caught(tidiness.names_are_nouns_of_the_domain, "class Database: ...\nclass ServiceLevel: ...") == []


def test_nothing_called_after_money_is_a_float() -> None:
    """Amounts, quantities and rates are no floats in any module of the packages."""
    assert_none(violations(tidiness.money_is_no_float, "src"))


@pytest.mark.parametrize(
    "text",
    [
        "def pay(unit_amount: float): ...",
        "total: float | None = None",
        "async def usage() -> float: ...",
        "self.fees: float",
    ],
)
def test_money_as_a_float_is_caught(text: str) -> None:
    """Parameters, fields and results are seen; seconds and a price's own ``accurate_seconds`` may be floats."""
    assert len(caught(tidiness.money_is_no_float, text)) == 1
    assert caught(tidiness.money_is_no_float, "def wait(timeout_seconds: float, accurate: float): ...") == []


def test_no_shared_file_names_a_machine() -> None:
    """No file that git keeps names a folder of somebody's machine or a package registry."""
    assert_none(line for path, text in _shared_texts() for line in tidiness.names_no_machine(path, text))


@pytest.mark.parametrize(
    "line",
    [
        *(f"open('/{folder}/x')" for folder in tidiness.MACHINE_FOLDERS),
        f"sqlite:////{tidiness.MACHINE_FOLDERS[0]}/orbdo.db",
        "https://mirror.example/sim{}/orbdo".format("ple"),
        "files.{}.org".format("pythonhosted"),
        "--extra-{} https://example.org".format("index-url"),
    ],
)
def test_a_machine_in_a_shared_file_is_caught(line: str) -> None:
    """Each folder and each form of a registry's address is seen."""
    assert len(list(tidiness.names_no_machine("README.md", f"fine\n{line}\n"))) == 1


def test_an_ordinary_address_names_no_machine() -> None:
    """Routes, relative paths and the option that leaves an address out are fine."""
    text = "GET /v1/work/1\n../work/x\nhttps://example.org/home/x\nuv pip compile --no-emit-index-url\n"
    assert list(tidiness.names_no_machine("README.md", text)) == []


def _shared_texts() -> Iterator[tuple[str, str]]:
    for path in shared_files():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
