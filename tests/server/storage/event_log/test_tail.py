"""The tail: what is in the journal and not in the tables yet, given out in chunks that may cut a record."""

from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import BackfillClosed, EventAmended
from orbdo_server.storage.event_log.columns import Origin
from orbdo_server.storage.event_log.journal import START, Mark
from orbdo_server.storage.event_log.records import ActionRecord, EventsRecord, RepeatedEvent
from orbdo_server.storage.event_log.tail import Chunk, Load, Tail, origins_of
from tests.support.logged_events import RECEIVED, TENANT, batch, event

ANY_BYTES = 1 << 40
CLOSED = BackfillClosed(backfill_id="bf_1", at=RECEIVED)


def mark(records: int, position: int) -> Mark:
    """A mark of the journal."""
    return Mark(records, position, bytes([records % 256]) * 32)


def events(first: int, count: int) -> list[Event]:
    """Events named by their positions."""
    return [event(f"k{position}") for position in range(first, first + count)]


def repeat(key: str) -> RepeatedEvent:
    """An event that came again."""
    return RepeatedEvent(tenant=TENANT, idempotency_key=key, received_at=RECEIVED, conflict=False)


def add(tail: Tail, records: int, first: int, *counts: int, repeats: int = 0, after: int = 0, size: int = 100) -> int:
    """Add a record of so many events in each of its batches; the position after it."""
    batches, position = [], first
    for number, count in enumerate(counts):
        batches.append(batch(*events(position, count), tenant=f"t{number}"))
        position += count
    told = [repeat(f"r{number}") for number in range(repeats)]
    record = EventsRecord(first=first, batches=batches, repeats=told)
    tail.add(record, mark(records, position - 1), size_bytes=size, after=after)
    return position - 1


def rows(chunk: Chunk | None) -> list[tuple[int, str, str]]:
    """Position, tenant and key of each event of a chunk."""
    assert chunk is not None
    return [
        (block.first + place, block.tenant, one.idempotency_key)
        for block in chunk.blocks
        for place, one in enumerate(block.events)
    ]


def most(rows_max: int, size_bytes: int = ANY_BYTES) -> Load:
    """How much a chunk may have."""
    return Load(rows_max, size_bytes)


def test_an_empty_tail_has_nothing() -> None:
    """There is no chunk, and nobody waits for one."""
    tail = Tail()
    assert (tail.take(most(10)), tail.is_empty(), tail.load) == (None, True, Load(0, 0))
    assert (tail.blocks(), tail.actions(), tail.entries_at([1])) == ([], [], {})


def test_records_are_given_out_whole_when_they_fit() -> None:
    """As many as have no more events than the bound; the mark is that after the last of them."""
    tail = Tail()
    add(tail, 1, 1, 2)
    add(tail, 2, 3, 1, 2)
    add(tail, 3, 6, 1)
    chunk = tail.take(most(5))
    assert rows(chunk) == [(1, "t0", "k1"), (2, "t0", "k2"), (3, "t0", "k3"), (4, "t1", "k4"), (5, "t1", "k5")]
    assert chunk is not None
    assert (chunk.position, chunk.mark) == (5, mark(2, 5))


def test_a_record_is_cut_at_the_bound() -> None:
    """The mark of a chunk is after its last complete record; the rest of the record, and its repeats, come next."""
    tail = Tail()
    tail.start_at(mark(4, 10))
    add(tail, 5, 11, 2, 3, repeats=1)
    chunk = tail.take(most(3))
    assert rows(chunk) == [(11, "t0", "k11"), (12, "t0", "k12"), (13, "t1", "k13")]
    assert chunk is not None
    assert (chunk.position, chunk.mark, chunk.pieces[0].repeats) == (13, mark(4, 10), [])
    tail.drop(chunk)
    chunk = tail.take(most(3))
    assert rows(chunk) == [(14, "t1", "k14"), (15, "t1", "k15")]
    assert chunk is not None
    assert (chunk.position, chunk.mark) == (15, mark(5, 15))
    assert chunk.pieces[0].repeats == [(15, repeat("r0"))]
    tail.drop(chunk)
    assert (tail.is_empty(), tail.load) == (True, Load(0, 0))


def test_a_record_that_fits_to_the_last_event_is_not_cut() -> None:
    """Its mark counts."""
    tail = Tail()
    add(tail, 1, 1, 3)
    chunk = tail.take(most(3))
    assert chunk is not None
    assert (chunk.position, chunk.mark) == (3, mark(1, 3))


def test_a_chunk_ends_with_the_record_that_reaches_its_bytes() -> None:
    """However few events it has."""
    tail = Tail()
    for number in range(1, 5):
        add(tail, number, number, 1, size=100)
    chunk = tail.take(most(10, 201))
    assert len(rows(chunk)) == 3
    assert chunk is not None
    tail.drop(chunk)
    assert tail.load == Load(1, 100)


def test_what_was_taken_can_be_taken_again() -> None:
    """A chunk that could not be written is still there, cut as it was."""
    tail = Tail()
    add(tail, 1, 1, 5)
    first = rows(tail.take(most(2)))
    assert rows(tail.take(most(2))) == first
    assert rows(tail.take(most(10))) == [(position, "t0", f"k{position}") for position in range(1, 6)]
    assert tail.load == Load(5, 100)


