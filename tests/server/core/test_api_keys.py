"""What a key looks like, what is kept of it, and what its scopes cover."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.api_keys import (
    RANDOM_BYTES,
    SCOPES,
    SCOPES_OF,
    KeyKind,
    allows,
    hash_secret,
    is_well_formed,
    kind_of,
    make_secret,
    unknown_scopes,
)

NOTHING = bytes(RANDOM_BYTES)
EVERYTHING = b"\xff" * RANDOM_BYTES


def test_a_key_names_its_kind_and_ends_with_a_checksum() -> None:
    """The form of a key is fixed for ever: this one was made from zeros."""
    parts = make_secret(KeyKind.ADMIN, NOTHING)
    assert parts.secret == "orbdo_live_admin_00000000000000000000000000" + "0UUG5O"
    assert parts.prefix == "orbdo_live_admin_0000"


def test_a_key_is_one_word_of_at_least_128_random_bits() -> None:
    """26 characters of base 62 hold all of the 152 random bits, and a double click selects the whole key."""
    secret = make_secret(KeyKind.INGEST, EVERYTHING).secret
    assert re.fullmatch(r"orbdo_live_ingest_[0-9A-Za-z]{26}[0-9A-Za-z]{6}", secret)
    assert len({make_secret(KeyKind.INGEST, bytes([*NOTHING[:-1], last])).secret for last in range(256)}) == 256


@pytest.mark.parametrize("length", [RANDOM_BYTES - 1, RANDOM_BYTES + 1])
def test_a_key_takes_exactly_its_random_bytes(length: int) -> None:
    """Less randomness is a mistake of ours, and more would be cut off unseen."""
    with pytest.raises(AssertionError):
        make_secret(KeyKind.ADMIN, bytes(length))


def test_what_is_kept_is_a_hash() -> None:
    """Neither the hash nor the prefix that is shown contains the random part."""
    parts = make_secret(KeyKind.READ, EVERYTHING)
    assert parts.secret_hash == hashlib.sha256(parts.secret.encode()).hexdigest() == hash_secret(parts.secret)
    assert parts.secret[len(parts.prefix) :] not in parts.prefix + parts.secret_hash


@given(st.sampled_from(KeyKind), st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_every_key_is_well_formed(kind: KeyKind, randomness: bytes) -> None:
    """The checksum of a key that was made belongs to it."""
    assert is_well_formed(make_secret(kind, randomness).secret)


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES), st.data())
def test_a_mistyped_key_is_not_well_formed(randomness: bytes, data: st.DataObject) -> None:
    """One changed character anywhere is noticed without a look into the database."""
    secret = make_secret(KeyKind.ADMIN, randomness).secret
    place = data.draw(st.integers(0, len(secret) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda drawn: drawn != secret[place]))
    assert not is_well_formed(secret[:place] + other + secret[place + 1 :])


@pytest.mark.parametrize(
    "text", ["", "orbdo_", "sk_live_0000", "orbdo_\N{LATIN SMALL LETTER E WITH ACUTE}", "x" * 1000, "orbdo_000000"]
)
def test_what_is_no_key_is_not_well_formed(text: str) -> None:
    """Anything at all may stand in a header."""
    assert not is_well_formed(text)


@pytest.mark.parametrize("kind", [KeyKind.ADMIN, KeyKind.INGEST, KeyKind.READ])
def test_scopes_say_the_kind(kind: KeyKind) -> None:
    """A key with exactly the scopes of a kind is called by it."""
    assert kind_of(SCOPES_OF[kind]) is kind


def test_other_scopes_are_custom() -> None:
    """A key with any other scopes is a custom one."""
    assert kind_of(("events:write", "events:read")) is KeyKind.CUSTOM
    assert kind_of(()) is KeyKind.CUSTOM


def test_an_ingest_key_only_sends_events() -> None:
    """The key that stands in an app cannot even undo what it sent."""
    assert [scope for scope in sorted(SCOPES) if allows(set(SCOPES_OF[KeyKind.INGEST]), scope)] == ["events:write"]


def test_a_read_key_reads_everything_and_changes_nothing() -> None:
    """Its scope covers the reading half of every resource."""
    allowed = {scope for scope in SCOPES if allows(set(SCOPES_OF[KeyKind.READ]), scope)}
    assert allowed == {scope for scope in SCOPES if scope.endswith(":read")}


@pytest.mark.parametrize(
    ("held", "scope", "allowed"),
    [
        ("*", "keys:write", True),
        ("keys:*", "keys:write", True),
        ("keys:*", "catalog:write", False),
        ("*:read", "keys:read", True),
        ("*:read", "keys:write", False),
        ("keys:write", "keys:write", True),
        ("keys:write", "keys:read", False),
        ("*", "*", True),
        ("*", "*:read", True),
        ("*:read", "*:read", True),
        ("*:read", "*", False),
        ("keys:write", "*", False),
        ("keys:*", "*", False),
        ("catalog:*", "catalog:*", True),
        ("catalog:read", "catalog:*", False),
        ("*:read", "catalog:*", False),
    ],
)
def test_what_a_scope_covers(held: str, scope: str, allowed: bool) -> None:
    """A star stands for all of its place, and only a star covers a star."""
    assert allows({held}, scope) is allowed


def test_no_scope_covers_nothing() -> None:
    """A key without scopes may do nothing."""
    assert not any(allows(set(), scope) for scope in SCOPES)


def test_unknown_scopes_are_named() -> None:
    """A misspelt scope is found, and so is one that only a hurried admin would want."""
    assert unknown_scopes(("events:write", "event:write", "*:write", "", "keys")) == (
        "event:write",
        "*:write",
        "",
        "keys",
    )
    assert unknown_scopes(("*", "*:read", "catalog:*", "catalog:read")) == ()
