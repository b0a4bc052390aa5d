"""Conditions on one event, held against a real DuckDB; which of the six events meet them was worked out by hand."""

import duckdb
import pytest

from orbdo_server.core.metrics import InvalidMetricError, duckdb_condition, parse_condition
from orbdo_server.core.metrics.limits import CONDITION_CHARACTERS_MAX, PROPERTIES_MAX

# condition, the numbers of the events of the trace in ``conftest`` that meet it
MET: list[tuple[str, list[int]]] = [
    ("tokens > 99 AND model = 'a'", [0]),
    ("tokens > 99", [0, 1]),
    ("NOT tokens > 99", [2]),
    ("tokens IS NULL", [5]),
    ("is_cached", [1, 4]),
    ("is_cached = FALSE", [0]),
    ("ms * gb > 124.9", [0, 1]),
    ("event_name = 'none' OR properties.model LIKE 'b%'", [1]),
    ("timestamp >= TIMESTAMP '2024-01-01 04:00:00'", [4, 5]),
    ("idempotency_key = 'key-3'", [3]),
    ("coalesce(gb, 100) = 100", [3, 4]),
    ("TRUE", [0, 1, 2, 3, 4, 5]),
    ("nothing = 'x'", []),
    ("NOT nothing = 'x'", []),
]


@pytest.mark.usefixtures("trace")
@pytest.mark.parametrize(("text", "expected"), MET)
def test_a_condition_holds_for_the_events_that_meet_it(
    database: duckdb.DuckDBPyConnection, text: str, expected: list[int]
) -> None:
    """An event of which it cannot be told does not meet it, and neither does it meet the opposite."""
    condition = duckdb_condition(parse_condition(text))
    rows = database.execute(f"SELECT idempotency_key, {condition} FROM events ORDER BY timestamp").fetchall()
    assert [int(key.removeprefix("key-")) for key, is_met in rows if is_met] == expected
    assert {type(is_met) for _, is_met in rows} == {bool}


EMPTY = "line 1, column 1: the condition is empty; compare a property: tokens > 100"
REFUSED = [
    ("", EMPTY),
    (" \n ", EMPTY),
    ("SELECT tokens > 1 FROM events", "line 1, column 1: a SELECT; write what would stand after its WHERE"),
    ("sum(tokens) > 1", "line 1, column 1: sum() inside an aggregate or a condition; aggregate events only once"),
    ("tokens + 1", "line 1, column 1: a number, where true or false belongs; change either"),
    ("tokens > 1; x", "line 1, column 11: a second statement; a metric is one SELECT or one aggregate"),
    (
        "tokens > 1 > 2",
        "line 1, column 1: a chain of comparisons; put the inner one in parentheses, or join them with AND",
    ),
    ("tokens > 1 FROM events", None),
    ("tokens > 1 WHERE TRUE", None),
    ("tokens IN (SELECT 1)", None),
    ("tokens > 1 AND " + "(" * 400 + "TRUE" + ")" * 400, None),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED)
def test_what_is_no_condition_is_refused_with_its_place(text: str, problem: str | None) -> None:
    """Also an aggregate, a statement, and a value that is neither true nor false."""
    with pytest.raises(InvalidMetricError) as caught:
        parse_condition(text)
    assert problem in {None, caught.value.message}


def test_the_properties_of_a_condition_are_bounded() -> None:
    """As many as a metric may read, and not one more."""
    names = [f"p{number} IS NULL" for number in range(PROPERTIES_MAX + 1)]
    parse_condition(" OR ".join(names[:-1]))
    with pytest.raises(InvalidMetricError, match="65 properties; at most 64"):
        parse_condition(" OR ".join(names))


def test_a_condition_that_is_too_long_once_written_out_is_refused() -> None:
    """A product fits, a quotient does not; the text never grows past its bound on the way there."""
    assert len(duckdb_condition(parse_condition("a * b > 5"))) <= CONDITION_CHARACTERS_MAX
    for text in ("a / b > 5", "a * b * c > 5", " / ".join("abcdefghijklmnopqrstuvw") + " > 5"):
        with pytest.raises(InvalidMetricError, match="too many products and quotients in each other; write it flatter"):
            duckdb_condition(parse_condition(text))


@pytest.mark.parametrize(("names", "fits"), [(14, True), (15, False)])
def test_the_bound_of_a_written_condition(names: int, fits: bool) -> None:
    """So many comparisons of numbers fit, and one more does not."""
    condition = parse_condition(" AND ".join(f"a > {number}" for number in range(names)))
    if fits:
        assert len(duckdb_condition(condition)) <= CONDITION_CHARACTERS_MAX + len("coalesce(, FALSE)")
    else:
        with pytest.raises(InvalidMetricError):
            duckdb_condition(condition)
