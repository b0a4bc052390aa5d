"""Closing, exit, SIGTERM and fork as the shipper lives them; test_crash does it to real processes."""

import threading
import time
from pathlib import Path

import pytest

from orbdo_sdk.client._options import BufferLimits, RetryPolicy
from orbdo_sdk.client._shipping import Drop
from orbdo_sdk.errors import (
    ClosedError,
)
from tests.sdk.client.shipping.events import FLUSH_SECONDS, MakeShipper, hold, new, numbered, track
from tests.sdk.client.shipping.ingest_server import IngestServer, Reply


def test_close_with_the_server_down_is_bounded_and_loses_nothing(
    make_shipper: MakeShipper, server: IngestServer
) -> None:
    """What could not be sent waits on disk, and the next process of the account delivers it."""
    server.stop()
    shipper = make_shipper()
    keys = numbered(700)
    track(shipper, *keys)
    began_at = time.monotonic()
    assert shipper.close(timeout_seconds=0.3) is False
    assert time.monotonic() - began_at < 0.3 + 2.0
    assert shipper.close() is False
    server.start()
    heir = make_shipper()
    server.wait_for(lambda seen: len(seen.stored) == 700)
    assert heir.flush(FLUSH_SECONDS)
    assert server.stored == dict.fromkeys(keys, 1)
    assert heir.statistics.adopted == 700


def test_close_does_not_wait_for_a_request_that_hangs(make_shipper: MakeShipper, server: IngestServer) -> None:
    """An event on the wire without an answer is kept on disk: the next process sends it again, and it counts once."""
    release = hold(server)
    shipper = make_shipper()
    track(shipper, "a")
    server.wait_for(lambda seen: len(seen.requests) == 1)
    assert shipper.close(timeout_seconds=0.0) is False
    server.decide = None
    release.set()
    heir = make_shipper()
    server.wait_for(lambda seen: seen.stored["a"] == 2)
    assert heir.flush(FLUSH_SECONDS)
    assert heir.statistics.duplicate == 1


def test_close_without_a_disk_tells_what_is_lost(make_shipper: MakeShipper, server: IngestServer) -> None:
    """In the mode memory the hook hears of every event and the waiting caller gets an error."""
    server.stop()
    drops: list[Drop] = []
    patient = RetryPolicy(attempts_max=1_000, wait_initial_seconds=0.01, wait_seconds_max=0.02)
    shipper = make_shipper(spool_mode="memory", on_drop=drops.append, retry=patient)
    track(shipper, "a")
    call = shipper.submit([new("b")])
    assert shipper.close(timeout_seconds=0.0) is False
    with pytest.raises(ClosedError) as caught:
        call.result(10)
    assert caught.value.spooled is False
    assert sorted(drop.idempotency_key for drop in drops) == ["a", "b"]
    assert shipper.statistics.dropped == {"closed": 2}


def test_close_with_a_disk_tells_the_caller_that_the_event_is_kept(
    make_shipper: MakeShipper, server: IngestServer
) -> None:
    """The call ends, the event does not: it says so."""
    server.stop()
    patient = RetryPolicy(attempts_max=1_000, wait_initial_seconds=0.01, wait_seconds_max=0.02)
    shipper = make_shipper(retry=patient)
    call = shipper.submit([new("a")])
    shipper.close(timeout_seconds=0.0)
    with pytest.raises(ClosedError) as caught:
        call.result(10)
    assert caught.value.spooled is True
    assert shipper.statistics.dropped == {}


def test_close_with_a_broken_disk_tells_what_is_lost(
    make_shipper: MakeShipper, server: IngestServer, tmp_path: Path
) -> None:
    """Nothing is dropped in silence even then."""
    server.stop()
    (tmp_path / "file").write_text("in the way")
    drops: list[Drop] = []
    shipper = make_shipper(spool_path=tmp_path / "file", on_drop=drops.append)
    track(shipper, "a")
    shipper.close(timeout_seconds=0.0)
    assert [drop.reason for drop in drops] == ["spool_failed"]


