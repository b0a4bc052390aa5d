"""The arrows between the layers and the purity of the core, each rule on the whole of the source and on a violation.

A rule that finds nothing proves little, so each is shown code that breaks it as well.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.support import arrows, purity, tenancy
from tests.support.source import Module, assert_none, modules, snippet

Rule = Callable[[Module], Iterator[str]]


def violations(rule: Rule) -> list[str]:
    """What the rule finds in the two packages."""
    return [found for module in modules("src") for found in rule(module)]


def caught(rule: Rule, text: str, name: str = "orbdo_server.core.example") -> list[str]:
    """What the rule finds in a snippet, without its place."""
    return [found.partition(": ")[2] for found in rule(snippet(text, name))]


def test_the_source_is_found() -> None:
    """The rules look at both packages: a rule over nothing would hold for ever."""
    names = {module.name for module in modules("src")}
    assert {"orbdo_sdk", "orbdo_sdk.wire", "orbdo_server", "orbdo_server.core"} <= names


def test_server_layers_import_downwards_only() -> None:
    """No layer of the server imports from one above it."""
    assert_none(violations(arrows.imports_point_down))


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("orbdo_server.core.money", "from orbdo_server.storage import customers"),
        ("orbdo_server.core.money", "from orbdo_server import engine"),
        ("orbdo_server.core.money", "from orbdo_server.settings import Settings"),
        ("orbdo_server.core.prices", "from ..engine import rating"),
        ("orbdo_server.storage.customers", "import orbdo_server.engine.ingest"),
        ("orbdo_server.engine.ingest", "from orbdo_server.api import endpoints"),
        ("orbdo_server.api.ingest", "def handler():\n    from orbdo_server.app import create_app"),
        ("orbdo_server.app", "import importlib\nimportlib.import_module('orbdo_server.cli')"),
        ("orbdo_server.commands.serve", "from orbdo_server.cli import main"),
    ],
)
def test_an_import_upwards_is_caught(importer: str, text: str) -> None:
    """Every layer's import from above is seen, relative, nested and by name too."""
    [found] = caught(arrows.imports_point_down, text, importer)
    assert found.endswith("which is above it")


def test_imports_downwards_and_sideways_are_allowed() -> None:
    """A layer may import from itself, from those below and from elsewhere."""
    text = (
        "import json\nfrom orbdo_server.engine import rating\nfrom orbdo_server.core import money\nfrom . import ingest"
    )
    assert caught(arrows.imports_point_down, text, "orbdo_server.engine.invoicing") == []


def test_a_module_in_no_layer_is_caught() -> None:
    """A new part of the server has to be given its place before anything may import it."""
    assert caught(arrows.imports_point_down, "", "orbdo_server.sundries.example") == [
        "is in no layer: name it in tests/support/arrows.py"
    ]


def test_the_client_never_imports_the_server() -> None:
    """Nobody who installs the client needs the server."""
    assert_none(violations(arrows.sdk_stands_alone))


def test_a_client_that_imports_the_server_is_caught() -> None:
    """An import inside a function counts as much as one at the top."""
    text = "def embedded():\n    from orbdo_server.app import create_app\n    return create_app"
    assert caught(arrows.sdk_stands_alone, text, "orbdo_sdk.client.orb") == [
        "imports orbdo_server.app.create_app: the client knows no server"
    ]


def test_the_server_shares_nothing_but_the_wire_with_the_client() -> None:
    """Commands and the CLI are users of the client; every other server module sees its wire types only."""
    assert_none(violations(arrows.server_shares_the_wire_only))


def test_a_server_that_imports_the_client_is_caught() -> None:
    """The wire may be imported from either end of its name, the rest of the client may not."""
    text = "from orbdo_sdk import Orb, wire\nfrom orbdo_sdk.wire import Page"
    assert caught(arrows.server_shares_the_wire_only, text, "orbdo_server.api.invoices") == [
        "imports orbdo_sdk.Orb: the server shares orbdo_sdk.wire and nothing else"
    ]
    assert caught(arrows.server_shares_the_wire_only, text, "orbdo_server.commands.demo") == []


def test_the_wire_imports_nothing_of_the_project() -> None:
    """What both sides share depends on neither."""
    assert_none(violations(arrows.wire_stands_alone))


def test_a_wire_that_imports_the_client_is_caught() -> None:
    """Even the client's own errors are out of reach for the wire."""
    assert caught(arrows.wire_stands_alone, "from ..errors import OrbdoError", "orbdo_sdk.wire.billing") == [
        "imports orbdo_sdk.errors.OrbdoError: the wire knows nothing but itself"
    ]


