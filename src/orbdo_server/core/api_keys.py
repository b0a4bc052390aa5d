"""What an API key looks like and how it is kept: ``orbdo_live_admin_`` + 26 random characters + a 6-character checksum.

The form follows GitHub's and Unkey's (a prefix that names the kind, an underscore so that the key is one word, a CRC-32
so that a mistyped key is refused without asking the database). Only a SHA-256 of a key is ever stored: with more than
128 random bits a slow hash adds nothing.
"""

import hashlib
import zlib
from collections.abc import Set
from enum import StrEnum

import msgspec

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_BYTES = 19
RANDOM_CHARACTERS = 26
CHECKSUM_CHARACTERS = 6
PREFIX_CHARACTERS_SHOWN = 4
# A key of the operator's own making may be longer than ours, which have 48 to 50 characters.
KEY_CHARACTERS_MAX = 256
# Backfills and corrections can take the place of what was counted, which a key that only sends events must not do.
SCOPE_RESOURCES = frozenset(
    {
        "catalog",
        "customers",
        "subscriptions",
        "invoices",
        "usage",
        "entitlements",
        "events",
        "backfills",
        "corrections",
        "reconciliation",
        "keys",
        "backup",
    }
)
SCOPES = frozenset(f"{resource}:{mode}" for resource in SCOPE_RESOURCES for mode in ("read", "write"))


class KeyKind(StrEnum):
    """What a key is for; it stands in the key itself."""

    ADMIN = "admin"
    INGEST = "ingest"
    READ = "read"
    CUSTOM = "custom"


SCOPES_OF: dict[KeyKind, tuple[str, ...]] = {
    KeyKind.ADMIN: ("*",),
    KeyKind.INGEST: ("events:write",),
    KeyKind.READ: ("*:read",),
}


class SecretParts(msgspec.Struct, frozen=True):
    """A new key: the text that is shown once, and what is kept of it."""

    secret: str
    prefix: str
    secret_hash: str


def make_secret(kind: KeyKind, randomness: bytes) -> SecretParts:
    """The key for ``RANDOM_BYTES`` of randomness from the caller."""
    assert len(randomness) == RANDOM_BYTES, "a key takes exactly its random bytes"
    body = _base62(int.from_bytes(randomness, "big"), RANDOM_CHARACTERS)
    start = f"orbdo_live_{kind}_"
    secret = start + body + _checksum(start + body)
    return SecretParts(secret=secret, prefix=start + body[:PREFIX_CHARACTERS_SHOWN], secret_hash=hash_secret(secret))


def is_well_formed(secret: str) -> bool:
    """Whether the checksum at the end of a key belongs to the rest of it."""
    head, tail = secret[:-CHECKSUM_CHARACTERS], secret[-CHECKSUM_CHARACTERS:]
    return secret.startswith("orbdo_") and secret.isascii() and tail == _checksum(head)


def hash_secret(secret: str) -> str:
    """What is stored of a key: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def kind_of(scopes: tuple[str, ...]) -> KeyKind:
    """The kind that grants exactly these scopes, else a custom one."""
    return next((kind for kind, granted in SCOPES_OF.items() if granted == scopes), KeyKind.CUSTOM)


def allows(held: Set[str], scope: str) -> bool:
    """Whether the scopes held cover ``resource:mode``: by itself, ``resource:*``, ``*:mode`` or ``*``.

    A scope with a star is covered by itself and by ``*`` only, never by those that it stands for today.
    """
    resource, _, mode = scope.partition(":")
    return not held.isdisjoint({"*", scope, f"{resource}:*", f"*:{mode}"})


def unknown_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Those scopes that no endpoint asks for and no kind grants."""
    known = SCOPES | {f"{resource}:*" for resource in SCOPE_RESOURCES} | {"*", "*:read"}
    return tuple(scope for scope in scopes if scope not in known)


def _base62(number: int, characters: int) -> str:
    digits = []
    for _ in range(characters):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), CHECKSUM_CHARACTERS)
