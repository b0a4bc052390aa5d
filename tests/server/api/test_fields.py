"""Fields that requests share: at each bound, and one past it."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from orbdo_server.api.endpoints import UtcDatetime
from orbdo_server.api.fields import Cadence, Currency, Exact, ExternalId, Id, Metadata, Name


def taken(kind: Any, value: object) -> Any:
    """The value as a handler gets it."""
    return TypeAdapter(kind).validate_python(value)


def is_refused(kind: Any, value: object) -> bool:
    """Whether the value is none of that kind."""
    try:
        taken(kind, value)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize(("kind", "longest"), [(Name, 255), (ExternalId, 255), (Id, 64)])
def test_texts_have_bounds(kind: Any, longest: int) -> None:
    """From one character on; a number is no text."""
    assert taken(kind, "x") == "x"
    assert taken(kind, "\N{EURO SIGN}" * longest) == "\N{EURO SIGN}" * longest
    for wrong in ("", "x" * (longest + 1), 1, None, True, ["x"]):
        assert is_refused(kind, wrong)


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\t", "\x1f", "\x7f"])
def test_names_have_no_control_characters(character: str) -> None:
    """They would forge lines of logs and break a page."""
    for kind in (Name, ExternalId):
        assert is_refused(kind, f"a{character}b")


@pytest.mark.parametrize("text", ["USD", "XXX"])
def test_a_currency_is_three_capitals(text: str) -> None:
    """Whether it exists is for the core to say."""
    assert taken(Currency, text) == text
    for wrong in ("usd", "US", "USDT", "USD\n", "U$D"):
        assert is_refused(Currency, wrong)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("0.10", "0.10"),
        (Decimal("0.10"), "0.10"),
        (7, "7"),
        ("-1", "-1"),
        ("9" * 18 + "." + "9" * 20, "9" * 18 + "." + "9" * 20),
        ("9" * 18, "9" * 18),
        ("0." + "0" * 19 + "1", "1E-20"),
    ],
)
def test_numbers_are_exact(value: object, number: str) -> None:
    """To 18 digits before the point and 20 behind it."""
    assert taken(Exact, value) == Decimal(number)


@pytest.mark.parametrize(
    "value",
    [0.1, True, False, None, "NaN", "Infinity", "-Infinity", "x", "", "9" * 19, "0." + "0" * 20 + "1", "1e18", []],
)
def test_what_is_not_exact_is_refused(value: object) -> None:
    """A float, a boolean, and more digits than are kept."""
    assert is_refused(Exact, value)


def test_metadata_has_bounds() -> None:
    """Fifty entries of short keys and values; null leaves an entry out."""
    assert taken(Metadata, {"k" * 64: "v" * 500, "": None, "gone": None}) == {"k" * 64: "v" * 500}
    assert len(taken(Metadata, {str(number): "" for number in range(50)})) == 50
    wrong: list[object] = [
        {str(number): "" for number in range(51)},
        {"k" * 65: ""},
        {"": ""},
        {"k": "v" * 501},
        {"k": 1},
        {"k": {}},
        [],
        "x",
    ]
    assert all(is_refused(Metadata, value) for value in wrong)


def test_cadences_are_those_of_orb() -> None:
    """The five words of Orb are taken, and no other."""
    for word in ("one_time", "monthly", "quarterly", "semi_annual", "annual"):
        assert taken(Cadence, word) == word
    assert is_refused(Cadence, "weekly")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2023-11-01", "2023-11-01T00:00:00+00:00"),
        ("2023-11-01T12:30:00", "2023-11-01T12:30:00+00:00"),
        ("2023-11-01T12:30:00Z", "2023-11-01T12:30:00+00:00"),
        ("2023-11-01T12:30:00z", "2023-11-01T12:30:00+00:00"),
        ("2023-11-01T12:30:00+00:00", "2023-11-01T12:30:00+00:00"),
        ("2023-11-01T12:30:00-05:30", "2023-11-01T18:00:00+00:00"),
        ("2023-11-01 12:30", "2023-11-01T12:30:00+00:00"),
        ("2023-11-01T12:30:00.000001", "2023-11-01T12:30:00.000001+00:00"),
        ("1901-01-01T00:00:00+14:00", "1900-12-31T10:00:00+00:00"),
        ("2998-12-31T23:59:59.999999Z", "2998-12-31T23:59:59.999999+00:00"),
    ],
)
def test_an_instant_without_an_offset_is_utc(text: str, instant: str) -> None:
    """A date is its midnight; every instant comes to a handler in UTC."""
    assert taken(UtcDatetime, text).isoformat() == instant


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1_700_000_000, Decimal("1.5"), True, None, [], "1700000000", "1700000000.5", "", "yesterday", "2023-11"),
        *("2023-11-31", "2023-11-01T25:00", "2023-11-01T00:00:00 00:00", "1900-12-31", "2999-01-01"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2023-W01-1"),
    ],
)
def test_what_is_no_instant_is_refused(value: object) -> None:
    """A number might be seconds or milliseconds; the ends of the calendar lead out of it."""
    assert is_refused(UtcDatetime, value)