def test_database_drivers_and_tables_stay_in_storage() -> None:
    """No server module outside storage can reach a row without a function of storage."""
    assert_none(violations(arrows.drivers_stay_in_storage))


@pytest.mark.parametrize(
    "text", ["import duckdb", "from sqlalchemy import select", "from orbdo_server.storage.tables import invoices"]
)
def test_a_driver_outside_storage_is_caught(text: str) -> None:
    """A driver, a statement builder and the tables are each seen; handing a connection on is not."""
    assert len(caught(arrows.drivers_stay_in_storage, text, "orbdo_server.engine.invoicing")) == 1
    assert caught(arrows.drivers_stay_in_storage, text, "orbdo_server.storage.invoices") == []
    assert caught(arrows.drivers_stay_in_storage, "from sqlalchemy import Connection", "orbdo_server.engine.x") == []


def test_no_statement_outside_storage() -> None:
    """Neither the engine nor the API writes or runs SQL of its own."""
    assert_none(violations(purity.statements_stay_in_storage))


@pytest.mark.parametrize(
    "text",
    [
        "QUERY = 'SELECT id FROM invoices'",
        "QUERY = f'DELETE FROM invoices WHERE id = {1}'",
        "QUERY = '''\n  update invoices\n  set paid = 1'''".upper(),
        "def list_invoices(connection):\n    return connection.execute(invoices)",
    ],
)
def test_a_statement_outside_storage_is_caught(text: str) -> None:
    """A statement is seen in a plain, a formatted and a long string, and where a built one is run."""
    assert len(caught(purity.statements_stay_in_storage, text, "orbdo_server.engine.invoicing")) == 1


def test_a_statement_in_a_docstring_is_prose() -> None:
    """An example of a metric in a docstring touches no table."""
    text = '"""SELECT sum(tokens) FROM events counts tokens."""'
    assert caught(purity.statements_stay_in_storage, text, "orbdo_server.engine.metering") == []


def test_the_core_imports_pure_modules_only() -> None:
    """The core, the wire and the client's decisions import nothing with a clock, randomness or I/O."""
    assert_none(violations(purity.pure_code_imports_pure_modules))


@pytest.mark.parametrize(
    "name",
    [
        *("asyncio", "duckdb", "httpx", "io", "logging", "numpy", "os", "os.path", "pathlib", "random", "secrets"),
        *("socket", "sqlalchemy", "sqlite3", "subprocess", "tempfile", "threading", "time", "uuid", "uuid_utils"),
    ],
)
def test_an_impure_import_in_the_core_is_caught(name: str) -> None:
    """Each way to a clock, to chance or to the outside is refused; other layers may use it."""
    assert caught(purity.pure_code_imports_pure_modules, f"import {name}") == [
        f"imports {name}: pure code has no clock, randomness or I/O"
    ]
    assert caught(purity.pure_code_imports_pure_modules, f"import {name}", "orbdo_server.engine.example") == []


def test_the_core_reads_no_clock() -> None:
    """The present is an argument of every core function that needs it."""
    assert_none(violations(purity.pure_code_reads_no_clock))


@pytest.mark.parametrize("text", ["datetime.now(UTC)", "datetime.datetime.utcnow()", "date.today()", "f(datetime.now)"])
def test_a_clock_in_the_core_is_caught(text: str) -> None:
    """A clock is seen when it is called and when it is passed on; ``at.date()`` and an argument ``now`` are none."""
    assert len(caught(purity.pure_code_reads_no_clock, text)) == 1
    assert caught(purity.pure_code_reads_no_clock, "def due(now):\n    return self.now, now.date()") == []


def test_the_core_calls_nothing_impure() -> None:
    """The core opens, prints and evaluates nothing, and depends on no hash of this process."""
    assert_none(violations(purity.pure_code_calls_nothing_impure))


@pytest.mark.parametrize("name", ["open", "print", "input", "eval", "exec", "hash", "id"])
def test_an_impure_call_in_the_core_is_caught(name: str) -> None:
    """Each forbidden built-in is seen; a method of the same name is somebody else's."""
    assert caught(purity.pure_code_calls_nothing_impure, f"{name}('x')") == [f"calls {name}()"]
    assert caught(purity.pure_code_calls_nothing_impure, f"period.{name}('x')") == []


def test_the_core_never_awaits() -> None:
    """Nothing in the core is asynchronous."""
    assert_none(violations(purity.pure_code_never_awaits))


@pytest.mark.parametrize(
    "text",
    ["async def rate(): ...", "[x async for x in pages]", "{x: x async for x in pages}"],
)
def test_something_asynchronous_in_the_core_is_caught(text: str) -> None:
    """A coroutine function and an asynchronous comprehension are both seen."""
    assert caught(purity.pure_code_never_awaits, text) == ["is asynchronous"]


