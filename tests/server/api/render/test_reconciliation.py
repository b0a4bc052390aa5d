"""What of a reconciliation the API's own tests cannot bring about."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from orbdo_sdk.wire import Difference as WireDifference
from orbdo_sdk.wire import PaginationMetadata, UnmatchedCustomer
from orbdo_server.api.render.reconciliation import render_reconciliation
from orbdo_server.core.periods import Period
from orbdo_server.engine.reconciled_invoices import Difference
from orbdo_server.engine.reconciliation import Reconciliation, Unmatched

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
NOTHING = Reconciliation(
    period=Period(START, END),
    as_of=7,
    hours=[],
    unmatched=[],
    unmatched_left_off=0,
    invoices=[],
    more=False,
    differences=[],
)
LAST_PAGE = PaginationMetadata(has_more=False, next_cursor=None)


def test_a_name_is_shown_in_the_field_that_it_came_in() -> None:
    """Names of the caller's and ids of ours are told apart."""
    unmatched = [
        Unmatched(column="external_customer_id", name="bob", events=1),
        Unmatched(column="customer_id", name="cus_gone", events=2),
    ]
    found = msgspec.structs.replace(NOTHING, unmatched=unmatched, unmatched_left_off=3)
    shown = render_reconciliation(found, LAST_PAGE)
    assert (shown.start, shown.end, shown.as_of, shown.unmatched_left_off) == (START, END, 7, 3)
    assert shown.unmatched == [
        UnmatchedCustomer(external_customer_id="bob", customer_id=None, events=1),
        UnmatchedCustomer(external_customer_id=None, customer_id="cus_gone", events=2),
    ]


def test_differences_have_plain_numbers_or_none() -> None:
    """A large quantity has no exponent; a broken seal has no numbers."""
    differences = [
        Difference(kind="late_quantity", invoice_id="inv_1", expected=Decimal("1E+3"), found=Decimal("0.50")),
        Difference(kind="broken_seal", invoice_id="inv_2"),
        Difference(kind="in_effect", hour=START, expected=Decimal(1), found=Decimal(2)),
    ]
    shown = render_reconciliation(msgspec.structs.replace(NOTHING, differences=differences), LAST_PAGE)
    assert [str(one.expected) for one in shown.differences] == ["1000", "None", "1"]
    assert shown.differences[0].found == Decimal("0.5")
    assert shown.differences[1:] == [
        WireDifference(kind="broken_seal", hour=None, invoice_id="inv_2", line_id=None, expected=None, found=None),
        WireDifference(
            kind="in_effect", hour=START, invoice_id=None, line_id=None, expected=Decimal(1), found=Decimal(2)
        ),
    ]
