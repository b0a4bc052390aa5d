"""Laws of metrics: no text breaks the parser, and whatever it accepts runs."""

import duckdb
import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from orbdo_server.core.metrics import InvalidMetricError, duckdb_select, parse_metric

OUT_OF_RANGE = (duckdb.OutOfRangeException, duckdb.InvalidInputException)
SLOW_FIXTURE = [HealthCheck.function_scoped_fixture]

SIGNS = ["(", ")", "(", ")", ",", ",", "*", "+", "-", "/", "=", "<>", "<", ">=", "::", ".", ";", "--", "/*", "*/"]
VALUES = [
    "tokens",
    "properties.x",
    "properties['y']",
    "event_name",
    "timestamp",
    "'a'",
    "'2024-01-01'",
    "1",
    "0.5",
    '"q"',
]
CALLS = ["sum(", "count(", "avg(", "min(", "max(", "coalesce(", "cast(", "int("]
KEYWORDS = ["SELECT", "FROM events", "WHERE", "FILTER (WHERE", "CASE", "WHEN", "THEN", "ELSE", "END", "DISTINCT", "AS"]
OPERATORS = ["AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "TRUE", "LIKE", "DATE", "::text", "JOIN", "WITH"]
WORDS = SIGNS + VALUES + CALLS + KEYWORDS + OPERATORS
word_salads = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)

numbers = st.sampled_from(["tokens", "gb", "properties['x']", "1", "0.5", "-2", "timestamp_millis", "2.000000000001"])
texts = st.sampled_from(["model", "event_name", "'a'", "customer_id"])


def _numeric(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("({})".format, inner),
        st.builds("-({})".format, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("CASE WHEN {} > {} THEN {} ELSE {} END".format, inner, inner, inner, inner),
        st.builds("CASE model WHEN {} THEN {} END".format, texts, inner),
    )


values = st.recursive(numbers, _numeric, max_leaves=8)
simple_conditions = st.one_of(
    st.builds("{} {} {}".format, values, st.sampled_from(["=", "<>", "<", ">="]), values),
    st.builds("{} BETWEEN {} AND {}".format, numbers, numbers, numbers),
    st.builds("{} = {}".format, texts, texts),
    st.builds("{} IN ('a', 'b')".format, texts),
    st.builds("{} NOT LIKE 'a%'".format, texts),
    st.builds("{} IS NOT NULL".format, numbers | texts),
    st.just("is_cached"),
)
conditions = st.recursive(
    simple_conditions,
    lambda inner: st.one_of(
        st.builds("NOT ({})".format, inner),
        st.builds("({}) {} {}".format, inner, st.sampled_from(["AND", "OR"]), inner),
    ),
    max_leaves=4,
)
aggregates = st.one_of(
    st.builds("{}({})".format, st.sampled_from(["sum", "min", "max", "avg", "count"]), values),
    st.builds("count(DISTINCT {})".format, texts),
    st.builds("sum({}) FILTER (WHERE {})".format, values, conditions),
    st.just("count(*)"),
)
results = st.recursive(
    aggregates,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner | st.just("3")),
    max_leaves=3,
)
metrics = results | st.builds("SELECT {} AS q FROM events WHERE {}".format, results, conditions)


@given(sql=st.text() | word_salads)
def test_no_text_raises_anything_but_an_invalid_metric(sql: str) -> None:
    """Whatever is sent, the answer is a metric that reads itself back, or an error that says where."""
    try:
        metric = parse_metric(sql)
    except InvalidMetricError as error:
        refused_at = error.position
    else:
        assert parse_metric(metric.sql) == metric
        return
    lines = sql.split("\n")
    assert refused_at.column <= len(lines[refused_at.line - 1]) + 1


@settings(suppress_health_check=SLOW_FIXTURE)
@given(sql=metrics)
def test_every_metric_of_the_language_is_accepted_and_runs(database: duckdb.DuckDBPyConnection, sql: str) -> None:
    """What is accepted runs on any events and accounts for each at most once, or its result is out of range."""
    if not database.execute("SELECT count(*) FROM events").fetchall()[0][0]:
        _add_some(database)
    metric = parse_metric(sql)
    assert parse_metric(metric.sql) == metric
    try:
        _, counted, skipped, missing = database.execute(duckdb_select(metric)).fetchall()[0]
    except OUT_OF_RANGE:
        return
    assert counted + skipped <= 4
    assert missing <= skipped


def _add_some(database: duckdb.DuckDBPyConnection) -> None:
    for properties in (
        '{"tokens": 1.5, "gb": 3, "x": "2", "model": "a", "is_cached": true}',
        '{"tokens": -7, "gb": 0, "x": "no", "model": null}',
        '{"tokens": "99999999999999999999999999", "gb": 18446744073709551615, "x": 1e-12}',
        "{}",
    ):
        database.execute(
            "INSERT INTO events VALUES ('a', 'k', TIMESTAMP '2024-01-01', 'acme', NULL, ?::JSON::VARIANT)", [properties]
        )
