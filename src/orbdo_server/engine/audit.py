"""Recording who changed what, in the transaction of the change, in a chain that shows edits, deletions and swaps."""

import hashlib

import msgspec

from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import audit_entries
from orbdo_server.storage.audit_entries import AuditEntry

# The actor of changes that need no key.
COMMAND_LINE = "command_line"


def record_change(
    transaction: Transaction,
    *,
    actor: str,
    action: str,
    resource_id: str | None,
    request_id: str,
    address: str,
    request_hash: str,
    response_hash: str,
) -> None:
    """Add one entry to the chain: ``actor`` (the id of a key) changed ``resource_id`` by ``action``."""
    sequence, previous_hash = audit_entries.last(transaction.connection)
    entry = AuditEntry(
        sequence=sequence + 1,
        tenant=transaction.tenant,
        at=transaction.now,
        actor=actor,
        action=action,
        resource_id=resource_id,
        request_id=request_id,
        address=address,
        request_hash=request_hash,
        response_hash=response_hash,
        previous_hash=previous_hash,
        hash="",
    )
    audit_entries.insert(transaction.connection, msgspec.structs.replace(entry, hash=entry_hash(entry)))


def record_command(transaction: Transaction, *, action: str, resource_id: str | None) -> None:
    """Add an entry for a change that was made on the machine itself, not through the API."""
    record_change(
        transaction,
        actor=COMMAND_LINE,
        action=action,
        resource_id=resource_id,
        request_id="",
        address="",
        request_hash="",
        response_hash="",
    )


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of an entry without its own hash; the previous entry's hash is part of it."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(entry, hash=""))).hexdigest()


def first_broken_entry(entries: list[AuditEntry]) -> AuditEntry | None:
    """The first entry that was edited, or whose predecessor was deleted or swapped; None when the chain holds.

    Entries missing at the end leave no trace in the chain: compare the last hash with one that was noted elsewhere.
    """
    previous_hash, sequence = "", 0
    for entry in entries:
        if (entry.sequence, entry.previous_hash, entry.hash) != (sequence + 1, previous_hash, entry_hash(entry)):
            return entry
        previous_hash, sequence = entry.hash, entry.sequence
    return None
