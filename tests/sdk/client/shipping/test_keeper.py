"""Memory, disk and deadlines, one round of the keeper at a time."""

import logging
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from orbdo_sdk.client._options import BufferLimits, RetryPolicy
from orbdo_sdk.client._shipping.dead_letters import DeadLetters
from orbdo_sdk.client._shipping.gate import Gate
from orbdo_sdk.client._shipping.keeper import Keeper
from orbdo_sdk.client._shipping.ledger import Ledger
from orbdo_sdk.client._shipping.outbox import Outbox
from orbdo_sdk.client._shipping.queued import Batch, Call, Queued
from orbdo_sdk.client._shipping.shipper import utc_now
from orbdo_sdk.client._shipping.spool import Spool
from orbdo_sdk.client._shipping.spool_folder import SpoolFolder
from orbdo_sdk.client._shipping.verdict import Failed
from orbdo_sdk.errors import ConnectionFailedError, OrbError, TimedOutError
from tests.sdk.client.shipping.clock import Clock

LIMITS = BufferLimits(
    events_max=8,
    bytes_max=8_000,
    event_bytes_max=100,
    batch_events_max=2,
    batch_bytes_max=200,
    linger_seconds=0.0,
    spool_after_seconds=5.0,
)
DOWN = Failed(error=ConnectionFailedError("refused"))


class House:
    """A keeper and all it keeps; ``folder`` is None for the mode that uses no disk."""

    def __init__(
        self, clock: Clock, folder: Path | None, *, spool_bytes_max: int = 1_000_000, limits: BufferLimits = LIMITS
    ) -> None:
        self.clock = clock
        self.given_up: list[tuple[list[Call], OrbError]] = []
        self.gave_up = threading.Event()
        self.gate = Gate(RetryPolicy(), jitter=lambda: 0.0)
        self.outbox = Outbox(limits, self.gate, monotonic=clock)
        self.folder = SpoolFolder(folder, "acme") if folder is not None else None
        self.spool = Spool(self.folder.new_path, spool_bytes_max, lambda at: at) if self.folder is not None else None
        letters = DeadLetters(None, letters_max=10, now=utc_now, resend=lambda letter: None)
        self.ledger = Ledger(spool=self.spool, dead_letters=letters, on_drop=None, monotonic=clock)
        self.keeper = Keeper(
            outbox=self.outbox,
            gate=self.gate,
            ledger=self.ledger,
            spool=self.spool,
            folder=self.folder,
            limits=limits,
            give_up=self._give_up,
            monotonic=clock,
            accepted_at=lambda at: at,
        )

    def track(self, keys: str) -> None:
        """Put in an event for each letter."""
        for key in keys:
            assert self.outbox.offer(Queued(key, b"{}", self.clock()))

    def fail(self) -> None:
        """Have the next request fail."""
        batch = self.take()
        self.outbox.failed(batch, DOWN, began_at=self.clock(), again=[batch])

    def take(self) -> Batch:
        """The next batch, which must be due."""
        assert self.outbox.seconds_until_due() == 0
        batch = self.outbox.next_batch()
        assert batch is not None
        return batch

    def on_disk(self) -> tuple[int, int]:
        """How many events have a row, and how many of them wait to be loaded."""
        assert self.spool is not None
        return self.spool.count, self.spool.waiting

    def _give_up(self, calls: Collection[Call], error: OrbError) -> None:
        self.given_up.append((list(calls), error))
        self.outbox.withdraw(calls)
        self.gave_up.set()


@pytest.fixture
def house(clock: Clock, tmp_path: Path) -> Iterator[House]:
    """A keeper with a spool in the test's folder."""
    made = House(clock, tmp_path)
    yield made
    assert made.spool is not None
    made.spool.close()


def test_a_quiet_house_needs_no_keeping(house: House, tmp_path: Path) -> None:
    """Nothing happens and nothing is written."""
    house.keeper.keep()
    assert list(tmp_path.iterdir()) == []


def test_a_crowded_memory_is_relieved_and_filled_again(house: House) -> None:
    """Above three quarters the newest events go to disk, and come back as soon as half of memory is free."""
    house.track("abcdefg")
    house.keeper.keep()
    assert house.on_disk() == (3, 3)
    assert house.outbox.held == 4
    for _ in range(2):
        house.outbox.landed(house.take())
    house.keeper.keep()
    assert house.on_disk() == (3, 0)
    assert house.outbox.held == 3


def test_without_room_on_disk_memory_keeps_its_events(clock: Clock, tmp_path: Path) -> None:
    """A full disk takes nothing out of memory; a nearly full one takes what fits and gives back the rest."""
    full = House(clock, tmp_path, spool_bytes_max=100)
    full.track("abcdefg")
    full.keeper.keep()
    assert full.outbox.held == 7
    nearly = House(clock, tmp_path, spool_bytes_max=150)
    nearly.track("abcdefg")
    nearly.keeper.keep()
    assert nearly.on_disk() == (2, 2)
    assert sorted(event.key for event in nearly.outbox.wanted_events()) == list("abcde")
    for house in (full, nearly):
        assert house.spool is not None
        house.spool.close()