def test_actions_and_amendments_are_rows_too() -> None:
    """An action has its position; an amendment is an event and an action at the same one."""
    tail = Tail()
    amended = EventAmended(event=event("k1", 5), target=1, backfill_id=None, at=RECEIVED)
    add(tail, 1, 1, 1)
    tail.add(ActionRecord(position=2, tenant=TENANT, action=CLOSED), mark(2, 2), size_bytes=50)
    tail.add(ActionRecord(position=3, tenant=TENANT, action=amended), mark(3, 3), size_bytes=50)
    assert tail.actions() == [(TENANT, (2, CLOSED)), (TENANT, (3, amended))]
    chunk = tail.take(most(10))
    assert rows(chunk) == [(1, "t0", "k1"), (3, TENANT, "k1")]
    assert chunk is not None
    assert [piece.actions for piece in chunk.pieces] == [[], [(2, TENANT, CLOSED)], [(3, TENANT, amended)]]
    assert (chunk.position, chunk.mark) == (3, mark(3, 3))
    assert origins_of(chunk.blocks) == [
        Origin("t0", None, RECEIVED, None, 1),
        Origin(TENANT, None, RECEIVED, 1, 1),
    ]


def test_a_record_of_repeats_only_takes_no_position() -> None:
    """It is a chunk of its own if need be, at the position of the log then."""
    tail = Tail()
    tail.start_at(mark(1, 7))
    add(tail, 2, 8, repeats=2)
    chunk = tail.take(most(10))
    assert chunk is not None
    assert (rows(chunk), chunk.position, chunk.mark) == ([], 7, mark(2, 7))
    assert chunk.pieces[0].repeats == [(7, repeat("r0")), (7, repeat("r1"))]
    assert tail.load == Load(2, 100)


def test_a_flood_of_repeats_comes_in_several_chunks() -> None:
    """They take no position, and fill a chunk all the same."""
    tail = Tail()
    for records in range(1, 11):
        add(tail, records, 1, repeats=5)
    chunk = tail.take(most(10))
    assert chunk is not None
    assert len(chunk.pieces) == 4


def test_what_is_in_the_tables_already_is_left_out() -> None:
    """A record that a crash cut: only the rows behind the position are added, and its mark."""
    for after, expected in [(0, 5), (9, 5), (10, 4), (12, 2), (13, 1)]:
        tail = Tail()
        add(tail, 3, 10, 2, 3, repeats=1, after=after)
        chunk = tail.take(most(10))
        assert [position for position, _, _ in rows(chunk)] == list(range(15 - expected, 15))
        assert chunk is not None
        assert (chunk.mark, len(chunk.pieces[0].repeats)) == (mark(3, 14), 1)


def test_events_are_found_by_their_position() -> None:
    """As long as they are here; positions of actions, of what is not here yet or not any more have none."""
    tail = Tail()
    add(tail, 1, 1, 2)
    tail.add(ActionRecord(position=3, tenant=TENANT, action=CLOSED), mark(2, 3), size_bytes=50)
    add(tail, 3, 4, repeats=1)
    amended = EventAmended(event=event("k1", 5), target=1, backfill_id="bf_1", at=RECEIVED)
    tail.add(ActionRecord(position=4, tenant=TENANT, action=amended), mark(4, 4), size_bytes=50)
    add(tail, 5, 5, 1, 2)
    found = tail.entries_at(range(10))
    assert {position: (entry.tenant, entry.event.idempotency_key) for position, entry in found.items()} == {
        1: ("t0", "k1"),
        2: ("t0", "k2"),
        4: (TENANT, "k1"),
        5: ("t0", "k5"),
        6: ("t1", "k6"),
        7: ("t1", "k7"),
    }
    assert [entry.target for entry in found.values()] == [1, 2, 1, 5, 6, 7]
    assert found[4].backfill_id == "bf_1"
    chunk = tail.take(most(2))
    assert chunk is not None
    assert len(tail.entries_at([1, 2, 3, 4])) == 3
    tail.drop(chunk)
    assert sorted(tail.entries_at(range(10))) == [4, 5, 6, 7]


def test_it_begins_anew_after_a_mark() -> None:
    """Whatever was there is gone: the tables have it, or it is added again."""
    tail = Tail()
    add(tail, 1, 1, 3)
    tail.start_at(mark(9, 30))
    assert (tail.is_empty(), tail.load, tail.blocks()) == (True, Load(0, 0), [])


RECORDS = st.lists(st.tuples(st.lists(st.integers(0, 4), max_size=3), st.integers(0, 2)), max_size=12)


@given(RECORDS, st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_however_it_is_cut_each_row_comes_once_and_in_order(
    records: list[tuple[list[int], int]], bounds: list[int]
) -> None:
    """And whoever goes on from position and mark of any chunk has the rest, no more and no less."""
    tail, position = Tail(), 0
    content = [(counts, repeats) for counts, repeats in records if sum(counts) or repeats]
    for number, (counts, repeats) in enumerate(content, start=1):
        position = add(tail, number, position + 1, *counts, repeats=repeats)
    taken: list[tuple[int, str, str]] = []
    told = 0
    reached, known = 0, START
    for bound in [*bounds, *[9] * 200]:
        chunk = tail.take(most(bound))
        if chunk is None:
            break
        assert chunk.position >= reached
        taken += rows(chunk)
        told += sum(len(piece.repeats) for piece in chunk.pieces)
        reached, known = chunk.position, chunk.mark
        tail.drop(chunk)
        assert rest_after(content, reached, known) == list(range(reached + 1, position + 1))
    assert [place for place, _, _ in taken] == list(range(1, position + 1))
    assert (told, known.records) == (sum(repeats for _, repeats in content), len(content))
    assert tail.load == Load(0, 0)


def rest_after(content: list[tuple[list[int], int]], reached: int, known: Mark) -> list[int]:
    """The positions that a replay from a position and a mark adds."""
    tail, position = Tail(), 0
    for number, (counts, repeats) in enumerate(content, start=1):
        if number > known.records:
            position = add(tail, number, position + 1, *counts, repeats=repeats, after=reached)
        else:
            position += sum(counts)
    return [block.first + place for block in tail.blocks() for place in range(len(block.events))]
