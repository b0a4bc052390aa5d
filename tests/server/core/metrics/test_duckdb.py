"""Metrics measured by a real DuckDB; every expected number was worked out by hand from the trace in ``conftest``."""

from decimal import Decimal

import duckdb
import pytest

from orbdo_server.core.metrics import InvalidGroupError, duckdb_select, parse_metric
from tests.server.core.metrics.conftest import Add, Measure

# sql, (quantity, events_counted, events_skipped, events_missing)
MEASURED: list[tuple[str, tuple[str | None, int, int, int]]] = [
    ("SELECT count(*) FROM events", ("6", 6, 0, 0)),
    ("SELECT count(*) FROM events WHERE event_name = 'llm_request'", ("5", 5, 0, 0)),
    ("SELECT sum(tokens) FROM events WHERE event_name = 'llm_request'", ("362.5", 3, 2, 0)),
    ("select SUM(tokens) as total from EVENTS where EVENT_NAME = 'llm_request';", ("362.5", 3, 2, 0)),
    ("sum(tokens)", ("362.5", 3, 3, 1)),
    ("sum(properties.tokens)", ("362.5", 3, 3, 1)),
    ("sum(properties['tokens'])", ("362.5", 3, 3, 1)),
    ('sum(events.properties."tokens")', ("362.5", 3, 3, 1)),
    ("sum(events.tokens)", ("362.5", 3, 3, 1)),
    ("sum(Tokens)", (None, 0, 6, 6)),
    ("count(tokens)", ("5", 5, 1, 1)),
    ("count(model)", ("5", 5, 1, 1)),
    ("count(customer_id)", ("1", 1, 5, 0)),
    ("count(DISTINCT model)", ("3", 5, 1, 1)),
    ("count(DISTINCT external_customer_id)", ("2", 5, 1, 0)),
    ("count(DISTINCT gb * 0)", ("1", 4, 2, 2)),
    ("count(DISTINCT timestamp)", ("6", 6, 0, 0)),
    ("count(is_cached = 'true')", ("3", 3, 3, 3)),
    ("count(DISTINCT coalesce(model, note))", ("3", 5, 1, 1)),
    ("count(CASE WHEN gb > 1 THEN model ELSE note END)", ("2", 2, 4, 4)),
    ("min(gb)", ("-7.5", 4, 2, 2)),
    ("max(gb)", ("2", 4, 2, 2)),
    ("avg(tokens)", ("120.833333333333", 3, 3, 1)),
    ("avg(tokens) FILTER (WHERE tokens > 50)", ("175", 2, 0, 0)),
    ("max(timestamp_millis)", ("1704085200000", 6, 0, 0)),
    ("sum(ms * gb)", ("2135", 3, 3, 3)),
    ("sum(ms * gb) / 1000", ("2.135", 3, 3, 3)),
    ("sum(ms / gb)", ("1160", 3, 3, 3)),
    ("sum(ms - gb + 1)", ("1290.25", 3, 3, 3)),
    ("sum(-gb)", ("4.75", 4, 2, 2)),
    ("sum(gb * -2)", ("9.5", 4, 2, 2)),
    ("sum((ms + 10) * (gb + 0.5))", ("2822.5", 3, 3, 3)),
    ("sum(ms) / count(*)", ("215", 3, 3, 3)),
    ("sum(ms) * 2 - max(gb) + avg(gb)", ("2576.8125", 3, 3, 3)),
    ("sum(ms) / (count(*) - 6)", (None, 3, 3, 3)),
    ("CASE WHEN count(*) > 5 THEN sum(ms) ELSE 0 END", ("1290", 3, 3, 3)),
    ("coalesce(sum(nothing), 7)", ("7", 0, 6, 6)),
    ("sum(nothing)", (None, 0, 6, 6)),
    ("sum(1)", ("6", 6, 0, 0)),
    ("sum(2 * 3)", ("36", 6, 0, 0)),
    ("SELECT count(*) FROM events WHERE TRUE", ("6", 6, 0, 0)),
    ("SELECT count(*) FROM events WHERE event_name = 'none'", ("0", 0, 0, 0)),
    ("SELECT sum(tokens) FROM events WHERE event_name = 'none'", (None, 0, 0, 0)),
    ("sum(tokens) FILTER (WHERE model = 'a')", ("112.5", 2, 1, 0)),
    ("sum(tokens) FILTER (WHERE model = 'a') + sum(tokens) FILTER (WHERE model = 'b')", ("362.5", 3, 1, 0)),
    ("count(*) FILTER (WHERE is_cached)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE NOT is_cached)", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE is_cached = TRUE)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE is_cached <> FALSE)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE tokens > 12.4)", ("3", 3, 0, 0)),
    ("count(*) FILTER (WHERE tokens <= 100)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE tokens < 12.5)", ("0", 0, 0, 0)),
    ("count(*) FILTER (WHERE tokens >= 12.5)", ("3", 3, 0, 0)),
    ("count(*) FILTER (WHERE tokens != 100)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE tokens = '100')", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE tokens BETWEEN 12.5 AND 100)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE tokens NOT BETWEEN 12.5 AND 100)", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE gb BETWEEN is_cached AND ms)", ("0", 0, 0, 0)),
    ("count(*) FILTER (WHERE model IN ('a', 'c'))", ("4", 4, 0, 0)),
    ("count(*) FILTER (WHERE model NOT IN ('a', 'c'))", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE gb IN (2, -7.5))", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE is_cached IN (FALSE))", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE model IS NULL)", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE model IS NOT NULL)", ("5", 5, 0, 0)),
    ("count(*) FILTER (WHERE (gb + 1) IS NULL)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE coalesce(model, note) IS NULL)", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE note LIKE '100\\%%')", ("0", 0, 0, 0)),
    ("count(*) FILTER (WHERE note LIKE '100_ ''sure''')", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE event_name NOT LIKE 'llm%')", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE model = 'b' OR gb < 0 AND tokens IS NULL)", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE (model = 'b' OR gb < 0) AND tokens IS NULL)", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE timestamp >= '2024-01-01T05:00:00+02:00')", ("3", 3, 0, 0)),
    ("count(*) FILTER (WHERE timestamp < TIMESTAMP '2024-01-01 01:00:00')", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE timestamp >= DATE '2024-01-02')", ("0", 0, 0, 0)),
    ("count(*) FILTER (WHERE timestamp IN ('2024-01-01 01:00', '2024-01-01 02:00'))", ("2", 2, 0, 0)),
    ("count(*) FILTER (WHERE timestamp_millis = 1704067200000)", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE idempotency_key = 'key-0')", ("1", 1, 0, 0)),
    ("count(*) FILTER (WHERE model = note)", ("0", 0, 0, 0)),
    ("count(*) FILTER (WHERE tokens < ms)", ("3", 3, 0, 0)),
    ("count(*) FILTER (WHERE CAST(tokens AS DECIMAL(38, 12)) = CAST(ms AS DECIMAL(38, 12)))", ("0", 0, 0, 0)),
    ("count(*) FILTER (WHERE is_cached::BOOLEAN = (gb::VARCHAR = '2'))", ("2", 2, 0, 0)),
    ("sum(CASE WHEN model = 'a' THEN tokens END)", ("112.5", 2, 1, 0)),
    ("sum(CASE WHEN model = 'a' THEN tokens ELSE NULL END)", ("112.5", 2, 1, 0)),
    ("sum(CASE WHEN model = 'a' THEN tokens ELSE 0 END)", ("112.5", 5, 1, 0)),
    ("sum(CASE WHEN model = 'a' THEN tokens ELSE gb END)", ("107", 4, 2, 1)),
    ("sum(CASE WHEN is_cached THEN 1 ELSE 0 END)", ("2", 6, 0, 0)),
    ("sum(CASE model WHEN 'a' THEN 1 WHEN 'b' THEN 10 END)", ("13", 4, 0, 0)),
    ("sum(2 * CASE WHEN model = 'a' THEN tokens END)", ("225", 2, 1, 0)),
    ("sum(-CASE WHEN model = 'a' THEN tokens END)", ("-112.5", 2, 1, 0)),
    ("sum(coalesce(CASE WHEN model = 'a' THEN tokens END, ms))", ("1112.5", 3, 3, 2)),
    ("count(CASE WHEN is_cached THEN model END = 'b')", ("2", 2, 4, 0)),
    ("sum(coalesce(tokens, 1))", ("363.5", 4, 2, 0)),
    ("sum(coalesce(tokens, gb))", ("355", 4, 2, 0)),
    ("sum(coalesce(ms * gb, 1))", ("2138", 6, 0, 0)),
    ("sum(CASE WHEN coalesce(is_cached, FALSE) THEN 1 ELSE 0 END)", ("2", 6, 0, 0)),
]