def test_no_float_in_the_core_or_on_the_wire() -> None:
    """No float is written, made or declared where money and quantities are."""
    assert_none(violations(purity.no_float_near_money))
    assert_none(violations(purity.quoted_float_annotations))


@pytest.mark.parametrize(
    "text", ["tax = 0.19", "ratio = float(part)", "def pay(amount: float): ...", "x: list[float] = []", "y = 1j"]
)
def test_a_float_near_money_is_caught(text: str) -> None:
    """A literal, a call and an annotation are each seen, in the core and on the wire."""
    assert len(caught(purity.no_float_near_money, text)) == 1
    assert len(caught(purity.no_float_near_money, text, "orbdo_sdk.wire.billing")) == 1
    assert caught(purity.no_float_near_money, text, "orbdo_sdk.client.transport") == []


@pytest.mark.parametrize("text", ["def pay(amount: 'float'): ...", "def paid() -> 'float | None': ...", "x: 'float'"])
def test_a_float_in_quotes_is_caught(text: str) -> None:
    """An annotation in quotes hides no float."""
    assert caught(purity.quoted_float_annotations, text) == ["declares a float in quotes"]


def test_refusing_a_float_is_allowed() -> None:
    """The core may name float to turn it away."""
    text = "def amount(value):\n    if isinstance(value, (bool, float)):\n        raise TypeError"
    assert caught(purity.no_float_near_money, text) == []


def test_rounding_has_one_place() -> None:
    """Only the money module of the core rounds an amount."""
    assert_none(violations(purity.rounding_has_one_place))


def test_rounding_elsewhere_is_caught() -> None:
    """``quantize`` that may lose digits is refused in every server module, the built-in ``round`` in the core."""
    text = "a = amount.quantize(cent)\nb = round(amount, 2)\nc = amount.quantize(one, context=EXACT)"
    assert len(caught(purity.rounding_has_one_place, text)) == 2
    assert len(caught(purity.rounding_has_one_place, text, "orbdo_server.engine.invoicing")) == 1
    assert caught(purity.rounding_has_one_place, text, "orbdo_server.core.money") == []


def test_the_environment_has_one_reader_in_each_package() -> None:
    """The settings of the server and of the client read the environment, the demo hands it on, nothing else does."""
    assert_none(violations(purity.environment_has_one_reader))
    assert set(purity.ENVIRONMENT_READERS) <= {module.name for module in modules("src")}


@pytest.mark.parametrize("text", ["import os\nos.environ['X']", "import os\nos.getenv('X')", "from os import environ"])
def test_another_reader_of_the_environment_is_caught(text: str) -> None:
    """Each way to the environment is seen, in the client and in the server."""
    assert len(caught(purity.environment_has_one_reader, text, "orbdo_sdk.client.orb")) == 1
    assert len(caught(purity.environment_has_one_reader, text, "orbdo_server.engine.ingest")) == 1
    assert caught(purity.environment_has_one_reader, text, "orbdo_server.settings") == []


def test_storage_demands_a_tenant() -> None:
    """No function of storage reads or writes rows without being told whose they are."""
    assert_none(violations(tenancy.storage_demands_a_tenant))
    assert_none(tenancy.needless_exemptions(*modules("src")))


@pytest.mark.parametrize(
    ("signature", "complaints"),
    [
        ("get(connection: Connection, *, plan_id: str)", 1),
        ("get_many(connection: sqlalchemy.Connection, ids: list[str], at: Decimal)", 1),
        ("get(connection: Connection, *, tenant: str, plan_id: str)", 0),
        ("insert(connection: Connection, plan: Plan)", 0),
        ("_plan(connection: Connection, row: Row)", 0),
        ("page_of(rows: list[str])", 0),
    ],
)
def test_a_store_that_asks_for_no_tenant_is_caught(signature: str, complaints: int) -> None:
    """A public function with a connection needs a tenant or a value that belongs to one."""
    found = caught(tenancy.storage_demands_a_tenant, f"def {signature}: ...", "orbdo_server.storage.plans")
    assert len(found) == complaints


def test_a_needless_exemption_is_caught() -> None:
    """An exemption goes when its function goes, or when it demands a tenant after all."""
    stores = [
        snippet("def last(connection: Connection): ...", "orbdo_server.storage.audit_entries"),
        snippet("def read_state(connection: Connection, *, tenant: str): ...", "orbdo_server.storage.tenants"),
    ]
    found = list(tenancy.needless_exemptions(*stores))
    assert "audit_entries.last: needs no exemption" not in found
    assert "tenants.read_state: needs no exemption" in found
    assert "api_keys.find_by_hash: needs no exemption" in found
