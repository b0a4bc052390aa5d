"""What answers to an ingest request say about the events of its batch."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orbdo_sdk.client._answers import Answer
from orbdo_sdk.client._shipping.verdict import Failed, Indivisible, Settled, Verdict, read_verdict, verdict_of_error
from orbdo_sdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def verdict(status: int, body: Any, headers: dict[str, str] | None = None) -> Verdict:
    """What is read from an answer to a batch of the events a, b and c."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_verdict(Answer(status, headers or {}, content), ["a", "b", "c"], now=NOW)


def refusal(key: str, *reasons: str) -> dict[str, Any]:
    """An entry of ``validation_failed``."""
    return {"idempotency_key": key, "validation_errors": list(reasons)}


def failed(read: Verdict) -> Failed:
    """The verdict, which must be a failure."""
    assert isinstance(read, Failed)
    return read


def test_all_events_are_in() -> None:
    """A complete answer acknowledges every event, and says which ones the server had before."""
    body = {"validation_failed": [], "debug": {"duplicate": ["b"], "ingested": ["a", "c"]}}
    assert verdict(200, body) == Settled(duplicates=frozenset({"b"}))


def test_a_server_without_debug_is_believed() -> None:
    """The empty list of failures alone acknowledges the batch, as Orb's own answer does."""
    assert verdict(200, {"validation_failed": [], "debug": None}) == Settled()


def test_offenders_named_in_a_success_are_rejected_and_the_others_are_in() -> None:
    """Only who is named is refused; a missing reason is said to be missing."""
    body = {
        "validation_failed": [refusal("b", "too old", "no name"), refusal("x", "stranger")],
        "debug": {"duplicate": [], "ingested": ["a", "c"]},
    }
    assert verdict(200, body) == Settled(rejected={"b": ("too old", "no name")})
    assert verdict(200, {"validation_failed": [refusal("b")]}) == Settled(rejected={"b": ("no reason given",)})


def test_offenders_named_in_a_refusal_are_rejected_and_the_others_sent_again() -> None:
    """With a 400 nothing of the batch was taken."""
    read = verdict(400, {"validation_failed": [refusal("b", "too old")], "title": "bad"})
    assert read == Settled(rejected={"b": ("too old",)}, unsettled=frozenset({"a", "c"}))


def test_a_refusal_may_say_which_events_are_in() -> None:
    """What a 400 names as taken is acknowledged, and only what it does not name is sent again."""
    body = {
        "validation_failed": [refusal("b", "too old")],
        "debug": {"duplicate": ["a"], "ingested": [], "conflict": ["a"]},
    }
    assert verdict(400, body) == Settled(
        duplicates=frozenset({"a"}),
        conflicts=frozenset({"a"}),
        rejected={"b": ("too old",)},
        unsettled=frozenset({"c"}),
    )


def test_events_the_answer_does_not_name_are_sent_again() -> None:
    """An event counts as acknowledged only when the server says so."""
    body = {"validation_failed": [], "debug": {"duplicate": [], "ingested": ["a"]}}
    assert verdict(200, body) == Settled(unsettled=frozenset({"b", "c"}))


@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", {}, {"validation_failed": None}, [1]])
def test_a_success_that_says_nothing_acknowledges_nothing(body: Any) -> None:
    """A 200 of something that is not the server (a portal, a proxy) is a failure like no answer at all."""
    read = failed(verdict(200, body))
    assert isinstance(read.error, UnexpectedAnswerError)
    assert not read.refused


def test_an_answer_about_other_events_acknowledges_nothing() -> None:
    """An answer that names none of ours belongs to somebody else's request."""
    read = failed(verdict(200, {"validation_failed": [], "debug": {"duplicate": [], "ingested": ["x"]}}))
    assert isinstance(read.error, UnexpectedAnswerError)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("body", [b"no", {"validation_failed": []}, {"validation_failed": [refusal("x", "who?")]}])
def test_a_refusal_that_names_nobody_is_to_be_found_out_by_splitting(status: int, body: Any) -> None:
    """The batch as a whole is refused; the reason is kept for the one event that turns out to be at fault."""
    read = verdict(status, body)
    assert isinstance(read, Indivisible)
    assert read.error.status == status
    assert read.reasons[0].startswith(str(status))


def test_overload_is_waited_out() -> None:
    """429 and 5xx keep every event, with the server's word on when to come back."""
    read = failed(verdict(429, {"title": "slow down"}, {"retry-after": "7"}))
    assert (type(read.error), read.refused, read.retry_after_seconds) == (RateLimitedError, False, 7.0)
    read = failed(verdict(503, b""))
    assert (type(read.error), read.refused, read.retry_after_seconds) == (ServerError, False, 0.0)


def test_a_failing_server_rejects_nobody() -> None:
    """What a 503 or a 429 says about single events is not final."""
    body = {"validation_failed": [refusal("b", "internal error")]}
    assert isinstance(verdict(503, body), Failed)
    assert isinstance(verdict(429, body), Failed)
    assert isinstance(verdict(500, body, {"x-should-retry": "false"}), Failed)


def test_refused_credentials_are_the_slow_class() -> None:
    """401, 403, a wrong path or a redirect keep every event and are tried again rarely."""
    for status in (401, 403, 404, 405, 302):
        read = failed(verdict(status, b""))
        assert read.refused
        assert read.error is not None
    assert isinstance(failed(verdict(401, b"")).error, AuthenticationError)


def test_a_conflict_is_tried_again_soon() -> None:
    """Another request with the same batch is under way."""
    read = failed(verdict(409, b""))
    assert isinstance(read.error, ConflictError)
    assert not read.refused


def test_no_answer_keeps_every_event() -> None:
    """A broken network heals fast, an address that can never work does not."""
    assert verdict_of_error(ConnectionFailedError("refused")).refused is False
    assert verdict_of_error(ConfigurationError("no such protocol")).refused is True
