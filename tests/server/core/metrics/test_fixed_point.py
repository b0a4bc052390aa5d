"""The arithmetic of metrics in DuckDB against exact arithmetic in Python, on awkward values and on random ones."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from orbdo_server.core.metrics import duckdb_select, parse_metric
from tests.server.core.metrics.conftest import Add, Measure

WIDE = Context(prec=120, rounding=ROUND_HALF_UP)
STEP = Decimal("1E-12")
SLOW_FIXTURE = [HealthCheck.function_scoped_fixture]

# JSON value of the property, what sum reads from it (None: it is no number)
READ: list[tuple[str, str | None]] = [
    ("1", "1"),
    ("-3", "-3"),
    ("0.1", "0.1"),
    ("-0.0", "0"),
    ("1234567890.12345", "1234567890.12345"),
    ("123456789.123456", "123456789.123456"),
    ("0.000001234567", "0.000001234567"),
    ("9007199254740993", "9007199254740993"),
    ("-9007199254740993", "-9007199254740993"),
    ("18446744073709551615", "18446744073709551615"),
    ("1.5e20", "150000000000000000000"),
    ("1e25", "10000000000000000000000000"),
    ("1e26", None),
    ("1e-13", "0"),
    ("5e-13", "0.000000000001"),
    ("0.1234567890125", "0.123456789013"),
    ("-0.1234567890125", "-0.123456789013"),
    ("0.30000000000000004", "0.3"),
    ('"12.345678901234567890"', "12.345678901235"),
    ('"12345678901234567890123456.123456789012"', "12345678901234567890123456.123456789012"),
    ('"123456789012345678901234567"', None),
    ('" 7 "', "7"),
    ('"+5"', "5"),
    ('"1e3"', "1000"),
    ('"abc"', None),
    ('""', None),
    ('"NaN"', None),
    ('"Infinity"', None),
    ('"true"', None),
    ('"12 apples"', None),
    ("true", None),
    ("false", None),
    ("null", None),
    ("[1]", None),
    ('{"a": 1}', None),
]


@pytest.mark.parametrize(("value", "expected"), READ, ids=[value for value, _ in READ])
def test_a_property_is_read_exactly_or_not_at_all(add: Add, measure: Measure, value: str, expected: str | None) -> None:
    """Integers, the shortest text of a double and texts that are numbers; 12 decimals, half away from zero."""
    add(f'{{"x": {value}}}')
    quantity, counted, skipped, _ = measure("sum(x)")
    assert (quantity, counted, skipped) == ((Decimal(expected), 1, 0) if expected else (None, 0, 1))


def test_a_tenth_ten_times_is_one(add: Add, measure: Measure) -> None:
    """Sums of decimal fractions are exact."""
    for _ in range(10):
        add('{"x": 0.1}')
    assert measure("sum(x)")[0] == Decimal(1)
    assert measure("avg(x)")[0] == Decimal("0.1")
    assert measure("count(*) FILTER (WHERE x = 0.1)")[0] == 10


def test_the_reading_does_not_depend_on_how_the_events_are_stored(tmp_path: Path) -> None:
    """A checkpoint takes the properties apart into columns, and the numbers stay what they were."""
    values = ["42", '"1.5"', "0.25", "true", "null", "-3", "18446744073709551615"]
    events = [f'{{"whole": {number}, "x": {values[number % 7]}}}' for number in range(7000)]
    with duckdb.connect(tmp_path / "log.duckdb") as database:
        database.execute("CREATE TABLE events (properties VARIANT)")
        database.execute("INSERT INTO events SELECT unnest(?::VARCHAR[])::JSON::VARIANT", [events])
        sql = duckdb_select(parse_metric("sum(x * 2) - max(whole)"))
        before = database.execute(sql).fetchall()
        database.execute("CHECKPOINT")
        after = database.execute(sql).fetchall()
    # 1,000 times twice (42 + 1.5 + 0.25 - 3 + 18446744073709551615), less 6,999.
    assert before == after == [(Decimal(36893488147419103304501), 5000, 2000, 1000)]


def test_integers_beyond_a_double_survive_a_sum(add: Add, measure: Measure) -> None:
    """2^53 + 1 twice is 2^54 + 2."""
    for _ in range(2):
        add('{"x": 9007199254740993}')
    assert measure("sum(x)")[0] == 18014398509481986


# expression, value of a, value of b, result (None: skipped)
COMPUTED: list[tuple[str, str, str, str | None]] = [
    ("a * b", "0.1", "0.1", "0.01"),
    ("a * b", "0.000001", "0.000001", "0.000000000001"),
    ("a * b", "0.0000007", "0.0000007", "0"),
    ("a * b", "0.0000008", "0.0000008", "0.000000000001"),
    ("a * b", '"-0.5"', '"0.000000000001"', "-0.000000000001"),
    ("a * b", "999999999999", "999999999999", "999999999998000000000001"),
    ("a * b", "1000000500000", "4000000", "4000002000000000000"),
    ("a * b", '"1234567890123.5"', '"1000000000000.25"', "1234567890123808641972530.875"),
    ("a * b", "1e13", "1e13", None),
    ("a * b * a", "1000", "0.5", "500000"),
    ("a * 1000", "0.1", "0", "100"),
    ("a * 0.000000000001", "1", "0", "0.000000000001"),
    ("a / b", "1", "3", "0.333333333333"),
    ("a / b", "2", "3", "0.666666666667"),
    ("a / b", "-2", "3", "-0.666666666667"),
    ("a / b", "2", "-3", "-0.666666666667"),
    ("a / b", "1", "2000000000000", "0.000000000001"),
    ("a / b", "-1", "2000000000000", "-0.000000000001"),
    ("a / b", "1", "2000000000001", "0"),
    ("a / b", '"99999999999999999999999999"', "1", "99999999999999999999999999"),
    ("a / b", '"99999999999999999999999999"', "7", "14285714285714285714285714.142857142857"),
    ("a / b", "1e25", '"0.01"', None),
    ("a / b", "1", "9999999999999999999", "0"),
    ("a / b", "1", "1e19", None),
    ("a / b", "1", "0", None),
    ("a / 1024", "1", "0", "0.000976562500"),
    ("a / b * b", "1", "3", "0.999999999999"),
    ("a + b", '"99999999999999999999999999"', "1", None),
    ("a - b", '"-99999999999999999999999999"', "1", None),
    ("-a - b", "0.3", "-0.1", "-0.2"),
]


@pytest.mark.parametrize("case", COMPUTED)
def test_arithmetic_is_exact_to_twelve_decimals(
    add: Add, measure: Measure, case: tuple[str, str, str, str | None]
) -> None:
    """Sums are exact, products and quotients are rounded half away from zero, and what does not fit is skipped."""
    expression, a, b, expected = case
    add(f'{{"a": {a}, "b": {b}}}')
    expected_reading = (None, 0, 1, 0) if expected is None else (Decimal(expected), 1, 0, 0)
    assert measure(f"sum({expression})") == expected_reading
    assert measure(f"sum(a * 0 + ({expression}))") == expected_reading


def test_a_ratio_of_aggregates_is_rounded_once(add: Add, measure: Measure) -> None:
    """Only the quotient is rounded, not what it is made of."""
    for value in ("1", "1", "0"):
        add(f'{{"x": {value}}}')
    assert measure("sum(x) / count(*)")[0] == Decimal("0.666666666667")
    assert measure("avg(x) * 3")[0] == Decimal("2.000000000001")


def rounded(value: Decimal) -> Decimal | None:
    """To 12 decimals, half away from zero; None beyond 26 digits."""
    if abs(value) >= Decimal("1E26"):
        return None
    at_scale = WIDE.quantize(value, STEP)
    return at_scale if abs(at_scale) < Decimal("1E26") else None


def computed(database: duckdb.DuckDBPyConnection, sql: str, pairs: Sequence[tuple[Decimal, Decimal]]) -> list[object]:
    """The metric over each pair of texts, one event a group."""
    database.execute("DELETE FROM events")
    rows = ", ".join(
        f"""('{{"a": "{a:f}", "b": "{b:f}", "row": {row}}}'::JSON::VARIANT)""" for row, (a, b) in enumerate(pairs)
    )
    database.execute(f"INSERT INTO events (properties) VALUES {rows}")
    readings = database.execute(duckdb_select(parse_metric(sql), ["row"])).fetchall()
    return [quantity for _, quantity, *_ in sorted(readings, key=lambda reading: int(reading[0]))]


decimals = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places, context=WIDE),
    st.integers(-(10**20), 10**20) | st.integers(-2000, 2000),
    st.integers(0, 12),
)
pairs_of_decimals = st.lists(st.tuples(decimals, decimals), min_size=1, max_size=20)


@settings(suppress_health_check=SLOW_FIXTURE, max_examples=40)
@given(pairs=pairs_of_decimals)
def test_products_are_the_rounded_exact_products(
    database: duckdb.DuckDBPyConnection, pairs: list[tuple[Decimal, Decimal]]
) -> None:
    """Whatever the digits, a product is what exact arithmetic rounds to, or is skipped."""
    assert computed(database, "sum(a * b)", pairs) == [rounded(WIDE.multiply(a, b)) for a, b in pairs]


@settings(suppress_health_check=SLOW_FIXTURE, max_examples=40)
@given(pairs=pairs_of_decimals)
def test_quotients_are_the_rounded_exact_quotients(
    database: duckdb.DuckDBPyConnection, pairs: list[tuple[Decimal, Decimal]]
) -> None:
    """Whatever the digits, a quotient is what exact arithmetic rounds to, or is skipped."""
    expected = [rounded(WIDE.divide(a, b)) if b != 0 and abs(b) < Decimal("1E19") else None for a, b in pairs]
    assert computed(database, "sum(a / b)", pairs) == expected


@settings(suppress_health_check=SLOW_FIXTURE, max_examples=40)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_a_double_is_read_by_its_shortest_text(database: duckdb.DuckDBPyConnection, values: list[float]) -> None:
    """The number is the one that people see, not the binary value behind it."""
    database.execute("DELETE FROM events")
    rows = ", ".join(f"""('{{"x": {value!r}, "row": {row}}}'::JSON::VARIANT)""" for row, value in enumerate(values))
    database.execute(f"INSERT INTO events (properties) VALUES {rows}")
    readings = database.execute(duckdb_select(parse_metric("sum(x)"), ["row"])).fetchall()
    quantities = [quantity for _, quantity, *_ in sorted(readings, key=lambda reading: int(reading[0]))]
    assert quantities == [rounded(Decimal(repr(value))) for value in values]
