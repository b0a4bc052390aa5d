"""The wording of a denial, at the edges that a whole application does not reach."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orbdo_sdk.entitlement import Decision, Reason
from orbdo_sdk.middleware._responses import FIELD_INTEGER_MAX, Response, denial

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def reached(
    *,
    feature: str = "calls",
    limit: Decimal | int = 5,
    remaining: Decimal | int = 0,
    reset_at: datetime | None = None,
    period_start: datetime | None = None,
) -> Decision:
    """A limit that has been reached."""
    return Decision(
        allowed=False,
        reason=Reason.LIMIT_REACHED,
        feature=feature,
        limit=Decimal(limit),
        used=Decimal(5),
        remaining=Decimal(remaining),
        reset_at=reset_at,
        period_start=period_start,
    )


def headers(response: Response) -> dict[str, str]:
    """The headers as text."""
    return {name.decode(): value.decode() for name, value in response.headers}


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        (timedelta(seconds=90), "90"),
        (timedelta(seconds=1), "1"),
        (timedelta(seconds=1, microseconds=1), "2"),
        (timedelta(microseconds=1), "1"),
        (timedelta(0), "1"),
        (timedelta(seconds=-5), "1"),
    ],
)
def test_the_wait_is_whole_seconds_and_at_least_one(left: timedelta, seconds: str) -> None:
    """Rounded up, so that who comes back then finds the new period; never 0, which means at once."""
    fields = headers(denial(reached(reset_at=NOW + left), status=429, now=NOW))
    assert fields["retry-after"] == seconds
    assert fields["ratelimit"] == f'"calls";r=0;t={seconds}'
    assert fields["ratelimit-policy"] == '"calls";q=5'


def test_the_window_is_the_length_of_the_period() -> None:
    """A period with both ends known has a window in seconds."""
    decision = reached(reset_at=NOW + timedelta(hours=1), period_start=NOW - timedelta(hours=23))
    assert headers(denial(decision, status=429, now=NOW))["ratelimit-policy"] == '"calls";q=5;w=86400'


@pytest.mark.parametrize(
    ("limit", "written"),
    [
        (Decimal("5.9"), "5"),
        (FIELD_INTEGER_MAX, "999999999999999"),
        (FIELD_INTEGER_MAX + 1, "999999999999999"),
        (Decimal(-1), "0"),
        (Decimal("1E+20"), "999999999999999"),
    ],
)
def test_quotas_are_written_as_integers_of_a_field(limit: Decimal | int, written: str) -> None:
    """A structured field holds whole numbers of at most 15 digits; the body has the exact quantity."""
    assert headers(denial(reached(limit=limit), status=429, now=NOW))["ratelimit-policy"] == f'"calls";q={written}'


def test_quantities_in_the_body_are_plain_decimal_text() -> None:
    """No exponent, no trailing zeros, nothing lost."""
    body = denial(reached(limit=Decimal("1E+2"), remaining=Decimal("0.500")), status=429, now=NOW).body
    assert b'"limit":"100","used":"5","remaining":"0.5"' in body


@pytest.mark.parametrize(
    ("feature", "written"),
    [
        ("api calls/day", '"api calls/day"'),
        ('say "hi"', '"say %22hi%22"'),
        ("back\\slash", '"back%5Cslash"'),
        ("größe", '"gr%C3%B6%C3%9Fe"'),
        ("100%", '"100%25"'),
        ("a\r\nset-cookie: b=1", '"a%0D%0Aset-cookie: b=1"'),
    ],
)
def test_the_name_of_a_policy_fits_a_field(feature: str, written: str) -> None:
    """Whatever a feature is called, the header is one line of printable ASCII in one quoted string."""
    fields = headers(denial(reached(feature=feature), status=429, now=NOW))
    assert fields["ratelimit"] == f"{written};r=0"


def test_the_length_of_the_body_is_stated() -> None:
    """A denial is complete: the client need not wait for the connection to close."""
    response = denial(reached(feature="größe"), status=429, now=NOW)
    assert headers(response)["content-length"] == str(len(response.body))
