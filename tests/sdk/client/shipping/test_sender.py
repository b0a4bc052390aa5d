"""One request and what its answer leads to, over a transport that answers as told."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from orbdo_sdk.client._options import BufferLimits, RetryPolicy
from orbdo_sdk.client._shipping.dead_letters import DeadLetters
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.client._shipping.ledger import Ledger
from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.queued import Call, Queued
from orbdo_sdk.client._shipping.sender import Sender
from orbdo_sdk.client._shipping.shipper import utc_now
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.errors import (
    AuthenticationError,
    BatchRejectedError,
    ConnectionFailedError,
    EventRejectedError,
    TimedOutError,
)
from tests.sdk.client.shipping.clock import Clock

AGE_MAX = 1_000.0
Answerer = Callable[[httpx.Request], httpx.Response]


def keys_of(request: httpx.Request) -> list[str]:
    """The keys of the events of a request."""
    return [event["idempotency_key"] for event in json.loads(request.content)["events"]]


def accept(request: httpx.Request) -> httpx.Response:
    """Take everything as new."""
    return httpx.Response(200, json={"validation_failed": [], "debug": {"duplicate": [], "ingested": keys_of(request)}})


class Bench:
    """A sender with everything it needs; ``answers`` are used one a request, the last one for good."""

    def __init__(self, clock: Clock, *answers: Answerer) -> None:
        self.clock = clock
        self.requests: list[httpx.Request] = []
        self._answers = list(answers) or [accept]
        limits = BufferLimits(batch_events_max=4, linger_seconds=0.0, awaited_linger_seconds=0.0)
        policy = RetryPolicy(attempts_max=2, wait_initial_seconds=1.0, wait_seconds_max=1.0)
        self.gate = Gate(policy, jitter=lambda: 1.0)
        self.outbox = Outbox(limits, self.gate, monotonic=clock)
        self.letters = DeadLetters(None, letters_max=100, now=utc_now, resend=lambda letter: None)
        self.ledger = Ledger(spool=None, dead_letters=self.letters, on_drop=None, monotonic=clock)
        self.sender = Sender(
            outbox=self.outbox,
            ledger=self.ledger,
            transport=SyncTransport("http://orbdo.test", "secret", http_transport=httpx.MockTransport(self._answer)),
            retry=policy,
            event_age_seconds_max=AGE_MAX,
            now=utc_now,
            monotonic=clock,
        )

    def track(self, keys: str) -> None:
        """Put in an event for each letter."""
        for key in keys:
            assert self.outbox.offer(self._event(key, None))

    def call(self, keys: str) -> Call:
        """Put in a call with an event for each letter."""
        call = Call(list(keys), deadline=self.clock() + 60)
        assert self.outbox.offer_call(call, [self._event(key, call) for key in keys])
        return call

    def send(self, times: int = 1) -> None:
        """Send that many batches, each when it is due."""
        for _ in range(times):
            seconds = self.outbox.seconds_until_due()
            assert seconds is not None
            self.clock.advance(seconds)
            batch = self.outbox.next_batch()
            assert batch is not None
            self.sender.send(batch)

    def answer_and_stop(self) -> None:
        """Accept the next request and end the sender's run after it."""

        def last(request: httpx.Request) -> httpx.Response:
            self.outbox.stop()
            return accept(request)

        self._answers = [last]

    def sent_keys(self) -> list[str]:
        """The keys of each request as one text."""
        return ["".join(keys_of(request)) for request in self.requests]

    def dead(self) -> list[tuple[str, tuple[str, ...]]]:
        """The dead letters."""
        return [(letter.idempotency_key, letter.reasons) for letter in self.letters.list()]

    def _event(self, key: str, call: Call | None) -> Queued:
        return Queued(key, json.dumps({"idempotency_key": key}).encode(), self.clock(), call=call)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(request)


def answer(status: int, body: Any = None, **headers: str) -> Answerer:
    """An answer that is the same for every request."""
    return lambda request: httpx.Response(status, json=body if body is not None else {}, headers=headers)


def down(request: httpx.Request) -> httpx.Response:
    """No answer at all."""
    raise httpx.ConnectError("refused", request=request)


def test_a_batch_is_posted_with_credentials_and_a_key_of_its_own(clock: Clock) -> None:
    """The request asks for duplicates and carries the batch's bytes and idempotency key."""
    bench = Bench(clock)
    bench.track("ab")
    bench.send()
    (request,) = bench.requests
    assert (request.method, str(request.url)) == ("POST", "http://orbdo.test/v1/ingest?debug=true")
    assert request.headers["authorization"] == "Bearer secret"
    assert request.content == b'{"events":[{"idempotency_key": "a"},{"idempotency_key": "b"}]}'
    assert len(request.headers["idempotency-key"]) == 36
    assert (bench.ledger.acknowledged, bench.outbox.held) == (2, 0)