@pytest.mark.usefixtures("trace")
@pytest.mark.parametrize(("sql", "expected"), MEASURED, ids=[sql for sql, _ in MEASURED])
def test_a_metric_gives_the_number_and_says_which_events_it_could_not_use(
    measure: Measure, sql: str, expected: tuple[str | None, int, int, int]
) -> None:
    """The quantity is exact, and every event it leaves out against its will is counted beside it."""
    quantity, *counts = expected
    assert measure(sql) == (None if quantity is None else Decimal(quantity), *counts)


@pytest.mark.parametrize("sql", [sql for sql, _ in MEASURED])
def test_the_canonical_text_is_the_same_metric(sql: str) -> None:
    """A metric reads its own canonical text back as itself."""
    metric = parse_metric(sql)
    assert parse_metric(metric.sql) == metric


@pytest.mark.usefixtures("trace")
def test_groups_are_texts_and_absent_properties_are_a_group_of_their_own(measure: Measure) -> None:
    """Grouping by a property gives one row a value, and one for the events without it."""
    assert measure("sum(tokens)", ["model"]) == [
        ("a", Decimal("112.5"), 2, 1, 0),
        ("b", Decimal(250), 1, 0, 0),
        ("c", None, 0, 1, 0),
        (None, None, 0, 1, 1),
    ]


