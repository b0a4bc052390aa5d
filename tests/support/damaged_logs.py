"""Logs to damage: one that was closed and one that was killed, what is in them, and damages to their files."""

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from orbdo_server.storage.event_log import HourOfState, Repeated, Scope, StoredEvent
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.killed_logs import killed_copy
from tests.support.logged_events import ADA, MARCH, TENANT, amend, close, create, deprecate, event, on, send, the_clock

EVENTS_MAX = 3_000
NAME = "events.duckdb"
WHOLE = """
    SELECT count(*), sum(seq), bit_xor(hash(seq, idempotency_key, event_name, timestamp, received_at,
        external_customer_id, customer_id, properties::JSON::VARCHAR)) FROM events
"""


class Contents(msgspec.Struct, frozen=True):
    """All that a log answers: how far it is, each row that counts, what every row is, what came again."""

    position: int
    in_effect: Sequence[tuple[object, ...]]
    of_ada: Sequence[tuple[object, ...]]
    states: Sequence[HourOfState]
    stored: Sequence[StoredEvent]
    repeats: Sequence[Repeated]
    backfills: int
    corrections: int


def opened(folder: Path) -> DuckDBEventLog:
    """The log in a folder, with chunks and segments so small that a few thousand events fill many."""
    return DuckDBEventLog(
        folder / NAME,
        threads=1,
        chunk_rows=500,
        segment_bytes_max=1 << 16,
        checkpoint_wal_bytes=150_000,
        clock=the_clock,
    )


def fill(log: DuckDBEventLog) -> None:
    """Events, some of them twice, a backfill, an amendment and a deprecation."""
    for first in range(0, EVENTS_MAX, 100):
        send(log, *[event(f"k{number}", number, at=on(1 + number % 28)) for number in range(first, first + 100)])
        if first == 1_000:
            create(log, "bf_1")
            send(log, *[event(f"b{number}", number) for number in range(50)], backfill_id="bf_1")
            close(log, "bf_1")
            amend(log, 7, event("k6", 1_000_000))
            deprecate(log, 8, "k7")
            send(log, event("k9", 9, at=on(10)), event("k10", 11, at=on(11)))


def contents(log: DuckDBEventLog) -> Contents:
    """What a log answers now."""
    position = log.position()
    return Contents(
        position=position,
        in_effect=log.read(WHOLE, scope=Scope(tenant=TENANT, as_of=position)).rows,
        of_ada=log.read(WHOLE, scope=Scope(tenant=TENANT, as_of=position, customer=ADA)).rows,
        states=log.states_by_hour(TENANT, MARCH, as_of=position),
        stored=log.stored(TENANT, ["k6", "k7", "b3", f"k{EVENTS_MAX - 1}"], as_of=position),
        repeats=[*log.repeats(TENANT, "k9"), *log.repeats(TENANT, "k10")],
        backfills=len(log.backfills(TENANT, as_of=position)),
        corrections=len(log.corrections(TENANT, as_of=position)),
    )


def make_closed(folder: Path) -> Contents:
    """A log that was closed in order, and what is in it."""
    log = opened(folder)
    fill(log)
    there = contents(log)
    log.close()
    return there


def make_killed(folder: Path, *, work: Path) -> Contents:
    """A log whose process was killed: a copy of its files as they lie while it is open, and what is in it."""
    log = opened(work)
    fill(log)
    # Some of it is in DuckDB's write-ahead file too, and some in the journal only.
    send(log, *[event(f"later{number}", 0) for number in range(450)])
    contents(log)
    send(log, *[event(f"last{number}", 0) for number in range(20)])
    killed_copy(log, work, folder)
    there = contents(log)
    log.close()
    return there


def files_of(folder: Path) -> list[Path]:
    """Every file of a log."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def damage(folder: Path, chance: random.Random) -> str:
    """Change one byte of a file or cut it; what was done."""
    path = chance.choice([path for path in files_of(folder) if path.stat().st_size])
    size = path.stat().st_size
    # Half of them hit the beginning, which is where small files and used pages are.
    place = chance.randrange(size) if chance.random() < 0.5 else chance.randrange(min(size, 16_384))
    if chance.random() < 0.3:
        with path.open("r+b") as file:
            file.truncate(place)
        return f"{path.name} cut from {size} to {place} bytes"
    with path.open("r+b") as file:
        file.seek(place)
        before = file.read(1)[0]
        after = before ^ chance.randrange(1, 256)
        file.seek(place)
        file.write(bytes([after]))
    return f"{path.name} at {place} changed from {before} to {after}"
