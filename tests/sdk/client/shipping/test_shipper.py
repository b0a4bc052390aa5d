"""The shipper against a server on a real socket that fails in every way it can."""

import asyncio
import logging
import random
import threading
from pathlib import Path

import httpx
import pytest

from orbdo_sdk.client._options import BufferLimits, RetryPolicy, Timeout
from orbdo_sdk.client._shipping import Drop, NewEvent, Shipper
from orbdo_sdk.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    EventRejectedError,
    InvalidEventError,
)
from tests.sdk.client.shipping.events import FLUSH_SECONDS, MakeShipper, hold, new, numbered, track
from tests.sdk.client.shipping.ingest_server import IngestServer, Reply, Seen


def test_a_tracked_event_arrives(make_shipper: MakeShipper, server: IngestServer) -> None:
    """It arrives once, as it was described, and every figure says so."""
    shipper = make_shipper()
    key = shipper.track("call", external_customer_id="acme", properties={"tokens": 3})
    assert shipper.flush(FLUSH_SECONDS)
    (request,) = server.requests
    assert request.path == "/v1/ingest?debug=true"
    assert request.headers["authorization"] == "Bearer key"
    assert request.keys == [key]
    assert request.events[0]["properties"] == {"tokens": 3}
    read = shipper.statistics
    assert (read.accepted, read.sent, read.retried, read.acknowledged, read.duplicate) == (1, 1, 0, 1, 0)
    assert (read.in_memory, read.on_disk, read.spooled, read.dropped, read.oldest_age_seconds) == (0, 0, 0, {}, 0.0)


def test_nothing_is_done_before_the_first_event(make_shipper: MakeShipper, tmp_path: Path) -> None:
    """A shipper that is made and closed makes no request, no file and is empty at once."""
    shipper = make_shipper()
    assert shipper.flush(0.0)
    assert shipper.close()
    assert list(tmp_path.iterdir()) == []


def test_options_that_can_never_work_are_refused(make_shipper: MakeShipper) -> None:
    """A wrong address or key is a ConfigurationError at construction."""
    with pytest.raises(ConfigurationError):
        make_shipper(base_url="server:8400")
    with pytest.raises(ConfigurationError):
        make_shipper(api_key="a key")


def test_a_wrong_event_is_refused_and_nothing_is_sent(make_shipper: MakeShipper, server: IngestServer) -> None:
    """The caller's mistake is the caller's error; a call with one wrong event sends none of them."""
    shipper = make_shipper()
    with pytest.raises(InvalidEventError):
        shipper.track("call")
    with pytest.raises(InvalidEventError):
        shipper.submit([new("a"), NewEvent(event_type="call")])
    assert shipper.flush(FLUSH_SECONDS)
    assert server.requests == []


def test_a_submitted_event_gets_its_receipt(make_shipper: MakeShipper) -> None:
    """The receipt tells the key and whether the server had it; no events get no receipts."""
    shipper = make_shipper()
    assert [(r.idempotency_key, r.duplicate) for r in shipper.submit([new("a")]).result(10)] == [("a", False)]
    receipts = shipper.submit([new("b"), new("a")]).result(10)
    assert [(r.idempotency_key, r.duplicate) for r in receipts] == [("b", False), ("a", True)]
    assert shipper.submit([]).result(0) == []
    assert shipper.statistics.duplicate == 1


def test_calls_close_in_time_share_a_batch(make_shipper: MakeShipper, server: IngestServer) -> None:
    """Twenty awaited calls at once make one request."""
    shipper = make_shipper(limits=BufferLimits(awaited_linger_seconds=0.5, linger_seconds=60.0))
    track(shipper, "tracked")
    calls = [shipper.submit([new(key)]) for key in numbered(20)]
    for call in calls:
        assert len(call.result(10)) == 1
    assert [len(request.keys) for request in server.requests] == [21]


def test_one_shipper_serves_any_number_of_event_loops(make_shipper: MakeShipper, server: IngestServer) -> None:
    """Calls are awaited on one loop and then on another, without either being blocked."""
    shipper = make_shipper()

    async def ingest(*keys: str) -> int:
        receipts = await asyncio.gather(*[asyncio.wrap_future(shipper.submit([new(key)])) for key in keys])
        return len(receipts)

    assert asyncio.run(ingest("a", "b")) == 2
    assert asyncio.run(ingest("c")) == 1
    assert set(server.stored) == {"a", "b", "c"}


