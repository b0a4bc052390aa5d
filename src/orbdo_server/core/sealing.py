"""Sealing an invoice: its inputs and outputs as canonical JSON, and the SHA-256 that shows any later change.

There are two hashes. ``content_hash`` covers what the invoice says and what it was computed from, and neither the
position in the log nor anything that is drawn anew for each invoice: the same usage gives the same one, in whatever
order and batches it came in. ``Seal.hash`` covers every byte that is kept, the buyer's address included.

Canonical JSON: UTF-8, keys sorted by code point, no spaces, decimals as strings in positional notation without
trailing zeros, instants as ISO 8601 in UTC with ``Z``. Hashes are always compared with those of the bytes that were
kept, so that a field which is added later, with a default, leaves old seals whole; any other change of shape makes
``FORMAT`` rise.
"""

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from orbdo_sdk.wire import plain
from orbdo_server.core.invoices import ComputedInvoice, InvoiceInputs, Line

FORMAT = 1


class BrokenSealError(Exception):
    """What is kept of an issued invoice is not what was sealed."""


class InvoiceContent(msgspec.Struct, frozen=True):
    """What an invoice says, and all it was computed from except the events themselves."""

    inputs: InvoiceInputs
    invoice: ComputedInvoice


class Issuance(msgspec.Struct, frozen=True, kw_only=True):
    """The act of issuing: under which number, when, and the position in the log that the readings are of."""

    invoice_id: str
    number: str
    as_of: int
    issued_at: datetime
    due_at: datetime
    memo: str | None


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the document is addressed to, as it was when the invoice was issued."""

    name: str
    email: str
    details: dict[str, Any]


class SealedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept of an issued invoice."""

    content: InvoiceContent
    content_hash: str
    issuance: Issuance
    buyer: Buyer
    format: int = FORMAT


class _Envelope(msgspec.Struct):
    content: msgspec.Raw
    format: int


class Seal(msgspec.Struct, frozen=True):
    """The bytes of a ``SealedInvoice`` and their SHA-256 in hexadecimal."""

    document: bytes
    hash: str


def content_hash(content: InvoiceContent) -> str:
    """The SHA-256 of what the invoice says and was computed from; equal for a preview and the invoice it becomes."""
    return _sha256(canonical_json(content))


def seal(content: InvoiceContent, *, issuance: Issuance, buyer: Buyer) -> Seal:
    """The invoice, sealed."""
    sealed = SealedInvoice(content=content, content_hash=content_hash(content), issuance=issuance, buyer=buyer)
    document = canonical_json(sealed)
    return Seal(document=document, hash=_sha256(document))


def open_seal(kept: Seal) -> SealedInvoice:
    """The invoice that was sealed. Raises ``BrokenSealError`` when a byte of it has changed since."""
    if _sha256(kept.document) != kept.hash:
        raise BrokenSealError("the sealed bytes do not have the hash they were sealed with")
    try:
        envelope = msgspec.json.decode(kept.document, type=_Envelope)
        if envelope.format != FORMAT:
            message = f"the seal has format {envelope.format}, and {FORMAT} is the one that is known"
            raise BrokenSealError(message)
        sealed = msgspec.json.decode(kept.document, type=SealedInvoice)
    except msgspec.DecodeError as error:
        message = f"the seal cannot be read: {error}"
        raise BrokenSealError(message) from error
    if _sha256(bytes(envelope.content)) != sealed.content_hash:
        raise BrokenSealError("the sealed content does not have the hash that was sealed with it")
    return sealed


def first_difference(sealed: ComputedInvoice, computed: ComputedInvoice) -> str | None:
    """Where a computed invoice first differs from the sealed one, naming the line; ``None`` when they agree."""
    for position in range(max(len(sealed.lines), len(computed.lines))):
        kept = sealed.lines[position] if position < len(sealed.lines) else None
        again = computed.lines[position] if position < len(computed.lines) else None
        if kept != again:
            return f"line {position + 1} ({_title(kept or again)}): {_line_difference(kept, again)}"
    for field in ("subtotal", "total"):
        if getattr(sealed, field) != getattr(computed, field):
            return f"the {field}: {_both(getattr(sealed, field), getattr(computed, field))}"
    return None


def canonical_json(value: Any) -> bytes:
    """The one way to write a value down: equal values give equal bytes, on every machine and in every version."""
    builtins = msgspec.to_builtins(value, builtin_types=(Decimal,), str_keys=True)
    return json.dumps(_canonical(builtins), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _canonical(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(part) for part in value]
    return value


def _sha256(document: bytes) -> str:
    return hashlib.sha256(document).hexdigest()


def _title(line: Line | None) -> str:
    assert line is not None, "one of two different lines is there"
    return f"{line.name}, {line.service.start.isoformat()} to {line.service.end.isoformat()}"


def _line_difference(kept: Line | None, again: Line | None) -> str:
    if kept is None:
        return "is computed now and was not sealed"
    if again is None:
        return "was sealed and is not computed now"
    fields = Line.__struct_fields__
    field = next(field for field in fields if getattr(kept, field) != getattr(again, field))
    return f"{field} {_both(getattr(kept, field), getattr(again, field))}"


def _both(kept: object, again: object) -> str:
    return f"was sealed as {_shown(kept)} and is computed as {_shown(again)}"


def _shown(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else repr(value)
