"""Rows become events, or are told why not."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orbdo_sdk import Event
from orbdo_sdk.wire import Number
from orbdo_server.commands.importing.mapping import BadRow, Columns, Constants, Mapping, mapping_problem
from orbdo_server.commands.importing.rows import Row, Value

COLUMNS = Columns(timestamp="at", customer="who", key="id")
CONSTANTS = Constants(event_type="call")
AT = "2023-11-16 18:17:03.9799600"


def event_of(values: dict[str, Value], columns: Columns = COLUMNS, constants: Constants = CONSTANTS) -> Event | BadRow:
    """What a row on line 7 becomes."""
    return Mapping(columns, constants).event(Row(7, values))


def test_columns_become_the_parts_of_an_event() -> None:
    """What is not used otherwise becomes a property; an empty cell becomes none."""
    assert event_of({"at": AT, "who": "acme", "id": "k1", "tokens": 12, "note": None}) == Event(
        event_type="call",
        customer_id="acme",
        idempotency_key="k1",
        timestamp=datetime(2023, 11, 16, 18, 17, 3, 979960, tzinfo=UTC),
        properties={"tokens": 12},
    )


def test_chosen_properties_are_the_only_ones() -> None:
    """Even a column that is used otherwise can be one."""
    columns = Columns(timestamp="at", customer="who", event_type="kind", properties=("who", "b"))
    event = event_of({"at": AT, "who": 5, "kind": "x", "a": 1, "b": "2"}, columns, Constants())
    assert isinstance(event, Event)
    assert (event.event_type, event.customer_id, event.properties) == ("x", "5", {"who": 5, "b": "2"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2023-11-16T18:17:03Z", datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)),
        ("2023-11-16T18:17:03+02:00", datetime(2023, 11, 16, 16, 17, 3, tzinfo=UTC)),
        ("2023-11-16", datetime(2023, 11, 16, tzinfo=UTC)),
        (1_700_158_623, datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)),
        (1_700_158_623_979, datetime(2023, 11, 16, 18, 17, 3, 979_000, tzinfo=UTC)),
        (datetime(2023, 11, 16, tzinfo=UTC), datetime(2023, 11, 16, tzinfo=UTC)),
    ],
)
def test_timestamps_in_the_forms_people_have(value: Value, expected: datetime) -> None:
    """ISO 8601 with an offset or without, a date, seconds and milliseconds since 1970."""
    event = event_of({"at": value, "who": "a", "id": "k"})
    assert isinstance(event, Event)
    assert event.timestamp == expected


def test_a_timestamp_without_an_offset_is_in_the_zone_given() -> None:
    """Noon in Berlin in winter is eleven in UTC."""
    event = event_of(
        {"at": "2023-01-01 12:00", "who": "a", "id": "k"}, constants=Constants(event_type="e", zone="Europe/Berlin")
    )
    assert isinstance(event, Event)
    assert event.timestamp == datetime(2023, 1, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"who": "a", "id": "k"}, "has no column 'at'"),
        ({"at": "yesterday", "who": "a", "id": "k"}, "has no timestamp in column 'at': found 'yesterday'"),
        ({"at": None, "who": "a", "id": "k"}, "has no timestamp in column 'at': found None"),
        ({"at": 10**14, "who": "a", "id": "k"}, "has no timestamp in column 'at': found 100000000000000"),
        ({"at": True, "who": "a", "id": "k"}, "has no timestamp in column 'at': found True"),
        ({"at": AT, "who": None, "id": "k"}, "has no customer in column 'who'"),
        ({"at": AT, "who": "a", "id": None}, "has no idempotency key in column 'id'"),
        ({"at": AT, "who": "a", "id": "k", "x": Decimal("NaN")}, "has NaN in column 'x', which is not a finite number"),
        (
            {"at": AT, "who": "a", "id": "k", "x": [1]},
            "has a value in column 'x' that is neither text, number nor boolean",
        ),
    ],
)
def test_a_row_that_does_not_fit_says_why(values: dict[str, Value], reason: str) -> None:
    """With the line it stands on."""
    assert event_of(values) == BadRow(7, reason)


def test_a_row_that_could_not_be_read_keeps_its_reason() -> None:
    """The mapping adds nothing to it."""
    assert Mapping(COLUMNS, CONSTANTS).event(Row(3, {}, "is not UTF-8")) == BadRow(3, "is not UTF-8")


def test_without_a_customer_there_is_no_event() -> None:
    """Neither a column nor one for all rows."""
    assert event_of({"at": AT}, Columns(timestamp="at"), CONSTANTS) == BadRow(7, "has no customer")


def test_decimals_are_numbers_up_to_fifteen_digits_and_text_beyond() -> None:
    """A JSON number is exact to 15 significant digits; text is exact to any length."""
    event = event_of(
        {"at": AT, "who": "a", "id": "k", "x": Decimal("0.123456789012345"), "y": Decimal("1.1234567890123456")}
    )
    assert isinstance(event, Event)
    assert event.properties == {"x": Number("0.123456789012345"), "y": "1.1234567890123456"}
    assert type(event.properties["x"]) is Number


def test_instants_and_booleans_are_properties_too() -> None:
    """An instant as its ISO 8601 text."""
    event = event_of({"at": AT, "who": "a", "id": "k", "t": datetime(2023, 1, 1, tzinfo=UTC), "b": True})
    assert isinstance(event, Event)
    assert event.properties == {"t": "2023-01-01T00:00:00+00:00", "b": True}


def test_equal_rows_are_two_events_and_a_second_reading_gives_the_same_keys() -> None:
    """The n-th of equal rows has the n-th key of its content, in every run."""
    columns, rows = Columns(timestamp="at", customer="who"), [{"at": AT, "who": "a"}] * 2 + [{"at": AT, "who": "b"}]

    def keys() -> list[str | None]:
        mapping = Mapping(columns, CONSTANTS)
        events = [mapping.event(Row(number, values)) for number, values in enumerate(rows)]  # type: ignore[arg-type]  # str is a value
        return [event.idempotency_key for event in events if isinstance(event, Event)]

    first = keys()
    assert len(set(first)) == 3
    assert first[1] == f"{first[0]}-2"
    assert keys() == first


def test_a_mapping_that_names_missing_columns_is_noticed_before_the_first_row() -> None:
    """With the columns there are."""
    problem = mapping_problem(Columns(timestamp="time", customer="who", properties=("tokens",)), ["at", "who"])
    assert problem == "has no column 'time' or 'tokens'; its columns are at, who"
    assert mapping_problem(Columns(timestamp="at", customer="who"), ["at", "who"]) is None