def test_an_outage_is_written_down_once_it_lasts(house: House) -> None:
    """After five seconds of failures everything is on disk as well, and again every five seconds what came since."""
    house.track("abc")
    house.fail()
    house.clock.advance(4.9)
    house.keeper.keep()
    assert house.on_disk() == (0, 0)
    house.clock.advance(0.1)
    house.keeper.keep()
    assert house.on_disk() == (3, 0)
    house.track("d")
    house.clock.advance(4.9)
    house.keeper.keep()
    assert house.on_disk() == (3, 0)
    house.clock.advance(0.1)
    house.keeper.keep()
    assert house.on_disk() == (4, 0)


def test_a_failing_disk_leaves_events_in_memory(clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, not every round, and nothing is lost."""
    (tmp_path / "file").write_text("in the way")
    house = House(clock, tmp_path / "file")
    house.track("abcdefg")
    with caplog.at_level(logging.WARNING, "orbdo"):
        house.keeper.keep()
        house.keeper.keep()
    assert len([message for message in caplog.messages if "events stay in memory only" in message]) == 1
    assert house.outbox.held == 7


def test_orphans_are_looked_for_every_minute(house: House, tmp_path: Path) -> None:
    """At the start and then once a minute the events of dead processes are taken over and loaded."""
    house.keeper.keep()
    dead = Spool(SpoolFolder(tmp_path, "acme").new_path, 1_000, lambda at: at)
    dead.append([Queued("x", b"{}", 123.0)], held=True)
    dead.close()
    house.clock.advance(59.0)
    house.keeper.keep()
    assert house.ledger.adopted == 0
    house.clock.advance(1.0)
    house.keeper.keep()
    assert house.ledger.adopted == 1
    assert [(event.key, event.accepted_at) for event in house.take().events] == [("x", 123.0)]


def test_overdue_calls_end_with_the_last_failure(house: House) -> None:
    """The caller hears why nothing came; without a failure it is a timeout."""
    first = Call(["a"], deadline=house.clock() + 1)
    assert house.outbox.offer_call(first, [Queued("a", b"{}", house.clock(), call=first)])
    house.keeper.keep()
    assert house.given_up == []
    house.clock.advance(1.0)
    house.keeper.keep()
    assert house.given_up[0][0] == [first]
    assert isinstance(house.given_up[0][1], TimedOutError)
    house.track("b")
    house.fail()
    second = Call(["c"], deadline=house.clock())
    assert house.outbox.offer_call(second, [Queued("c", b"{}", house.clock(), call=second)])
    house.keeper.keep()
    assert house.given_up[1] == ([second], DOWN.error)


def test_without_a_disk_only_calls_are_minded(clock: Clock) -> None:
    """In the mode that uses no disk a crowded memory stays crowded."""
    house = House(clock, None)
    house.track("abcdefgh")
    house.keeper.keep()
    assert house.outbox.held == 8


def test_the_keeper_sleeps_as_long_as_nothing_can_happen(house: House) -> None:
    """A minute when idle, half a second with events about, until the first deadline, not at all while loading."""
    assert house.keeper.pause_seconds() == 60.0
    house.track("a")
    assert house.keeper.pause_seconds() == 0.5
    call = Call(["c"], deadline=house.clock() + 0.25)
    assert house.outbox.offer_call(call, [Queued("c", b"{}", house.clock(), call=call)])
    assert house.keeper.pause_seconds() == 0.25
    house.clock.advance(1.0)
    assert house.keeper.pause_seconds() == 0.0


def test_the_keeper_does_not_sleep_while_it_can_load(clock: Clock, tmp_path: Path) -> None:
    """As long as events wait on disk and memory takes another load, the next round follows at once."""
    house = House(clock, tmp_path, limits=BufferLimits())
    assert house.spool is not None
    house.spool.append([Queued(str(number), b"{}", clock()) for number in range(5_001)], held=False)
    house.keeper.keep()
    assert house.on_disk() == (5_001, 1)
    assert house.keeper.pause_seconds() == 0.0
    house.keeper.keep()
    assert house.keeper.pause_seconds() == 0.5
    house.spool.close()


def test_the_keeper_runs_until_the_outbox_stops(house: House) -> None:
    """It does its first round at once and ends when the outbox is stopped."""
    call = Call(["c"], deadline=house.clock())
    assert house.outbox.offer_call(call, [Queued("c", b"{}", house.clock(), call=call)])
    keeper = threading.Thread(target=house.keeper.run)
    keeper.start()
    assert house.gave_up.wait(10.0)
    house.outbox.stop()
    keeper.join(10.0)
    assert not keeper.is_alive()
    assert house.given_up[0][0] == [call]