@pytest.mark.usefixtures("trace")
def test_groups_can_be_columns_and_several(measure: Measure) -> None:
    """A column of text groups like a property, and groups come in the order they were asked for."""
    assert measure("SELECT count(*) FROM events WHERE model = 'a'", ["external_customer_id", "is_cached"]) == [
        ("acme", "false", Decimal(1), 1, 0, 0),
        ("bee", "true", Decimal(1), 1, 0, 0),
        ("bee", None, Decimal(1), 1, 0, 0),
    ]


def test_groups_of_no_events_are_no_rows(measure: Measure) -> None:
    """Without events there is no group to speak of."""
    assert measure("count(*)", ["model"]) == []


def test_the_columns_have_the_names_and_types_that_are_promised(database: duckdb.DuckDBPyConnection) -> None:
    """The answer is read by name: groups, quantity and the three counts."""
    description = database.execute(duckdb_select(parse_metric("sum(a) / count(*)"), ["b", "c"])).description
    assert [(name, str(kind)) for name, kind, *_ in description] == [
        ("group_1", "VARCHAR"),
        ("group_2", "VARCHAR"),
        ("quantity", "DECIMAL(38,12)"),
        ("events_counted", "BIGINT"),
        ("events_skipped", "BIGINT"),
        ("events_missing", "BIGINT"),
    ]


@pytest.mark.usefixtures("trace")
@pytest.mark.parametrize(("sql", "quantity"), [("count(*)", 3), ("SELECT sum(ms) FROM events WHERE gb < 1", 250)])
def test_the_source_may_bring_its_own_condition(database: duckdb.DuckDBPyConnection, sql: str, quantity: int) -> None:
    """Storage narrows the events where they are read; the metric's own condition comes on top."""
    source = "main.events AS log WHERE log.external_customer_id = $1"
    rows = database.execute(duckdb_select(parse_metric(sql), source=source), ["acme"]).fetchall()
    assert rows[0][0] == quantity


