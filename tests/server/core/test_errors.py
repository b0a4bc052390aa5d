"""What the errors of the core tell a caller."""

from orbdo_server.core.errors import (
    CoreError,
    InvalidPeriodError,
    InvalidPriceError,
    UnknownCurrencyError,
    UnknownTimezoneError,
    shown,
)


def test_facts_are_attributes() -> None:
    """An error carries its code, the field, what was wrong and what was expected."""
    error = InvalidPriceError("is required", field="unit_config.unit_amount", expected="a number")
    assert isinstance(error, CoreError)
    assert error.code == "invalid_price"
    assert error.field == "unit_config.unit_amount"
    assert error.message == "is required"
    assert error.expected == "a number"
    assert str(error) == "is required"


def test_sentence_of_the_class_is_the_default_message() -> None:
    """Without a message the error says when it happens."""
    assert InvalidPeriodError().message == (
        "A period has no time zone, does not end after it starts, or lies outside the calendar that is supported."
    )


def test_unknown_currency_quotes_it() -> None:
    """The answer to an unknown currency names it and what a currency looks like."""
    error = UnknownCurrencyError("usd")
    assert (error.code, error.field, error.currency) == ("unknown_currency", "currency", "usd")
    assert error.message == "'usd' is not a known currency"
    assert error.expected == "an ISO 4217 code in upper case, such as USD"


def test_unknown_time_zone_quotes_it() -> None:
    """The answer to an unknown time zone names it and the field it came in."""
    error = UnknownTimezoneError("Mars/Base", field="customer.timezone")
    assert (error.code, error.field, error.zone) == ("unknown_timezone", "customer.timezone", "Mars/Base")
    assert error.message == "'Mars/Base' is not a known time zone"


def test_quoted_values_are_cut() -> None:
    """A message never carries all of what was sent."""
    assert shown("x" * 1_000_000) == "'xxxxxxxxxxxx...xxxxxxxxxxxxx'"