def test_a_cancelled_wait_does_not_take_the_event_back(make_shipper: MakeShipper, server: IngestServer) -> None:
    """The event is delivered although nobody waits for it any more."""
    shipper = make_shipper()
    release = hold(server)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(shipper.submit([new("a")])), 0.05)

    asyncio.run(give_up())
    release.set()
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == {"a": 1}


def test_events_wait_for_a_server_that_is_down(make_shipper: MakeShipper, server: IngestServer) -> None:
    """Everything tracked in an outage arrives when it is over, each event once."""
    server.stop()
    shipper = make_shipper()
    keys = numbered(1_200)
    track(shipper, *keys)
    assert not shipper.flush(0.2)
    server.start()
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == dict.fromkeys(keys, 1)
    assert shipper.statistics.retried > 0


def test_a_slow_server_blocks_nobody(make_shipper: MakeShipper, server: IngestServer) -> None:
    """Tracking goes on while requests hang; a flush says when its time has run out."""
    shipper = make_shipper(limits=BufferLimits(batch_events_max=10, linger_seconds=0.0))
    release = hold(server)
    track(shipper, *numbered(100))
    assert not shipper.flush(0.05)
    server.wait_for(lambda seen: len(seen.requests) == 4)  # as many as may be in flight
    release.set()
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == dict.fromkeys(numbered(100), 1)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(cut=True),
        Reply(hang_up=True),
        Reply(store=False, hang_up=True),
        Reply(status=500, store=False),
        Reply(status=503, store=True),
        Reply(status=429, headers={"Retry-After": "0"}, store=False),
        Reply(status=200, body=b"<html>portal</html>", store=False),
    ],
    ids=["cut", "hung up after", "hung up before", "500", "503 but stored", "429", "portal"],
)
def test_whatever_becomes_of_the_answer_the_event_counts_once(
    make_shipper: MakeShipper, server: IngestServer, reply: Reply
) -> None:
    """A batch whose answer is lost is sent again under the same keys, which the server counts once."""
    shipper = make_shipper()
    server.script.append(reply)
    track(shipper, "a", "b")
    assert shipper.flush(FLUSH_SECONDS)
    assert set(server.stored) == {"a", "b"}
    first, second = server.requests
    assert first.events == second.events
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert shipper.statistics.acknowledged == 2


def test_a_batch_that_is_too_large_is_split(make_shipper: MakeShipper, server: IngestServer) -> None:
    """A server that takes three events a request gets them all."""
    server.decide = lambda seen: Reply(status=413, store=False) if len(seen.keys) > 3 else Reply()
    shipper = make_shipper()
    track(shipper, *numbered(20))
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == dict.fromkeys(numbered(20), 1)
    assert shipper.statistics.rejected == 0


def test_a_rejected_event_can_be_replayed(make_shipper: MakeShipper, server: IngestServer) -> None:
    """It waits among the dead letters with the reason and is delivered when replayed."""
    body = b'{"validation_failed":[{"idempotency_key":"b","validation_errors":["unknown customer"]}]}'
    server.script.append(Reply(status=400, body=body, store=False))
    drops: list[Drop] = []
    shipper = make_shipper(on_drop=drops.append)
    track(shipper, "a", "b")
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == {"a": 1}
    (letter,) = shipper.dead_letters.list()
    assert (letter.idempotency_key, letter.reasons) == ("b", ("unknown customer",))
    assert [(drop.reason, drop.idempotency_key, drop.kept) for drop in drops] == [("rejected", "b", True)]
    assert shipper.dead_letters.replay() == 1
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == {"a": 1, "b": 1}
    read = shipper.statistics
    assert (read.accepted, read.rejected, read.acknowledged, read.replayed) == (3, 1, 2, 1)


def test_only_the_caller_of_a_rejected_event_hears_of_it(make_shipper: MakeShipper, server: IngestServer) -> None:
    """Calls that share a batch with a refused event get their receipts."""
    body = b'{"validation_failed":[{"idempotency_key":"b","validation_errors":["too old"]}]}'
    server.script.append(Reply(status=400, body=body, store=False))
    shipper = make_shipper(limits=BufferLimits(awaited_linger_seconds=0.3))
    first, second = shipper.submit([new("a")]), shipper.submit([new("b")])
    assert first.result(10)[0].idempotency_key == "a"
    with pytest.raises(EventRejectedError, match="too old"):
        second.result(10)


