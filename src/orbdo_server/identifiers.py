"""Fresh ids and the clock: the two things a pure core is handed from outside."""

from datetime import UTC, datetime

import uuid_utils

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_CHARACTERS = 26


def new_id(prefix: str) -> str:
    """``prefix`` and a uuid7 as 26 characters of Crockford's base 32; ids made later sort later."""
    number = uuid_utils.uuid7().int
    characters = [ALPHABET[(number >> shift) & 31] for shift in range((ID_CHARACTERS - 1) * 5, -1, -5)]
    return f"{prefix}_{''.join(characters)}"


def new_request_id() -> str:
    """``req`` and 26 hexadecimal digits: 12 of the milliseconds, then 14 that are random; a quarter of the work."""
    digits = uuid_utils.uuid7().hex
    return f"req_{digits[:12]}{digits[18:]}"


def utc_now() -> datetime:
    """The present instant, aware and in UTC."""
    return datetime.now(UTC)
