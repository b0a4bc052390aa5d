"""Appending: exactly once by tenant and key, one transaction a group, positions that follow one another."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbdo_server.core.event_properties import canonical, exactly_kept, problems
from orbdo_server.core.events import Event
from orbdo_server.storage.event_log import BackfillNotOpenError, Scope
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.logged_events import (
    TENANT,
    answer,
    batch,
    close,
    create,
    event,
    keys,
    on,
    revert,
    send,
    the_clock,
    units,
)


def one_hash_for_all(_: str) -> int:
    """Every key looks like every other one."""
    return 1


def test_an_empty_log_is_at_position_0(log: DuckDBEventLog) -> None:
    """Nothing was committed and nothing can be read."""
    assert log.position() == 0
    assert units(log) == 0
    assert log.append([]) == []
    assert log.append([batch()]) == [answer(0)]


def test_events_take_the_next_positions(log: DuckDBEventLog) -> None:
    """Each event has one, over all tenants, and the answer names the last of its commit."""
    assert send(log, event("a"), event("b")) == answer(2, ["a", "b"])
    assert send(log, event("c"), tenant="other") == answer(3, ["c"])
    assert log.position() == 3
    rows = log.read("SELECT idempotency_key, seq FROM events ORDER BY seq", scope=Scope(tenant=TENANT, as_of=3)).rows
    assert rows == [("a", 1), ("b", 2)]


def test_what_was_answered_can_be_read_at_once(log: DuckDBEventLog) -> None:
    """A reading at the position of the answer sees its events."""
    position = send(log, event("a", 3), event("b", 4)).position
    assert units(log, as_of=position) == 7


def test_a_group_is_answered_batch_by_batch(log: DuckDBEventLog) -> None:
    """All batches of a group are in one commit, and each learns of its own events."""
    assert log.append([batch(event("a")), batch(), batch(event("b"), event("c"), tenant="other")]) == [
        answer(3, ["a"]),
        answer(3),
        answer(3, ["b", "c"]),
    ]


def test_the_same_event_again_is_counted_once(log: DuckDBEventLog) -> None:
    """A later request with the same event is a duplicate and takes no position."""
    send(log, event("a", 5))
    assert send(log, event("a", 5), event("b", 1)) == answer(2, ["b"], duplicates=["a"])
    assert send(log, event("a", 5)) == answer(2, duplicates=["a"])
    assert units(log) == 6


def test_another_event_under_the_same_key_is_a_conflict_and_the_first_stays(log: DuckDBEventLog) -> None:
    """The answer says so, and the quantity is that of the first."""
    send(log, event("a", 5))
    assert send(log, event("a", 6)) == answer(1, conflicts=["a"])
    assert send(log, event("a", 5, at=on(16))) == answer(1, conflicts=["a"])
    assert send(log, event("a", 5, customer="bob")) == answer(1, conflicts=["a"])
    assert units(log) == 5


def test_requests_that_arrive_together_are_deduplicated_too(log: DuckDBEventLog) -> None:
    """Within one group the first in order has the key."""
    assert log.append([batch(event("a", 1)), batch(event("a", 1), event("b")), batch(event("a", 2))]) == [
        answer(2, ["a"]),
        answer(2, ["b"], duplicates=["a"]),
        answer(2, conflicts=["a"]),
    ]
    assert units(log) == 2


def test_tenants_do_not_share_keys(log: DuckDBEventLog) -> None:
    """The same key of two tenants is two events, and neither sees the other's."""
    assert log.append([batch(event("a", 1)), batch(event("a", 2), tenant="other")]) == [
        answer(2, ["a"]),
        answer(2, ["a"]),
    ]
    assert units(log) == 1
    assert units(log, tenant="other") == 2
    assert units(log, tenant="nobody") == 0


def test_keys_are_known_after_a_restart(path: Path) -> None:
    """The index is built again from the file, positions go on where they were."""
    first = DuckDBEventLog(path, threads=1, clock=the_clock)
    send(first, *[event(f"k{number}") for number in range(100)])
    first.close()
    second = DuckDBEventLog(path, threads=1, clock=the_clock)
    assert second.position() == 100
    assert send(second, event("k7"), event("k100")) == answer(101, ["k100"], duplicates=["k7"])
    second.close()


