"""The audit trail: who changed what, and how a change of the trail itself shows."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.engine.audit import COMMAND_LINE, entry_hash, first_broken_entry, record_change, record_command
from orbdo_server.engine.transaction import Transaction
from orbdo_server.identifiers import new_id
from orbdo_server.storage import audit_entries
from orbdo_server.storage.audit_entries import AuditEntry
from orbdo_server.storage.database import Database
from tests.server.conftest import NOW, RIVAL, TENANT


def change(transaction: Transaction, resource_id: str) -> None:
    """A change over the API."""
    record_change(
        transaction,
        actor="key_1",
        action="POST /items",
        resource_id=resource_id,
        request_id="req_1",
        address="127.0.0.1",
        request_hash="a" * 64,
        response_hash="b" * 64,
    )


def chain(length: int) -> list[AuditEntry]:
    """A whole trail, made as the recording makes it."""
    entries: list[AuditEntry] = []
    for sequence in range(1, length + 1):
        entry = AuditEntry(
            sequence=sequence,
            tenant=TENANT,
            at=datetime(2026, 3, 15, 12, 0, sequence, tzinfo=UTC),
            actor="key_1",
            action="POST /items",
            resource_id=f"item_{sequence}",
            request_id=f"req_{sequence}",
            address="127.0.0.1",
            request_hash="a" * 64,
            response_hash="b" * 64,
            previous_hash=entries[-1].hash if entries else "",
            hash="",
        )
        entries.append(msgspec.structs.replace(entry, hash=entry_hash(entry)))
    return entries


def test_a_change_is_recorded_in_full(transaction: Transaction) -> None:
    """Who, what, when, from where, of which tenant, and hashes of what was asked and answered."""
    change(transaction, "item_1")
    [entry] = audit_entries.read_all(transaction.connection)
    assert msgspec.structs.replace(entry, hash="") == AuditEntry(
        sequence=1,
        tenant=TENANT,
        at=NOW,
        actor="key_1",
        action="POST /items",
        resource_id="item_1",
        request_id="req_1",
        address="127.0.0.1",
        request_hash="a" * 64,
        response_hash="b" * 64,
        previous_hash="",
        hash="",
    )


def test_a_command_is_recorded_too(transaction: Transaction) -> None:
    """A change made on the machine has no key, no address and no request."""
    record_command(transaction, action="orbdo keys create", resource_id="key_1")
    [entry] = audit_entries.read_all(transaction.connection)
    assert (entry.actor, entry.action, entry.resource_id) == (COMMAND_LINE, "orbdo keys create", "key_1")


def test_entries_of_all_tenants_are_one_chain(transaction: Transaction) -> None:
    """Each names the hash of the one before, whoever that was about."""
    change(transaction, "item_1")
    change(replace(transaction, tenant=RIVAL), "item_2")
    first, second = audit_entries.read_all(transaction.connection)
    assert (second.sequence, second.previous_hash) == (2, first.hash)
    assert first_broken_entry([first, second]) is None


def test_an_entry_is_undone_with_its_change(database: Database) -> None:
    """What did not happen is not recorded, and leaves no gap in the chain."""
    for fails in (False, True, False):
        with suppress(KeyError), database.write() as connection:
            change(Transaction(connection=connection, tenant=TENANT, now=NOW, new_id=new_id), "item_1")
            if fails:
                raise KeyError
    with database.read() as connection:
        entries = audit_entries.read_all(connection)
    assert [entry.sequence for entry in entries] == [1, 2]
    assert first_broken_entry(entries) is None


def test_the_canonical_form_is_fixed_for_ever() -> None:
    """A trail of an older version has to verify: the hash is of compact JSON in the order of the fields."""
    [entry] = chain(1)
    canonical = (
        '{"sequence":1,"tenant":"acme","at":"2026-03-15T12:00:01Z","actor":"key_1","action":"POST /items",'
        '"resource_id":"item_1","request_id":"req_1","address":"127.0.0.1",'
        f'"request_hash":"{"a" * 64}","response_hash":"{"b" * 64}","previous_hash":"","hash":""}}'
    )
    assert msgspec.json.encode(msgspec.structs.replace(entry, hash="")).decode() == canonical
    assert entry.hash == "8ff59ad7554621f964e95ccc1a752f5cc30362f2018393f2577a9af152bdeb11"


def test_a_whole_chain_holds() -> None:
    """Nothing is broken in a trail that nobody touched, however short."""
    assert first_broken_entry([]) is None
    assert first_broken_entry(chain(1)) is None
    assert first_broken_entry(chain(50)) is None


@pytest.mark.parametrize("field", [name for name in AuditEntry.__struct_fields__ if name != "sequence"])
def test_every_edit_is_noticed(field: str) -> None:
    """Whatever field is changed, the entry itself is named."""
    entries = chain(3)
    other = NOW if field == "at" else "something else"
    entries[1] = msgspec.structs.replace(entries[1], **{field: other})
    broken = first_broken_entry(entries)
    assert broken is not None
    assert broken.sequence == 2


def test_an_edit_with_a_new_hash_is_noticed_by_the_next_entry() -> None:
    """Whoever edits an entry has to make every later one anew."""
    entries = chain(3)
    edited = msgspec.structs.replace(entries[1], actor="key_2")
    entries[1] = msgspec.structs.replace(edited, hash=entry_hash(edited))
    assert first_broken_entry(entries) is entries[2]


@given(st.integers(2, 12), st.data())
def test_a_deletion_is_noticed(length: int, data: st.DataObject) -> None:
    """The entry that follows the gap is named, wherever the gap is; only the end can be cut off unseen."""
    entries = chain(length)
    gone = data.draw(st.integers(0, length - 2))
    left = entries[:gone] + entries[gone + 1 :]
    assert first_broken_entry(left) is entries[gone + 1]
    assert first_broken_entry(entries[:-1]) is None


@given(st.integers(2, 12), st.data())
def test_a_swap_is_noticed(length: int, data: st.DataObject) -> None:
    """Two entries that change places are noticed at the first of the two, renumbered or not."""
    entries = chain(length)
    first, second = sorted(
        data.draw(st.lists(st.integers(0, length - 1), min_size=2, max_size=2, unique=True), label="places")
    )
    entries[first], entries[second] = entries[second], entries[first]
    broken = first_broken_entry(entries)
    assert broken is entries[first]
    renumbered = [msgspec.structs.replace(entry, sequence=number) for number, entry in enumerate(entries, start=1)]
    assert first_broken_entry(renumbered) is renumbered[first]