def test_a_closed_shipper_takes_nothing(make_shipper: MakeShipper) -> None:
    """Tracking and submitting raise, in every mode; closing again tells the same as before."""
    for mode in ("memory", "on_pressure", "always"):
        shipper = make_shipper(spool_mode=mode)
        track(shipper, f"{mode}")
        assert shipper.close(timeout_seconds=FLUSH_SECONDS) is True
        with pytest.raises(ClosedError):
            track(shipper, "late")
        with pytest.raises(ClosedError):
            shipper.submit([new("late")])
        assert shipper.close() is True


def test_after_sigterm_every_event_is_written_down_first(make_shipper: MakeShipper, server: IngestServer) -> None:
    """What is in memory goes to disk at once and what comes after it too, while delivery goes on."""
    release = hold(server)
    shipper = make_shipper()
    track(shipper, "a", "b")
    shipper.persist(dying=False)
    assert shipper.statistics.on_disk == 2
    track(shipper, "c")
    assert shipper.statistics.on_disk == 3
    release.set()
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == {"a": 1, "b": 1, "c": 1}


def test_after_sigterm_a_broken_disk_is_no_reason_to_refuse(
    make_shipper: MakeShipper, server: IngestServer, tmp_path: Path
) -> None:
    """Writing first is an addition then; memory still takes the event."""
    (tmp_path / "file").write_text("in the way")
    shipper = make_shipper(spool_path=tmp_path / "file")
    shipper.persist(dying=False)
    track(shipper, "a")
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == {"a": 1}


def test_a_dying_process_without_a_disk_tells_what_is_lost(make_shipper: MakeShipper, server: IngestServer) -> None:
    """What a short flush does not bring out is dropped aloud; with nothing left nobody hears anything."""
    drops: list[Drop] = []
    shipper = make_shipper(spool_mode="memory", on_drop=drops.append)
    track(shipper, "a")
    shipper.persist(dying=True)
    assert drops == []
    server.stop()
    shipper = make_shipper(spool_mode="memory", on_drop=drops.append)
    track(shipper, "b")
    shipper.flush(0.2)
    shipper.persist(dying=True)
    assert [(drop.reason, drop.idempotency_key) for drop in drops] == [("terminated", "b")]


def test_leaving_delivers_what_goes_quickly(make_shipper: MakeShipper, server: IngestServer) -> None:
    """At exit a healthy server gets everything; a failing one is not waited for."""
    shipper = make_shipper(limits=BufferLimits(linger_seconds=60.0))
    track(shipper, "a")
    shipper.leave()
    assert server.stored == {"a": 1}
    server.stop()
    shipper = make_shipper()
    track(shipper, "b")
    shipper.flush(0.2)
    shipper.leave()
    assert shipper.statistics.on_disk == 1


def test_a_forked_child_begins_anew(make_shipper: MakeShipper, server: IngestServer) -> None:
    """What the parent holds stays the parent's; the child's own events arrive through its own threads and files."""
    release = hold(server)
    shipper = make_shipper(spool_mode="always")
    track(shipper, "parent")
    server.wait_for(lambda seen: len(seen.requests) == 1)
    shipper.forked()
    assert shipper.statistics.accepted == 0
    release.set()
    track(shipper, "child")
    assert shipper.flush(FLUSH_SECONDS)
    assert shipper.statistics.acknowledged == 1
    assert shipper.close()
    shipper.forked()
    with pytest.raises(ClosedError):
        track(shipper, "late")
    without_disk = make_shipper(spool_mode="memory")
    without_disk.forked()
    track(without_disk, "memory")
    assert without_disk.flush(FLUSH_SECONDS)


def test_the_hook_may_use_the_shipper(make_shipper: MakeShipper, server: IngestServer) -> None:
    """A hook that tracks another event or closes the client from inside a sender does not hang."""
    server.decide = lambda seen: Reply(status=400 if "bad" in seen.keys else 200, store="bad" not in seen.keys)
    closed = threading.Event()

    def hook(drop: Drop) -> None:
        track(shipper, f"about {drop.idempotency_key}")
        shipper.close(timeout_seconds=0.0)
        closed.set()

    shipper = make_shipper(on_drop=hook)
    track(shipper, "bad")
    assert closed.wait(FLUSH_SECONDS)
    with pytest.raises(ClosedError):
        track(shipper, "late")
    assert make_shipper().flush(FLUSH_SECONDS)
