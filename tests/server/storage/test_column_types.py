"""What a column keeps comes back exactly, and what it must not keep is refused."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator

from orbdo_server.storage.column_types import DECIMAL_LENGTH_MAX, INSTANT_LENGTH, ExactDecimal, Instant, JsonText

DIALECT = sqlite.dialect()


def kept(column_type: TypeDecorator[Any], value: object) -> object:
    """The value as it stands in the database."""
    return column_type.process_bind_param(value, DIALECT)


def there_and_back(column_type: TypeDecorator[Any], value: object) -> object:
    """The value after it was kept."""
    return column_type.process_result_value(kept(column_type, value), DIALECT)


def test_an_instant_is_kept_as_sortable_text() -> None:
    """Always UTC, always with microseconds, always as long."""
    berlin = timezone(timedelta(hours=2))
    assert kept(Instant(), datetime(2026, 1, 31, 1, 30, tzinfo=berlin)) == "2026-01-30T23:30:00.000000Z"
    assert INSTANT_LENGTH == 27


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_comes_back(instant: datetime) -> None:
    """To the microsecond and in UTC, whatever the year."""
    text = kept(Instant(), instant)
    assert isinstance(text, str)
    assert len(text) == INSTANT_LENGTH
    assert there_and_back(Instant(), instant) == instant


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_instants_sort_as_their_texts(one: datetime, other: datetime) -> None:
    """The database orders them as time does."""
    texts = [kept(Instant(), instant) for instant in sorted([one, other])]
    assert texts == sorted(texts, key=str)


def test_a_naive_instant_is_a_mistake_of_ours() -> None:
    """Nobody could say when it is."""
    with pytest.raises(AssertionError):
        kept(Instant(), datetime(2026, 1, 1))  # noqa: DTZ001 - the naive one is the point


@given(st.decimals(allow_nan=False, allow_infinity=False, places=20, min_value=-(10**38), max_value=10**38))
def test_a_decimal_comes_back_exactly(value: Decimal) -> None:
    """Neither digits nor trailing zeros are lost."""
    back = there_and_back(ExactDecimal(), value)
    assert isinstance(back, Decimal)
    assert back.as_tuple() == value.as_tuple()


def test_a_decimal_is_kept_without_exponent() -> None:
    """A person who looks into the database sees the number."""
    assert kept(ExactDecimal(), Decimal("1E+3")) == "1000"
    assert kept(ExactDecimal(), Decimal("1E-7")) == "0.0000001"


def test_a_decimal_at_the_bound_is_kept_and_one_past_it_refused() -> None:
    """What is longer than the column would be cut off by another database."""
    assert kept(ExactDecimal(), Decimal("9" * DECIMAL_LENGTH_MAX)) == "9" * DECIMAL_LENGTH_MAX
    with pytest.raises(AssertionError):
        kept(ExactDecimal(), Decimal("9" * (DECIMAL_LENGTH_MAX + 1)))


@pytest.mark.parametrize("value", [1.5, 1, "1"])
def test_only_decimals_are_kept_as_decimals(value: object) -> None:
    """A float has lost its digits already."""
    with pytest.raises(AssertionError):
        kept(ExactDecimal(), value)


def test_json_is_kept_in_one_form() -> None:
    """The same value has the same text, however its keys were ordered."""
    assert kept(JsonText(), {"b": [1, {"d": None, "c": "\N{EURO SIGN}"}], "a": True}) == (
        '{"a":true,"b":[1,{"c":"\N{EURO SIGN}","d":null}]}'
    )
    assert there_and_back(JsonText(), {"b": 1, "a": ["x"]}) == {"a": ["x"], "b": 1}


@pytest.mark.parametrize("column_type", [Instant(), ExactDecimal(), JsonText()])
def test_nothing_stays_nothing(column_type: TypeDecorator[Any]) -> None:
    """None is the database's own null."""
    assert kept(column_type, None) is None
    assert there_and_back(column_type, None) is None
