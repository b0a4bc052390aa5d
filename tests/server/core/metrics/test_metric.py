"""What the text of a metric may say: what is read into it, and what is refused where and with which words."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orbdo_server.core.errors import CoreError
from orbdo_server.core.metrics import InvalidMetricError, Position, parse_metric
from orbdo_server.core.metrics.expressions import Aggregate, Arithmetic, Column, Comparison, Kind, Property, TextLiteral

CALLS = "a metric calls avg, count, max, min and sum, and cast and coalesce"
SHAPE = "a metric is SELECT one aggregate FROM events WHERE a condition"
VALUE = "a value is expected"
OPERATOR = "an operator or the end is expected"

# sql, line, column, what was found, what is expected
REFUSED: list[tuple[str, int, int, str, str]] = [
    # Nothing, or not a metric
    ("", 1, 1, "the metric is empty", "write a SELECT over events, or an aggregate: sum(tokens)"),
    (" \n ", 1, 1, "the metric is empty", "write a SELECT over events, or an aggregate: sum(tokens)"),
    (";", 1, 1, "the metric is empty", "write a SELECT over events, or an aggregate: sum(tokens)"),
    ("tokens", 1, 1, "tokens outside an aggregate", "aggregate it, as in sum(tokens)"),
    ("event_name", 1, 1, "event_name outside an aggregate", "aggregate it, as in sum(event_name)"),
    ("TRUE", 1, 1, "true or false, where a number belongs", "change either"),
    ("1 + 1", 1, 1, "no aggregate", "aggregate the events, as in sum(tokens) or count(*)"),
    ("SELECT 1 FROM events", 1, 1, "no aggregate", "aggregate the events, as in sum(tokens) or count(*)"),
    ("sum(tokens", 1, 11, "the metric breaks off", ") is missing here"),
    ("SELECT", 1, 7, "the metric breaks off", "a value is missing here"),
    ("sum(CASE WHEN a THEN 1", 1, 23, "the metric breaks off", "END is missing here"),
    ("properties['a'", 1, 11, "a bracket", "brackets name one property: properties['tokens']"),
    # Other statements, files, settings, other tables
    ("DROP TABLE events", 1, 6, "'TABLE' cannot stand here", OPERATOR),
    ("ATTACH 'x.db'", 1, 8, "\"'x.db'\" cannot stand here", OPERATOR),
    ("PRAGMA database_list", 1, 8, "'database_list' cannot stand here", OPERATOR),
    ("COPY events TO 'out.csv'", 1, 6, "'events' cannot stand here", OPERATOR),
    ("SET memory_limit = 1", 1, 5, "'memory_limit' cannot stand here", OPERATOR),
    ("INSTALL httpfs", 1, 9, "'httpfs' cannot stand here", OPERATOR),
    ("count(*); DROP TABLE events", 1, 9, "a second statement", "a metric is one SELECT or one aggregate"),
    ("count(*);;", 1, 9, "a second statement", "a metric is one SELECT or one aggregate"),
    ("FROM events SELECT count(*)", 1, 13, "a second SELECT", SHAPE),
    ("FROM events", 1, 1, "'FROM' cannot stand here", VALUE),
    ("SELECT * FROM events", 1, 8, "'*' cannot stand here", VALUE),
    ("SELECT count(*) FROM read_csv('x')", 1, 22, "read_csv() cannot be called in a metric", CALLS),
    ("SELECT count(*) FROM 'x.csv'", 1, 22, "\"'x.csv'\" cannot stand here", VALUE),
    ("SELECT count(*) FROM 'events'", 1, 22, "\"'events'\" cannot stand here", VALUE),
    ('SELECT count(*) FROM "x.csv"', 1, 22, "FROM x.csv", "a metric reads events and nothing else"),
    ("SELECT count(*) FROM customers", 1, 22, "FROM customers", "a metric reads events and nothing else"),
    ("SELECT count(*) FROM other.events", 1, 22, "table with db is not part of a metric", "leave it out"),
    ("SELECT count(*) FROM a.b.c.d.events", 1, 22, "FROM events", "a metric reads events and nothing else"),
    ("SELECT count(*) FROM events e", 1, 29, "'e' cannot stand here", OPERATOR),
    ("SELECT count(*) FROM events AS e", 1, 32, "table with alias is not part of a metric", "leave it out"),
    ("SELECT count(*) FROM events, events", 1, 30, "select with joins is not part of a metric", "leave it out"),
    ("SELECT count(*) FROM events CROSS JOIN events", 1, 35, "a join is not part of a metric", SHAPE),
    ("SELECT count(*) FROM events JOIN x USING (y)", 1, 29, "a join is not part of a metric", SHAPE),
    ("SELECT count(*)", 1, 16, "no FROM", SHAPE),
    ("SELECT count(*) WHERE a", 1, 24, "no FROM", SHAPE),
    # Other clauses
    ("WITH x AS (SELECT 1) SELECT count(*) FROM x", 1, 1, "a common table expression is not part of a metric", SHAPE),
    ("SELECT count(*) FROM (SELECT 1)", 1, 23, "a second SELECT", SHAPE),
    ("sum((SELECT 1))", 1, 6, "a second SELECT", SHAPE),
    ("count(*) UNION ALL count(*)", 1, 10, "a set operation is not part of a metric", SHAPE),
    ("SELECT count(*) FROM events GROUP  BY a", 1, 29, "GROUP BY is not part of a metric", SHAPE),
    ("SELECT count(*) FROM events\nORDER BY 1", 2, 1, "ORDER BY is not part of a metric", SHAPE),
    ("SELECT count(*) FROM events LIMIT 1", 1, 29, "LIMIT is not part of a metric", SHAPE),
    ("SELECT count(*) FROM events HAVING TRUE", 1, 29, "HAVING is not part of a metric", SHAPE),
    ("sum(a) OVER (PARTITION BY b)", 1, 8, "a window function is not part of a metric", SHAPE),
    ("sum(a SIMILAR TO 'x')", 1, 7, "SIMILAR TO is not part of a metric", SHAPE),
    ("SELECT DISTINCT count(*) FROM events", 1, 8, "'DISTINCT' cannot stand here", VALUE),
    ("SELECT count(*), sum(a) FROM events", 1, 8, "2 results", "a metric has one result"),
    ("SELECT count(*) total FROM events", 1, 17, "'total' cannot stand here", OPERATOR),
    # Other functions, parameters, lambdas, signs
    ("sum(abs(a))", 1, 5, "abs() cannot be called in a metric", CALLS),
    ("getenv('HOME')", 1, 1, "getenv() cannot be called in a metric", CALLS),
    ("int(int(int(int(int(int(a))))))", 1, 1, "int() cannot be called in a metric", CALLS),
    ('"sum"(a)', 1, 1, "something in quotes is called as a function", CALLS),
    ("main.sum(a)", 1, 6, "sum() cannot be called in a metric", CALLS),
    ("sum(?)", 1, 5, "'?' is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >="),
    ("sum($1)", 1, 5, "'$' is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >="),
    ("sum(a -> a)", 1, 7, "'->' is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >="),
    ("sum(a // b)", 1, 7, "'//' is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >="),
    ("sum({'a': 1})", 1, 5, "'{' is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >="),
    ("sum($$a$$)", 1, 5, "'$$a$$' is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >="),
    ("sum(e'a')", 1, 5, "\"e'a'\" is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >="),
    ("sum([a])", 1, 5, "a bracket", "brackets name one property: properties['tokens']"),
    ("sum(a[1])", 1, 6, "a bracket", "brackets name one property: properties['tokens']"),
    ("sum(properties[1])", 1, 15, "a bracket", "brackets name one property: properties['tokens']"),
    ("sum('properties'['a'])", 1, 17, "'[' cannot stand here", OPERATOR),
    ("sum(x.properties['a'])", 1, 5, "a bracket", "brackets name one property: properties['tokens']"),
    # Comments and unicode
    ("sum(a) -- b", 1, 8, "a comment", "a metric holds no comments; its description is the place for them"),
    ("sum(a)/**/", 1, 7, "a comment", "a metric holds no comments; its description is the place for them"),
    ("/*+ hint */ sum(a)", 1, 1, "a comment", "a metric holds no comments; its description is the place for them"),
    ("sum(a); -- b", 1, 9, "a comment", "a metric holds no comments; its description is the place for them"),
    ("sum(a)\u00a0+ 1", 1, 7, "the character U+00A0", "white space is blank, tab and newline"),
    ("\u017fum(a)", 1, 1, "the name '\u017fum' is not quoted", "names beyond ASCII stand in double quotes"),
    ("sum(größe)", 1, 5, "the name 'größe' is not quoted", "names beyond ASCII stand in double quotes"),
    ("sum(a\x00)", 1, 6, "the control character U+0000", "write printable text"),
    ("sum(a) = '\ud800'", 1, 11, "the control character U+D800", "write printable text"),
    (
        'sum("a\u202eb")',
        1,
        5,
        "the property name 'a\\u202eb'",
        "the name of a property has 1 to 128 printable characters",
    ),
    ('sum("a', 1, 7, "a quote that was opened is not closed here", "close it, and write quotes in it twice"),
    # Names
    ("sum(properties)", 1, 5, "properties as a value", "name one property: properties.tokens"),
    ("sum(events)", 1, 5, "events as a value", "name one property: properties.tokens"),
    ("sum(properties.a.b)", 1, 5, "the name properties.a.b", "name a property as tokens or properties.tokens"),
    ("sum(x.a)", 1, 5, "the name x.a", "name a property as tokens or properties.tokens"),
    ("sum(a.b.c.d.e.f)", 1, 5, "dot is not part of a metric", CALLS),
    ("sum(a.*)", 1, 7, "'*' cannot stand here", VALUE),
    # Numbers
    ("sum(1e3)", 1, 5, "the number 1e3", "write it out, with at most 26 digits before the point and 12 after"),
    ("sum(0x1F)", 1, 5, "a number that runs into a word", "write numbers as 12 or 0.5"),
    ("sum(.5)", 1, 5, "'.' cannot stand here", VALUE),
    # Kinds
    ("sum('5')", 1, 5, "text, where a number belongs", "change either"),
    ("sum(event_name)", 1, 5, "text, where a number belongs", "change either"),
    ("sum(timestamp)", 1, 5, "an instant, where a number belongs", "change either"),
    ("sum(a > 1)", 1, 5, "true or false, where a number belongs", "change either"),
    ("count(*) FILTER (WHERE 1)", 1, 24, "a number, where true or false belongs", "change either"),
    ("SELECT count(*) FROM events WHERE 'x'", 1, 35, "text, where true or false belongs", "change either"),
    ("count(*) = 1", 1, 1, "true or false, where a number belongs", "change either"),
    (
        "count(*) FILTER (WHERE event_name = 1)",
        1,
        24,
        "text with number together",
        "compare and choose between values of one kind",
    ),
    (
        "count(*) FILTER (WHERE event_name = 1 + a)",
        1,
        24,
        "text with number together",
        "compare and choose between values of one kind",
    ),
    ("count(*) FILTER (WHERE timestamp > 'soon')", 1, 36, "text, where an instant belongs", "change either"),
    (
        "count(*) FILTER (WHERE timestamp > '0001-01-01T00:00:00+14:00')",
        1,
        36,
        "text, where an instant belongs",
        "change either",
    ),
    (
        "count(*) FILTER (WHERE timestamp > CASE WHEN a THEN b ELSE c END)",
        1,
        46,
        "a value, where an instant belongs",
        "change either",
    ),
    ("count(*) FILTER (WHERE timestamp > coalesce(a, b))", 1, 36, "a value, where an instant belongs", "change either"),
    ("count(*) FILTER (WHERE timestamp > a)", 1, 36, "a value, where an instant belongs", "change either"),
    ("count(*) FILTER (WHERE (a > 1) < TRUE)", 1, 25, "true or false in an order", "compare truths with = or <>"),
    ("count(*) FILTER (WHERE TRUE BETWEEN a AND b)", 1, 37, "true or false in an order", "compare truths with = or <>"),
    (
        "count(*) FILTER (WHERE a < b < c)",
        1,
        24,
        "a chain of comparisons",
        "put the inner one in parentheses, or join them with AND",
    ),
    ("count(*) FILTER (WHERE a LIKE b)", 1, 31, "a pattern that is not text in quotes", "write it as in LIKE 'gpt-%'"),
    ("count(*) FILTER (WHERE a IN (b))", 1, 30, "a computed option of IN", "list numbers or texts"),
    ("count(*) FILTER (WHERE a IN ())", 1, 24, "IN without a list", "list numbers or texts"),
    (
        "count(*) FILTER (WHERE a IS TRUE)",
        1,
        24,
        "IS without NULL",
        "IS NULL and IS NOT NULL are the only tests with IS",
    ),
    ("count(*) FILTER (WHERE a = NULL)", 1, 24, "NULL outside IS NULL and CASE is not part of a metric", CALLS),
    ("sum(CASE WHEN a THEN 1 ELSE 'b' END)", 1, 22, "branches of different kinds", "choose between values of one kind"),
    ("sum(CASE WHEN a THEN NULL END)", 1, 15, "nothing but NULL to choose", "give at least one branch a value"),
    ("sum(CASE a + 1 WHEN 2 THEN 3 END)", 1, 10, "a computed subject of CASE", "write CASE WHEN ... = ... THEN"),
    ("sum(coalesce(a, NULL))", 1, 5, "coalesce with NULL", "leave NULL out"),
    ("sum(coalesce(1, 'a'))", 1, 14, "branches of different kinds", "choose between values of one kind"),
    ("sum(a::INT)", 1, 5, "a cast to another type", "cast to DECIMAL(38,12), VARCHAR, BOOLEAN, or a TIMESTAMP '...'"),
    (
        "sum(CAST(a AS DOUBLE))",
        1,
        10,
        "a cast to another type",
        "cast to DECIMAL(38,12), VARCHAR, BOOLEAN, or a TIMESTAMP '...'",
    ),
    (
        "sum(a::DECIMAL(10,2))",
        1,
        5,
        "a cast to another type",
        "cast to DECIMAL(38,12), VARCHAR, BOOLEAN, or a TIMESTAMP '...'",
    ),
    ("sum(CAST(event_name AS DECIMAL(38,12)))", 1, 10, "text, where a number belongs", "change either"),
    # Aggregates
    ("sum(sum(a))", 1, 5, "sum() inside an aggregate or a condition", "aggregate events only once"),
    (
        "SELECT count(*) FROM events WHERE count(*) > 1",
        1,
        35,
        "count() inside an aggregate or a condition",
        "aggregate events only once",
    ),
    ("sum(a) + a", 1, 10, "a outside an aggregate", "aggregate it, as in sum(a)"),
    ("sum(a) + properties['b']", 1, 10, "b outside an aggregate", "aggregate it, as in sum(b)"),
    ("sum(*)", 1, 5, "* outside count(*) is not part of a metric", CALLS),
    ("sum(DISTINCT a)", 1, 14, "DISTINCT outside count(DISTINCT ...) is not part of a metric", CALLS),
    (
        "sum(a, b)",
        1,
        9,
        "')' is not expected (The number of provided arguments (2) is greater than the maximum number of supported"
        " arguments (1))",
        SHAPE,
    ),
    ("max(a, 2)", 1, 8, "max with count is not part of a metric", "leave it out"),
    ("count()", 1, 1, "count of nothing or of a list", "write count(*), count(tokens) or count(DISTINCT tokens)"),
    ("count(a, b)", 1, 1, "count of nothing or of a list", "write count(*), count(tokens) or count(DISTINCT tokens)"),
    ("count(DISTINCT a, b)", 1, 16, "a list after DISTINCT", "write count(DISTINCT tokens)"),
    ("count(DISTINCT (a, b))", 1, 17, "a list outside IN is not part of a metric", CALLS),
    (
        "coalesce(1, 2) FILTER (WHERE a)",
        1,
        1,
        "FILTER without an aggregate",
        "write it as in sum(tokens) FILTER (WHERE is_cached)",
    ),
    # What sqlglot would forgive
    ("min((1) - a", 1, 12, "the metric breaks off", ") is missing here"),
    ("min(1) - a)", 1, 11, "')' closes nothing", "open it first, and close what is inside"),
    ("sum(CASE WHEN (a THEN 1) END)", 1, 18, "THEN is out of place", "write CASE WHEN ... THEN ... ELSE ... END"),
    ("sum(CASE WHEN a b END)", 1, 17, "'b' cannot stand here", OPERATOR),
    ("sum(CASE WHEN a ELSE b END)", 1, 17, "ELSE is out of place", "write CASE WHEN ... THEN ... ELSE ... END"),
    ("sum(CASE WHEN a THEN END END)", 1, 22, "'END' cannot stand here", VALUE),
    ("sum(a END", 1, 7, "END is out of place", "write CASE WHEN ... THEN ... ELSE ... END"),
    ("sum(a) END", 1, 8, "END is out of place", "write CASE WHEN ... THEN ... ELSE ... END"),
    ("count(*) FILTER (WHERE a BETWEEN 1 -2 3 AND 4)", 1, 39, "'3' cannot stand here", OPERATOR),
    ("sum(a FROM events)", 1, 7, "'FROM' cannot stand here", OPERATOR),
    ("sum(a) 'b'", 1, 8, "\"'b'\" cannot stand here", OPERATOR),
    ("sum(a +)", 1, 8, "')' cannot stand here", VALUE),
    ("sum(IN)", 1, 5, "'IN' cannot stand here", VALUE),
    ("sum(a) FROM events", 1, 8, "'FROM' is not expected (Invalid expression / Unexpected token)", SHAPE),
]


@pytest.mark.parametrize(("sql", "line", "column", "found", "expected"), REFUSED, ids=[repr(row[0]) for row in REFUSED])
def test_what_is_not_a_metric_is_refused_with_its_place(
    sql: str, line: int, column: int, found: str, expected: str
) -> None:
    """The error says what was found, where it is and what is allowed."""
    with pytest.raises(InvalidMetricError) as refused:
        parse_metric(sql)
    assert refused.value.message == f"line {line}, column {column}: {found}; {expected}"
    assert refused.value.position == Position(line=line, column=column)
    assert refused.value.expected == expected


def test_the_error_is_one_of_the_core_and_names_its_field() -> None:
    """The API answers with a stable code and the field that is wrong."""
    with pytest.raises(CoreError) as refused:
        parse_metric("tokens")
    assert (refused.value.code, refused.value.field) == ("invalid_metric", "sql")


def test_the_position_counts_lines_and_columns_from_one() -> None:
    """The place is the one that an editor shows, and a tab is one column."""
    with pytest.raises(InvalidMetricError) as refused:
        parse_metric("SELECT sum(tokens)\nFROM events\n\tWHERE model = 'größe' AND nothing()")
    assert refused.value.position == Position(line=3, column=28)


def test_a_metric_keeps_its_tree_and_the_names_in_it() -> None:
    """What storage, rollups and dashboards need is there without reading SQL again."""
    metric = parse_metric("SELECT sum(b * a) + count(*) FROM events WHERE event_name = 'call' AND a = c")
    assert metric.aggregates == ("count", "sum")
    assert metric.properties == ("a", "b", "c")
    product = Arithmetic(
        operator="*", left=Property(name="b", kind=Kind.NUMBER), right=Property(name="a", kind=Kind.NUMBER)
    )
    total = Aggregate(name="sum", argument=product)
    assert metric.result == Arithmetic(operator="+", left=total, right=Aggregate(name="count"))


def test_columns_are_matched_in_any_case_and_properties_as_written() -> None:
    """SQL does not mind the case of a column, JSON minds the case of a name."""
    metric = parse_metric("SELECT count(*) FROM events WHERE Event_Name = 'Call'")
    assert metric.condition == Comparison(operator="=", left=Column(name="event_name"), right=TextLiteral(value="Call"))
    assert parse_metric('sum("EVENT_NAME" + Tokens)').properties == ("EVENT_NAME", "Tokens")


def test_a_property_may_have_the_name_of_a_column() -> None:
    """``properties.`` always means the property."""
    metric = parse_metric("SELECT sum(properties.timestamp) FROM events WHERE properties.event_name = 'x'")
    assert metric.properties == ("event_name", "timestamp")
    assert metric.sql == ('SELECT sum(properties."timestamp") FROM events WHERE properties."event_name" = \'x\'')


@pytest.mark.parametrize("word", ["date", "interval", "struct", "values", "left", "rows", "format", "int", "over"])
def test_words_of_other_dialects_are_plain_names(word: str) -> None:
    """A property may be called what SQL calls something else, as long as no clause begins with it."""
    assert parse_metric(f"sum(properties.{word})").properties == (word,)


# parts of a text, the largest count of the repeated one that is accepted
BOUNDS = [
    pytest.param("sum(a){}", " ", 16_384 - 6, id="SQL_LENGTH_MAX"),
    pytest.param("SELECT count(*) FROM events WHERE a{}", " OR a", 1_019, id="TOKENS_MAX"),
    pytest.param("sum({}a", "(", 15, id="NESTING_MAX"),
    pytest.param("count(*) FILTER (WHERE {}a)", "NOT ", 8, id="SIGNS_MAX"),
    pytest.param("sum({}a)", "- ", 8, id="SIGNS_MAX of minus"),
    pytest.param("sum(a{})", " + a", 62, id="DEPTH_MAX"),
    pytest.param("count(*){}", " + count(*)", 31, id="AGGREGATES_MAX"),
    pytest.param('sum("{}")', "x", 128, id="PROPERTY_NAME_LENGTH_MAX"),
    pytest.param("sum({})", "9", 26, id="NUMBER_DIGITS_MAX"),
    pytest.param("sum(0.{})", "9", 12, id="NUMBER_DECIMALS_MAX"),
]


@pytest.mark.parametrize(("around", "repeated", "most"), BOUNDS)
def test_every_bound_holds_at_its_value_and_one_past_it(around: str, repeated: str, most: int) -> None:
    """The largest metric is read, and one more of anything is refused with an error."""

    def text(count: int) -> str:
        closing = ")" * count + ")" if repeated == "(" else ""
        return around.format(repeated * count) + closing

    parse_metric(text(most))
    with pytest.raises(InvalidMetricError):
        parse_metric(text(most + 1))


def test_the_properties_of_a_metric_are_bounded() -> None:
    """64 different properties are read, the 65th is refused."""
    names = [f"a{number} IS NULL" for number in range(65)]
    where = "SELECT count(*) FROM events WHERE "
    assert len(parse_metric(where + " OR ".join(names[:64])).properties) == 64
    with pytest.raises(InvalidMetricError, match="65 properties; at most 64"):
        parse_metric(where + " OR ".join(names))


@contextmanager
def recursion_limit(limit: int) -> Iterator[None]:
    """A lower limit, as deep in the stack of a server as one cares to imagine."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def test_a_stack_that_is_nearly_full_is_an_error_of_the_metric() -> None:
    """However deep the caller is, nesting ends in a clear error and never in a RecursionError."""
    depth = len(list(_frames()))
    with recursion_limit(depth + 150), pytest.raises(InvalidMetricError, match="nests too deeply; write it flatter"):
        parse_metric(f"sum({'(' * 15}a{')' * 15})")


def _frames() -> Iterator[object]:
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment] # typeshed says Optional, the loop condition ends it