def test_a_repeated_batch_is_byte_for_byte_the_same(clock: Clock) -> None:
    """Body and idempotency key of the second attempt are those of the first."""
    bench = Bench(clock, down, accept)
    bench.track("ab")
    bench.send(2)
    first, second = bench.requests
    assert first.content == second.content
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert (bench.ledger.sent, bench.ledger.retried, bench.ledger.acknowledged) == (2, 1, 2)


def test_only_the_named_offender_is_rejected(clock: Clock) -> None:
    """With a 400 that names one event, that one is dead and the others are sent again at once."""
    refusal = {"validation_failed": [{"idempotency_key": "b", "validation_errors": ["too old"]}]}
    bench = Bench(clock, answer(400, refusal), accept)
    call = bench.call("a")
    bench.track("bc")
    bench.send(2)
    assert bench.sent_keys() == ["abc", "ac"]
    assert bench.dead() == [("b", ("too old",))]
    assert [receipt.idempotency_key for receipt in call.future.result()] == ["a"]
    assert (bench.ledger.acknowledged, bench.ledger.rejected, bench.outbox.held) == (2, 1, 0)


def test_an_event_named_in_a_success_is_rejected_for_its_caller_only(clock: Clock) -> None:
    """Two calls share a batch; the one whose event was refused hears it, the other gets its receipt."""
    body = {
        "validation_failed": [{"idempotency_key": "a", "validation_errors": ["unknown customer"]}],
        "debug": {"duplicate": ["b"], "ingested": []},
    }
    bench = Bench(clock, answer(200, body))
    refused, taken = bench.call("a"), bench.call("b")
    bench.send()
    with pytest.raises(EventRejectedError, match="unknown customer"):
        refused.future.result()
    assert taken.future.result()[0].duplicate is True
    assert bench.ledger.duplicate == 1


def test_a_call_with_some_refused_events_names_them(clock: Clock) -> None:
    """The caller of several events learns which are in."""
    body = {
        "validation_failed": [{"idempotency_key": "a", "validation_errors": ["no"]}],
        "debug": {"duplicate": [], "ingested": ["b"]},
    }
    bench = Bench(clock, answer(200, body))
    call = bench.call("ab")
    bench.send()
    with pytest.raises(BatchRejectedError) as caught:
        call.future.result()
    assert caught.value.acknowledged_keys == ("b",)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_nameless_refusal_is_split_down_to_the_offender(clock: Clock, status: int) -> None:
    """Halving finds the one event the server refuses; all others are delivered."""

    def refuse_c(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"title": "no"}) if "c" in keys_of(request) else accept(request)

    bench = Bench(clock, refuse_c)
    bench.track("abcd")
    bench.send(5)
    assert bench.sent_keys() == ["abcd", "ab", "cd", "c", "d"]
    assert bench.dead() == [("c", (f"{status} no",))]
    assert (bench.ledger.acknowledged, bench.ledger.rejected, bench.outbox.held) == (3, 1, 0)


def test_events_an_answer_leaves_out_are_sent_again(clock: Clock) -> None:
    """What the server does not name is not taken for delivered."""
    body = {"validation_failed": [], "debug": {"duplicate": [], "ingested": ["a"]}}
    bench = Bench(clock, answer(200, body), accept)
    bench.track("ab")
    bench.send(2)
    assert bench.sent_keys() == ["ab", "b"]
    assert bench.ledger.acknowledged == 2


def test_tracked_events_wait_out_refused_credentials_and_callers_hear_of_them(clock: Clock) -> None:
    """With a revoked key the caller gets the error at once; what was tracked is kept."""
    bench = Bench(clock, answer(401, {"title": "Unknown key"}), accept)
    call = bench.call("a")
    bench.track("b")
    bench.send()
    with pytest.raises(AuthenticationError, match="Unknown key"):
        call.future.result()
    assert bench.outbox.seconds_until_due() == 300.0
    bench.send()
    assert bench.sent_keys() == ["ab", "b"]
    assert (bench.ledger.acknowledged, bench.ledger.withdrawn) == (1, 1)


