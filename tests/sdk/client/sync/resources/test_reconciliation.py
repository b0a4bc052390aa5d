# Made from tests/sdk/client/resources/test_reconciliation.py by scripts/unasync.py: change that file and run it.
"""Reconciliation as the client asks for it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.support.answers import RECONCILIATION
from tests.support.door import Asked, Door, sync_orb

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=1)
ASKED = (("start", "2026-01-01T00:00:00Z"), ("end", "2026-01-01T01:00:00Z"))


def test_hours_are_reconciled(door: Door) -> None:
    """Hours, names that nobody has, invoices and differences; numbers that differ are decimals."""
    door.tell(RECONCILIATION)
    with sync_orb(door) as orb:
        found = orb.reconciliation.get(START, END)
    assert (found.hours[0].stored, found.unmatched[0].external_customer_id) == (9, "bob")
    assert (found.invoices[0].state, found.invoices[0].late_events) == ("late", 1)
    (difference,) = found.differences
    assert (difference.kind, difference.expected, difference.found) == ("late_events", Decimal(1), Decimal(2))
    assert door.asked == [Asked("GET", "/v1/reconciliation", ASKED)]


def test_invoices_come_page_by_page(door: Door) -> None:
    """The cursor of one page asks for the next."""
    for _ in range(2):
        door.tell(RECONCILIATION)
    with sync_orb(door) as orb:
        first = orb.reconciliation.get(START, END, limit=1)
        orb.reconciliation.get(START, END, limit=1, cursor=first.pagination_metadata.next_cursor)
    assert [asked.query for asked in door.asked] == [
        (*ASKED, ("limit", "1")),
        (*ASKED, ("limit", "1"), ("cursor", "next")),
    ]


def test_naive_instants_are_refused(door: Door) -> None:
    """Before anything is asked."""
    with sync_orb(door) as orb, pytest.raises(ValueError, match="end must be an aware datetime"):
        orb.reconciliation.get(START, END.replace(tzinfo=None))
    assert door.asked == []