NAMES = ["a b", "größe", 'say "hi"', "it's", "{}", "select", "x" * 128, "🙂", "end", "quantity", "v0"]


@pytest.mark.parametrize("name", NAMES)
def test_any_printable_name_is_a_property_and_a_group(add: Add, measure: Measure, name: str) -> None:
    """Names are quoted on their way to the database, whatever they look like."""
    escaped = name.replace('"', '\\"')
    add(f'{{"{escaped}": 5}}')
    quoted = name.replace('"', '""')
    assert measure(f'sum(properties."{quoted}")', [name]) == [("5", Decimal(5), 1, 0, 0)]


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        (["x" * 129], "the name 'xxxxxxxxxxxxxxxxxxxx'; the name of a property has 1 to 128 printable characters"),
        ([""], "the name ''; the name of a property has 1 to 128 printable characters"),
        (["a\x00b"], "the name 'a\\x00b'; the name of a property has 1 to 128 printable characters"),
        (["a", "b", "a"], "a property to group by twice; each at most once"),
        (["timestamp"], "the column timestamp; group by a property or by a column that is text"),
        (list("abcdefghi"), "9 properties to group by; at most 8"),
    ],
)
def test_what_cannot_be_grouped_by_is_refused(group_by: list[str], message: str) -> None:
    """A grouping is named in full by the error, with what would be right."""
    with pytest.raises(InvalidGroupError) as refused:
        duckdb_select(parse_metric("count(*)"), group_by)
    assert (refused.value.code, refused.value.field, refused.value.message) == ("invalid_group", "group_by", message)


def test_as_many_groups_as_the_bound_are_accepted(measure: Measure) -> None:
    """Eight groups at once are fine."""
    assert measure("count(*)", list("abcdefgh")) == []


def test_a_sum_that_leaves_26_digits_is_an_error_and_not_a_number(add: Add, measure: Measure) -> None:
    """Nothing wraps around and nothing becomes approximate."""
    for _ in range(2):
        add('{"a": "60000000000000000000000000"}')
    with pytest.raises(duckdb.OutOfRangeException):
        measure("sum(a)")


def test_arithmetic_on_one_event_that_leaves_26_digits_skips_the_event(add: Add, measure: Measure) -> None:
    """One absurd event cannot stop an invoice: it is skipped, and counted as skipped, not as missing."""
    add('{"a": "60000000000000000000000000"}')
    add('{"a": 2}')
    assert measure("sum(a + a)") == (Decimal(4), 1, 1, 0)
    assert measure("sum(a * a)") == (Decimal(4), 1, 1, 0)
    assert measure("sum(1 / a)") == (Decimal("0.5"), 1, 1, 0)


def test_arithmetic_on_aggregates_that_leaves_26_digits_is_an_error(add: Add, measure: Measure) -> None:
    """The result of a metric is exact or it is an error."""
    add('{"a": "60000000000000000000000000"}')
    with pytest.raises(duckdb.OutOfRangeException):
        measure("sum(a) + sum(a)")
    with pytest.raises(duckdb.Error, match="the divisor of a metric is 10\\^19 or more"):
        measure("1 / sum(a)")


def test_the_text_does_not_grow_with_the_power_of_the_length() -> None:
    """Each further product adds about as much text as the one before."""
    lengths = [len(duckdb_select(parse_metric(f"sum({'a*b/' * count}c)"))) for count in (5, 10, 20)]
    assert lengths[2] - lengths[1] < 3 * (lengths[1] - lengths[0])


def test_every_node_of_a_metric_reaches_the_database_only_once(measure: Measure) -> None:
    """The relation is mentioned once, so that a caller may put any source in its place."""
    metric = parse_metric("SELECT sum(a * b) / avg(c) FROM events WHERE d / e > 1")
    assert duckdb_select(metric, ["f"], source="<source>").count("<source>") == 1
