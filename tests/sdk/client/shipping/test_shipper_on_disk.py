"""Memory that runs full, a disk that takes over, and the mode that writes everything down first."""

import threading
from pathlib import Path

import pytest

from orbdo_sdk.client._options import BufferLimits
from orbdo_sdk.client._shipping import Drop
from orbdo_sdk.errors import (
    BufferFullError,
    SpoolError,
)
from tests.sdk.client.shipping.events import FLUSH_SECONDS, SMALL, MakeShipper, hold, new, numbered, track
from tests.sdk.client.shipping.ingest_server import IngestServer


def test_an_outage_that_lasts_is_written_down(make_shipper: MakeShipper, server: IngestServer) -> None:
    """After a while of failures the events are on disk too, and their rows are gone once they are in."""
    server.stop()
    shipper = make_shipper(limits=BufferLimits(spool_after_seconds=0.01))
    track(shipper, *numbered(10))
    shipper.flush(0.1)
    deadline = threading.Event()
    while shipper.statistics.on_disk < 10:
        assert not deadline.wait(0.02)
    server.start()
    assert shipper.flush(FLUSH_SECONDS)
    read = shipper.statistics
    assert (read.on_disk, read.spooled, read.acknowledged) == (0, 10, 10)


def test_a_full_memory_goes_to_disk(make_shipper: MakeShipper, server: IngestServer) -> None:
    """More events than memory takes are all accepted and all arrive, with at most the bound of them in memory."""
    release = hold(server)
    shipper = make_shipper(limits=SMALL)
    track(shipper, *numbered(100))
    read = shipper.statistics
    assert read.accepted == 100
    assert read.in_memory <= 8
    release.set()
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == dict.fromkeys(numbered(100), 1)
    assert shipper.statistics.on_disk == 0


def test_a_full_memory_without_a_disk_refuses(make_shipper: MakeShipper, server: IngestServer) -> None:
    """The caller gets an error, the counter and the hook hear of it, and what was accepted arrives."""
    release = hold(server)
    drops: list[Drop] = []
    shipper = make_shipper(limits=SMALL, spool_mode="memory", on_drop=drops.append)
    track(shipper, *numbered(8))
    with pytest.raises(BufferFullError) as caught:
        track(shipper, "late")
    assert (caught.value.events_max, caught.value.bytes_max) == (8, 8_000)
    assert shipper.statistics.dropped == {"buffer_full": 1}
    assert [(drop.reason, drop.idempotency_key, drop.kept) for drop in drops] == [("buffer_full", "late", False)]
    release.set()
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == dict.fromkeys(numbered(8), 1)


def test_a_full_memory_and_a_full_disk_refuse(make_shipper: MakeShipper, server: IngestServer) -> None:
    """When the size cap of the spool is reached there is no room anywhere."""
    hold(server)
    limits = BufferLimits(
        events_max=8, bytes_max=8_000, event_bytes_max=300, batch_events_max=2, batch_bytes_max=1_000, spool_bytes_max=1
    )
    shipper = make_shipper(limits=limits)
    track(shipper, *numbered(8))
    with pytest.raises(BufferFullError):
        track(shipper, "late")


def test_a_full_memory_and_a_broken_disk_refuse(
    make_shipper: MakeShipper, server: IngestServer, tmp_path: Path
) -> None:
    """The error tells the disk's failure as its cause."""
    hold(server)
    (tmp_path / "file").write_text("in the way")
    shipper = make_shipper(limits=SMALL, spool_path=tmp_path / "file")
    track(shipper, *numbered(8))
    with pytest.raises(BufferFullError) as caught:
        track(shipper, "late")
    assert isinstance(caught.value.__cause__, SpoolError)


def test_a_second_call_without_room_is_refused(make_shipper: MakeShipper, server: IngestServer) -> None:
    """One call of any size is taken; beside it the bounds hold."""
    release = hold(server)
    for mode in ("memory", "always"):
        shipper = make_shipper(limits=SMALL, spool_mode=mode)
        first = shipper.submit([new(f"{mode}{number}") for number in range(10)])
        with pytest.raises(BufferFullError):
            shipper.submit([new("late")])
        release.set()
        assert len(first.result(10)) == 10
        assert shipper.flush(FLUSH_SECONDS)
    assert "late" not in server.stored


def test_always_writes_before_it_accepts(make_shipper: MakeShipper, server: IngestServer, tmp_path: Path) -> None:
    """Every event is on disk when ``track`` returns, and gone from it once the server has it."""
    release = hold(server)
    shipper = make_shipper(spool_mode="always")
    track(shipper, "a", "b")
    call = shipper.submit([new("c")])
    assert shipper.statistics.on_disk == 3
    release.set()
    call.result(10)
    assert shipper.flush(FLUSH_SECONDS)
    assert shipper.statistics.on_disk == 0
    assert shipper.close()
    assert list(tmp_path.iterdir()) == []


def test_always_takes_more_than_memory_holds(make_shipper: MakeShipper, server: IngestServer) -> None:
    """What finds no room in memory waits on disk."""
    release = hold(server)
    shipper = make_shipper(limits=SMALL, spool_mode="always")
    track(shipper, *numbered(50))
    assert shipper.statistics.on_disk >= 42
    release.set()
    assert shipper.flush(FLUSH_SECONDS)
    assert server.stored == dict.fromkeys(numbered(50), 1)


def test_always_refuses_when_the_disk_fails(make_shipper: MakeShipper, server: IngestServer, tmp_path: Path) -> None:
    """An event that cannot be written is not accepted, and the caller, the counter and the hook know."""
    (tmp_path / "file").write_text("in the way")
    drops: list[Drop] = []
    shipper = make_shipper(spool_mode="always", spool_path=tmp_path / "file", on_drop=drops.append)
    with pytest.raises(SpoolError):
        track(shipper, "a")
    assert [drop.reason for drop in drops] == ["spool_failed"]
    full = make_shipper(spool_mode="always", limits=BufferLimits(spool_bytes_max=1))
    with pytest.raises(BufferFullError):
        track(full, "b")
    assert full.flush(FLUSH_SECONDS)
    assert server.requests == []