def test_keys_that_share_a_hash_are_told_apart(path: Path) -> None:
    """With one hash for everything each key is still counted once, in a group, across groups and after a restart."""
    log = DuckDBEventLog(path, threads=1, clock=the_clock, key_hash=one_hash_for_all)
    assert log.append([batch(event("a"), event("b")), batch(event("b"), event("c"))]) == [
        answer(3, ["a", "b"]),
        answer(3, ["c"], duplicates=["b"]),
    ]
    assert send(log, event("c"), event("d"), event("a", 9)) == answer(4, ["d"], duplicates=["c"], conflicts=["a"])
    assert send(log, event("a"), tenant="other") == answer(5, ["a"])
    log.close()
    log = DuckDBEventLog(path, threads=1, clock=the_clock, key_hash=one_hash_for_all)
    assert send(log, event("d"), event("e")) == answer(6, ["e"], duplicates=["d"])
    assert keys(log) == ["a", "b", "c", "d", "e"]
    log.close()


def test_an_event_comes_back_as_it_went_in(log: DuckDBEventLog) -> None:
    """Names, customers, microseconds, the instant of reception and every kind of property."""
    sent = Event(
        event_name="ünïcode",
        idempotency_key="key with spaces",
        timestamp=datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC),
        properties=msgspec.Raw('{"n":18446744073709551615,"f":0.1,"t":"é\\"","b":true,"z":null,"a.b":1,"A":2,"a":3}'),
        customer_id="cus_1",
    )
    send(log, sent)
    select = """
        SELECT event_name, idempotency_key, timestamp, external_customer_id, customer_id, received_at, seq,
            properties::JSON::VARCHAR FROM events
    """
    ((*columns, properties),) = log.read(select, scope=Scope(tenant=TENANT, as_of=1)).rows
    assert columns == [
        "ünïcode",
        "key with spaces",
        datetime(2026, 3, 1, 23, 59, 59, 999_999),  # noqa: DTZ001 - DuckDB's instants are naive, in UTC
        None,
        "cus_1",
        datetime(2026, 3, 31, 12),  # noqa: DTZ001 - as above
        1,
    ]
    assert json.loads(properties) == {
        "n": 18446744073709551615,
        "f": 0.1,
        "t": 'é"',
        "b": True,
        "z": None,
        "a.b": 1,
        "A": 2,
        "a": 3,
    }


@pytest.mark.parametrize("state", ["unknown", "closed", "reverted", "another tenant's"])
def test_a_backfill_that_is_not_open_takes_nothing(log: DuckDBEventLog, state: str) -> None:
    """The whole group is refused before anything is written, and the error names the backfill."""
    if state == "another tenant's":
        create(log, "bf_1", tenant="other")
    elif state != "unknown":
        create(log, "bf_1")
        close(log, "bf_1")
    if state == "reverted":
        revert(log, "bf_1")
    before = log.position()
    with pytest.raises(BackfillNotOpenError) as caught:
        log.append([batch(event("a")), batch(event("b"), backfill_id="bf_1")])
    assert (caught.value.tenant, caught.value.backfill_id) == (TENANT, "bf_1")
    assert log.position() == before
    assert send(log, event("a")) == answer(before + 1, ["a"])


def test_threads_append_and_read_at_once(log: DuckDBEventLog) -> None:
    """Four writers with overlapping keys and a reader: each key is there once, and no reading goes backwards."""
    seen: list[int] = []
    done = threading.Event()

    def write(offset: int) -> None:
        for start in range(0, 60, 10):
            send(log, *[event(f"k{offset * 20 + start + number}") for number in range(10)])

    def read() -> None:
        while not done.is_set():
            seen.append(units(log))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(offset,)) for offset in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert log.position() == 120
    assert sorted(keys(log)) == sorted(f"k{number}" for number in range(120))
    assert seen == sorted(seen)


PROPERTIES = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.one_of(
        st.integers(-(2**66), 2**66),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=12),
        st.booleans(),
        st.none(),
    ),
    max_size=5,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PROPERTIES, min_size=1, max_size=8))
def test_any_valid_properties_come_back_meaning_the_same(log: DuckDBEventLog, many: list[dict[str, object]]) -> None:
    """The store refuses none of them, loses no digit, and knows the same event when it comes again."""
    texts = [msgspec.Raw(json.dumps(one)) for one in many]
    kept = [exactly_kept(text) for text in texts if not problems(text)]
    start = log.position()
    events = [
        msgspec.structs.replace(event(f"{start}-{place}"), properties=properties)
        for place, properties in enumerate(kept)
    ]
    send(log, *events)
    select = "SELECT properties::JSON::VARCHAR FROM events WHERE seq > $start ORDER BY seq"
    scope = Scope(tenant=TENANT, as_of=log.position())
    found = [msgspec.Raw(text) for (text,) in log.read(select, scope=scope, parameters={"start": start}).rows]
    assert [canonical(text) for text in found] == [canonical(text) for text in kept]
    assert send(log, *events).duplicates == [one.idempotency_key for one in events]