def test_a_caller_hears_of_a_failure_that_lasts(clock: Clock) -> None:
    """After as many attempts as the policy grants the call ends with the error and its keys, and is not sent again."""
    bench = Bench(clock, down)
    call = bench.call("ab")
    bench.send(2)
    with pytest.raises(ConnectionFailedError) as caught:
        call.future.result()
    assert caught.value.idempotency_keys == ("a", "b")
    assert isinstance(caught.value.__cause__, ConnectionFailedError)
    assert bench.outbox.held == 0


def test_a_caller_gets_an_error_of_its_own(clock: Clock) -> None:
    """Two calls that fail of one answer raise two errors, each with its traceback, and a timeout stays a timeout."""
    bench = Bench(clock, answer(403, {"title": "No"}))
    first, second = bench.call("a"), bench.call("b")
    bench.send()
    assert first.future.exception() is not second.future.exception()
    call = Call(["c"], deadline=0.0)
    bench.sender.give_up([call], TimedOutError("too slow"))
    assert type(call.future.exception()) is TimedOutError


def test_retry_after_is_a_floor(clock: Clock) -> None:
    """The next request does not go out before the server wants it."""
    bench = Bench(clock, answer(429, None, **{"retry-after": "40"}), accept)
    bench.track("a")
    bench.send()
    assert bench.outbox.seconds_until_due() == 40.0


def test_a_transport_may_fail_in_its_own_way(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """An exception nobody foresaw is logged and treated as no answer; the sender lives on."""

    def break_down(request: httpx.Request) -> httpx.Response:
        raise LookupError("no such app")

    bench = Bench(clock, break_down, accept)
    bench.track("a")
    bench.send(2)
    assert bench.ledger.acknowledged == 1
    assert "sending events failed unexpectedly" in caplog.text


def poison(request: httpx.Request) -> httpx.Response:
    """A server with a bug: it fails on the event p and takes the others."""
    return httpx.Response(500, json={"title": "bug"}) if "p" in keys_of(request) else accept(request)


def test_an_event_the_server_cannot_digest_is_found_and_kept(clock: Clock) -> None:
    """When the server fails on a batch again and again but takes others, the fault is found by splitting."""
    bench = Bench(clock, poison)
    bench.track("apbc")
    for number in range(20):
        if bench.outbox.held:
            bench.track(f"{number % 10}")
            bench.send(2)
    assert [key for key, _ in bench.dead()] == ["p"]
    assert bench.dead()[0][1] == ("the server fails on it: 500 bug",)
    assert bench.ledger.rejected == 1
    assert bench.outbox.held == 0


def test_a_server_that_fails_on_everything_rejects_nothing(clock: Clock) -> None:
    """An outage is not the fault of an event, however long it lasts."""
    bench = Bench(clock, answer(500))
    bench.track("abcd")
    bench.send(30)
    assert bench.sent_keys() == ["abcd"] * 30
    assert bench.dead() == []


def test_a_gateway_that_fails_is_an_outage(clock: Clock) -> None:
    """503 never speaks against an event, even when other batches go through."""

    def overloaded(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503) if "a" in keys_of(request) else accept(request)

    bench = Bench(clock, overloaded)
    bench.track("ab")
    for _ in range(10):
        bench.send()
        bench.track("c")
        bench.send()
    assert set(bench.sent_keys()) == {"ab", "c"}
    assert bench.dead() == []


def test_events_too_old_are_not_sent(clock: Clock) -> None:
    """The server may have forgotten a key that old: such an event is kept apart, the rest of its batch goes out."""
    bench = Bench(clock)
    bench.track("a")
    clock.advance(1.0)
    bench.track("b")
    clock.advance(AGE_MAX - 0.5)
    bench.answer_and_stop()
    bench.sender.run()
    assert bench.sent_keys() == ["b"]
    assert bench.dead() == [("a", ("too old to be sent again safely",))]
    assert (bench.ledger.acknowledged, bench.outbox.held) == (1, 0)


def test_an_event_of_the_greatest_age_is_sent(clock: Clock) -> None:
    """The bound itself is allowed, and a batch of nothing but too old events makes no request."""
    bench = Bench(clock)
    bench.track("a")
    clock.advance(AGE_MAX)
    bench.answer_and_stop()
    bench.sender.run()
    assert bench.sent_keys() == ["a"]
    late = Bench(clock)
    late.track("ab")
    clock.advance(AGE_MAX + 0.5)
    late.track("c")
    late.answer_and_stop()
    late.sender.run()
    assert late.sent_keys() == ["c"]
    assert [key for key, _ in late.dead()] == ["a", "b"]
