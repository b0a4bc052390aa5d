"""The audit trail on disk."""

import msgspec
from sqlalchemy import inspect

from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import audit_entries
from orbdo_server.storage.audit_entries import AuditEntry
from tests.server.conftest import NOW, RIVAL, TENANT

ENTRY = AuditEntry(
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
    hash="c" * 64,
)


def test_an_empty_trail_begins_at_nothing(transaction: Transaction) -> None:
    """The first entry has no predecessor."""
    assert audit_entries.last(transaction.connection) == (0, "")
    assert audit_entries.read_all(transaction.connection) == []


def test_entries_of_all_tenants_are_one_trail(transaction: Transaction) -> None:
    """They come back oldest first and as they were kept."""
    second = msgspec.structs.replace(ENTRY, sequence=2, tenant=RIVAL, resource_id=None, hash="d" * 64)
    audit_entries.insert(transaction.connection, ENTRY)
    audit_entries.insert(transaction.connection, second)
    assert audit_entries.last(transaction.connection) == (2, "d" * 64)
    assert audit_entries.read_all(transaction.connection) == [ENTRY, second]


def test_the_trail_can_only_grow() -> None:
    """The module has no function that changes or deletes an entry."""
    public = {name for name in vars(audit_entries) if not name.startswith("_")}
    assert not {name for name in public if name.startswith(("update", "delete", "replace", "remove"))}
    assert {"insert", "last", "read_all"} <= public


def test_the_trail_is_a_table_of_its_own(transaction: Transaction) -> None:
    """Every column of an entry is kept."""
    columns = {column["name"] for column in inspect(transaction.connection).get_columns("audit_entries")}
    assert columns == set(AuditEntry.__struct_fields__)
