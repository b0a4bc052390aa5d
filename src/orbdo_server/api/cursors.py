"""Cursors of lists: where a page ended, signed for the tenant and the list they came from (requirement D8)."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

import msgspec

from orbdo_server.errors import InvalidRequestError

SIGNATURE_BYTES = 12
CURSOR_CHARACTERS_MAX = 512


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a page: lists are ordered by creation, then id, newest first."""

    created_at: datetime
    id: str


def encode_cursor(position: Position, *, secret: bytes, tenant: str, resource: str) -> str:
    """An opaque text that only this server, for this tenant and this list, reads back."""
    payload = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(_sign(payload, secret, tenant, resource) + payload).decode().rstrip("=")


def decode_cursor(cursor: str, *, secret: bytes, tenant: str, resource: str) -> Position:
    """The position in a cursor; raises ``InvalidRequestError`` for one that was changed or is of another list."""
    wrong = InvalidRequestError.of("cursor", "is not a cursor of this list")
    if len(cursor) > CURSOR_CHARACTERS_MAX:
        raise wrong
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, _sign(payload, secret, tenant, resource)):
            raise wrong
        return msgspec.json.decode(payload, type=Position)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise wrong from error


def _sign(payload: bytes, secret: bytes, tenant: str, resource: str) -> bytes:
    message = b"\0".join((b"cursor", tenant.encode(), resource.encode(), payload))
    return hmac.new(secret, message, hashlib.sha256).digest()[:SIGNATURE_BYTES]
