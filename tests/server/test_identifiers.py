"""Fresh ids and the clock."""

import re
from datetime import UTC, datetime, timedelta

from orbdo_server.identifiers import new_id, new_request_id, utc_now


def test_an_id_has_its_prefix_and_26_characters() -> None:
    """Of Crockford's base 32, in lower case: none of i, l, o and u, which are misread."""
    for _ in range(100):
        assert re.fullmatch(r"cus_[0-9a-hjkmnp-tv-z]{26}", new_id("cus"))


def test_ids_made_later_sort_later() -> None:
    """Also those of one millisecond, so that lists have one order."""
    ids = [new_id("req") for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_a_request_has_an_id_of_its_own() -> None:
    """As long as the others, made of digits they could have, and never the same twice."""
    ids = {new_request_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(re.fullmatch(r"req_[0-9a-f]{26}", one) for one in ids)


def test_the_clock_is_in_utc() -> None:
    """Aware, and of now."""
    now = utc_now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
