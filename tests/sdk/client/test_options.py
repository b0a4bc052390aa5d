"""Options as values: compared by content, checked when made."""

from typing import Any

import msgspec
import pytest

from orbdo_sdk.client._options import (
    NOT_GIVEN,
    BufferLimits,
    NotGiven,
    RetryPolicy,
    Timeout,
    check_api_key,
    normalise_base_url,
)
from orbdo_sdk.errors import ConfigurationError

KIB = 1024


def test_options_are_compared_by_value() -> None:
    """Two equal options are one and the same to whoever compares or hashes them."""
    assert Timeout() == Timeout(connect_seconds=5.0)
    assert Timeout() != Timeout(connect_seconds=6.0)
    assert len({RetryPolicy(), RetryPolicy(), RetryPolicy(attempts_max=1)}) == 2


def test_options_do_not_change() -> None:
    """An option that was handed over stays what it was."""
    with pytest.raises(AttributeError):
        Timeout().connect_seconds = 1.0  # type: ignore[misc] # the point of the test


def test_not_given_is_told_from_none() -> None:
    """There is one such value and it reads as what it means."""
    assert NotGiven("not given") is NOT_GIVEN
    assert NOT_GIVEN is not None


@pytest.mark.parametrize("kind", [Timeout, RetryPolicy, BufferLimits])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "5", True, None])
def test_bounds_are_positive_numbers(kind: type[msgspec.Struct], value: Any) -> None:
    """Every bound of every option refuses what is no positive finite number, and says which one it was."""
    for name in kind.__struct_fields__:
        if value == 0 and name.endswith("linger_seconds"):
            continue
        with pytest.raises(ConfigurationError, match=name):
            kind(**{name: value})


def test_counts_are_whole() -> None:
    """There is no half event; seconds may be broken."""
    with pytest.raises(ConfigurationError, match="events_max"):
        BufferLimits(events_max=1000.5)  # type: ignore[arg-type] # the point of the test
    assert Timeout(read_seconds=0.5).read_seconds == 0.5


def test_the_lingers_may_be_zero() -> None:
    """Zero means that an event does not wait for company."""
    limits = BufferLimits(linger_seconds=0, awaited_linger_seconds=0)
    assert limits.linger_seconds == 0


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ({"events_max": 500}, {"events_max": 499}),
        ({"event_bytes_max": 1024 * KIB}, {"event_bytes_max": 1024 * KIB + 1}),
        ({"batch_bytes_max": 128 * KIB}, {"batch_bytes_max": 128 * KIB - 1}),
        ({"bytes_max": 1024 * KIB}, {"bytes_max": 1024 * KIB - 1}),
        ({"spool_age_seconds_max": 33 * 86_400.0}, {"spool_age_seconds_max": 33 * 86_400.0 + 1}),
    ],
)
def test_bounds_do_not_contradict_one_another(allowed: dict[str, float], refused: dict[str, float]) -> None:
    """A batch fits the buffer, an event fits a batch, and nothing is kept longer than the server remembers keys."""
    BufferLimits(**allowed)  # type: ignore[arg-type] # whole numbers where they belong
    with pytest.raises(ConfigurationError):
        BufferLimits(**refused)  # type: ignore[arg-type] # whole numbers where they belong


def test_a_ceiling_is_not_below_its_start() -> None:
    """A backoff may be constant but not shrink."""
    RetryPolicy(wait_initial_seconds=2.0, wait_seconds_max=2.0)
    with pytest.raises(ConfigurationError, match="wait_seconds_max"):
        RetryPolicy(wait_initial_seconds=2.0, wait_seconds_max=1.9)
    RetryPolicy(refused_wait_initial_seconds=9.0, refused_wait_seconds_max=9.0)
    with pytest.raises(ConfigurationError, match="refused_wait_seconds_max"):
        RetryPolicy(refused_wait_initial_seconds=9.0, refused_wait_seconds_max=8.9)


def test_the_wait_has_full_jitter_below_a_doubling_ceiling() -> None:
    """Any pause from nothing to the ceiling is possible, and the ceiling stops doubling at its bound."""
    policy = RetryPolicy(wait_initial_seconds=0.5, wait_seconds_max=3.0)
    assert [policy.wait_seconds(failures, jitter=1.0) for failures in (1, 2, 3, 4, 10_000)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert policy.wait_seconds(3, jitter=0.0) == 0.0
    assert policy.wait_seconds(3, jitter=0.25) == 0.5


def test_the_slow_class_waits_at_least_half() -> None:
    """Refused credentials are not tried again at once, whatever the dice say."""
    policy = RetryPolicy(refused_wait_initial_seconds=300.0, refused_wait_seconds_max=1000.0)
    assert [policy.refused_wait_seconds(failures, jitter=1.0) for failures in (1, 2, 3)] == [300.0, 600.0, 1000.0]
    assert policy.refused_wait_seconds(1, jitter=0.0) == 150.0


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://127.0.0.1:8400", "http://127.0.0.1:8400"),
        ("https://billing.example/", "https://billing.example"),
        ("https://example.com/billing/v1/", "https://example.com/billing"),
        ("http://example.com/v1", "http://example.com"),
    ],
)
def test_addresses_are_brought_into_one_form(given: str, used: str) -> None:
    """The version belongs to the paths of this client, and a slash at the end means nothing."""
    assert normalise_base_url(given) == used


@pytest.mark.parametrize(
    "given", ["", "example.com", "ftp://example.com", "http://", "http://a?b=1", "http://a#b", "http://[::1"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    """The error shows what an address looks like."""
    with pytest.raises(ConfigurationError, match="base_url"):
        normalise_base_url(given)


def test_a_key_that_fits_a_header_is_taken() -> None:
    """Printable ASCII of up to 512 characters."""
    assert check_api_key("k" * 512) == "k" * 512


@pytest.mark.parametrize("key", ["", "k" * 513, "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_a_header_is_refused_without_being_repeated(key: str) -> None:
    """The message does not carry the secret into a log."""
    with pytest.raises(ConfigurationError) as caught:
        check_api_key(key)
    assert not key or key not in str(caught.value)