def test_a_caller_is_not_kept_waiting_by_an_outage(make_shipper: MakeShipper, server: IngestServer) -> None:
    """The call ends with the error and its keys once the policy's attempts are used up, or its time."""
    server.stop()
    shipper = make_shipper()
    with pytest.raises(ConnectionFailedError) as caught:
        shipper.submit([new("a")]).result(10)
    assert caught.value.idempotency_keys == ("a",)
    patient = RetryPolicy(attempts_max=1_000, wait_initial_seconds=0.01, wait_seconds_max=0.02)
    slow = make_shipper(retry=patient)
    with pytest.raises(ConnectionFailedError):
        slow.submit([new("b")], timeout_seconds=0.05).result(10)
    assert slow.flush(FLUSH_SECONDS)
    assert slow.statistics.withdrawn == 1


def test_a_caller_hears_of_refused_credentials_at_once(make_shipper: MakeShipper, server: IngestServer) -> None:
    """401 ends the call; what was tracked waits and goes out when the key works again."""
    server.script.append(Reply(status=401, body=b'{"title":"Unknown key"}', store=False))
    shipper = make_shipper(limits=BufferLimits(awaited_linger_seconds=0.05))
    track(shipper, "a")
    with pytest.raises(AuthenticationError, match="Unknown key"):
        shipper.submit([new("b")]).result(10)
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == {"a": 1}


def test_events_of_many_threads_arrive(make_shipper: MakeShipper, server: IngestServer) -> None:
    """Eight threads track at once and nothing is lost or counted twice."""
    shipper = make_shipper()
    threads = [
        threading.Thread(target=track, args=(shipper, *[f"{thread}-{key}" for key in numbered(500)]))
        for thread in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shipper.flush(FLUSH_SECONDS)
    assert len(server.stored) == 4_000
    assert set(server.stored.values()) == {1}


def test_a_given_transport_is_used_and_left_open() -> None:
    """An embedded server is reached through the transport that was handed in, which its owner closes."""

    class Embedded(httpx.BaseTransport):
        """Takes every event and notes when it is closed."""

        closed = False

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            """Say that everything is in."""
            return httpx.Response(200, json={"validation_failed": []})

        def close(self) -> None:
            """Note it."""
            self.closed = True

    transport = Embedded()
    shipper = Shipper("http://embedded", "key", transport=transport, spool_mode="memory", timeout=Timeout())
    track(shipper, "a")
    assert shipper.close(timeout_seconds=FLUSH_SECONDS) is True
    assert shipper.statistics.acknowledged == 1
    assert transport.closed is False


def test_a_system_without_threads_is_reported(
    make_shipper: MakeShipper, server: IngestServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The event is kept, the reason is logged, and the next event tries again."""
    shipper = make_shipper(spool_mode="memory")

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR, "orbdo"):
        patched.setattr(threading.Thread, "start", refuse)
        track(shipper, "a")
    assert "no thread could be started" in caplog.text
    track(shipper, "b")
    assert shipper.flush(FLUSH_SECONDS)
    assert set(server.stored) == {"a", "b"}


@pytest.mark.parametrize("mode", ["memory", "on_pressure", "always"])
def test_a_network_that_does_everything_loses_and_doubles_nothing(
    make_shipper: MakeShipper, server: IngestServer, mode: str
) -> None:
    """Dropped, cut, refused and overloaded requests in any order: each event is stored, and the books balance."""
    chance = random.Random(mode)
    replies = [
        Reply(cut=True),
        Reply(hang_up=True),
        Reply(store=False, hang_up=True),
        Reply(status=500, store=False),
        Reply(status=503),
        Reply(status=413, store=False),
        Reply(status=429, headers={"Retry-After": "0"}, store=False),
    ]
    lock = threading.Lock()

    def misbehave(seen: Seen) -> Reply:
        with lock:
            choice = chance.choice([*replies, *[Reply()] * 5])
        return Reply() if choice.status == 413 and len(seen.keys) <= 10 else choice

    server.decide = misbehave
    shipper = make_shipper(spool_mode=mode, limits=BufferLimits(batch_events_max=20, linger_seconds=0.001))
    keys = numbered(500)
    track(shipper, *keys)
    assert shipper.flush(FLUSH_SECONDS)
    assert set(server.stored) == set(keys)
    read = shipper.statistics
    assert (read.accepted, read.acknowledged, read.rejected, read.dropped) == (500, 500, 0, {})
    assert (read.in_memory, read.on_disk) == (0, 0)
