"""The one spelling of a metric: whatever was written for it, the same text comes out."""

import pytest

from orbdo_server.core.metrics import parse_metric

SPELLINGS: list[tuple[str, str]] = [
    ("SUM( Tokens )", "SELECT sum(Tokens) FROM events"),
    ("select sum(properties['tokens']) as t from events;", "SELECT sum(tokens) FROM events"),
    ("sum(a + (b - c) - (d - e))", "SELECT sum(a + (b - c) - (d - e)) FROM events"),
    ("sum((a + b) * c / (d * e))", "SELECT sum((a + b) * c / (d * e)) FROM events"),
    ("sum((a * b) / c)", "SELECT sum(a * b / c) FROM events"),
    ("sum(a - -1 - (-b))", "SELECT sum(a - -1 - -b) FROM events"),
    ("sum(-(-a) - (-(1)))", "SELECT sum(-(-a) - -1) FROM events"),
    ("sum(1.500 + 0.0 + 007 + 2.)", "SELECT sum(1.5 + 0 + 7 + 2) FROM events"),
    ("max(timestamp_millis) / 1000", "SELECT max(timestamp_millis) / 1000 FROM events"),
    ("count(distinct a)", "SELECT count(DISTINCT a) FROM events"),
    ("count(*) filter (where a != 1)", "SELECT count(*) FILTER (WHERE a <> 1) FROM events"),
    (
        "count(*) FILTER (WHERE ((a)) == 'x' AND (b AND c))",
        "SELECT count(*) FILTER (WHERE a = 'x' AND (b AND c)) FROM events",
    ),
    ("SELECT count(*) FROM events WHERE NOT (a OR b) AND c", "SELECT count(*) FROM events WHERE NOT (a OR b) AND c"),
    ("SELECT count(*) FROM events WHERE NOT a = 1", "SELECT count(*) FROM events WHERE NOT (a = 1)"),
    ("SELECT count(*) FROM events WHERE a IS NOT NULL", "SELECT count(*) FROM events WHERE NOT (a IS NULL)"),
    ("SELECT count(*) FROM events WHERE a = b IS NULL", "SELECT count(*) FROM events WHERE (a = b) IS NULL"),
    ("SELECT count(*) FROM events WHERE a NOT IN (1, -2)", "SELECT count(*) FROM events WHERE NOT (a IN (1, -2))"),
    ("SELECT count(*) FROM events WHERE a LIKE 'it''s%'", "SELECT count(*) FROM events WHERE a LIKE 'it''s%'"),
    (
        "SELECT count(*) FROM events WHERE a BETWEEN 1 AND b + 1",
        "SELECT count(*) FROM events WHERE a BETWEEN 1 AND b + 1",
    ),
    (
        "SELECT count(*) FROM events WHERE (a BETWEEN 1 AND 2) = TRUE",
        "SELECT count(*) FROM events WHERE (a BETWEEN 1 AND 2) = TRUE",
    ),
    (
        "SELECT count(*) FROM events WHERE timestamp > '2024-01-01T02:00:00.5+02:00' AND FALSE",
        "SELECT count(*) FROM events WHERE timestamp > TIMESTAMP '2024-01-01 00:00:00.500000' AND FALSE",
    ),
    ("sum(CASE a WHEN 'x' THEN 1 ELSE NULL END)", "SELECT sum(CASE WHEN a = 'x' THEN 1 END) FROM events"),
    ("sum(CASE WHEN a THEN NULL ELSE c END)", "SELECT sum(CASE WHEN a THEN NULL ELSE c END) FROM events"),
    ("sum(CASE WHEN a THEN b ELSE c END)", "SELECT sum(CASE WHEN a THEN b ELSE c END) FROM events"),
    ("sum(coalesce(a, b, 0))", "SELECT sum(coalesce(a, b, 0)) FROM events"),
    ("sum(a::numeric(38,12))", "SELECT sum(CAST(a AS DECIMAL(38,12))) FROM events"),
    ("count(coalesce(a, b)::text)", "SELECT count(coalesce(CAST(a AS VARCHAR), CAST(b AS VARCHAR))) FROM events"),
    ("count(a::boolean)", "SELECT count(CAST(a AS BOOLEAN)) FROM events"),
    ("count(CASE WHEN x THEN a END::text)", "SELECT count(CASE WHEN x THEN CAST(a AS VARCHAR) END) FROM events"),
    (
        'sum("a b" + properties."select" + properties.Events)',
        'SELECT sum(properties."a b" + properties."select" + properties."Events") FROM events',
    ),
]


@pytest.mark.parametrize(("sql", "canonical"), SPELLINGS, ids=[sql for sql, _ in SPELLINGS])
def test_a_metric_has_one_spelling(sql: str, canonical: str) -> None:
    """Case, quotes, parentheses and synonyms leave no trace, and the text reads back as the same metric."""
    metric = parse_metric(sql)
    assert metric.sql == canonical
    assert parse_metric(canonical) == metric


def test_different_metrics_have_different_spellings() -> None:
    """A parenthesis that matters stays."""
    assert parse_metric("sum(a - (b - c))").sql != parse_metric("sum(a - b - c)").sql
