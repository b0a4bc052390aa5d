"""What a subscription is made of, as users say it and as it travels."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from orbdo_sdk.client._subscriptions import added_prices, when
from orbdo_sdk.wire import encode

AT = datetime(2026, 1, 15, tzinfo=UTC)


def test_items_are_prices_that_are_added() -> None:
    """Quantities are numbers, instants text, and nothing is made up."""
    added = added_prices(
        [
            {"price_id": "price_1"},
            {
                "price_id": "price_2",
                "quantity": Decimal("2.50"),
                "start_date": AT,
                "end_date": datetime(2027, 1, 1, tzinfo=UTC),
            },
        ]
    )
    assert encode(added) == (
        b'[{"price_id":"price_1"},'
        b'{"price_id":"price_2","start_date":"2026-01-15T00:00:00Z","end_date":"2027-01-01T00:00:00Z",'
        b'"fixed_price_quantity":2.5}]'
    )


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"price_id": "price_1", "count": 3}, r"items\[0\] has no field 'count'; it takes price_id, quantity"),
        ({"quantity": 3}, r"items\[0\] has no price_id"),
    ],
)
def test_an_item_that_is_misspelt_is_refused(item: Any, problem: str) -> None:
    """The item at fault is named."""
    with pytest.raises(ValueError, match=problem):
        added_prices([item])


def test_a_quantity_is_exact() -> None:
    """A float is refused where it stands."""
    inexact: Any = {"price_id": "price_1", "quantity": 1.5}
    with pytest.raises(TypeError, match=r"items\[0\]\.quantity must be an int or a Decimal, not float"):
        added_prices([inexact])


@pytest.mark.parametrize(
    ("at", "at_once", "fields"),
    [
        (None, True, {"option": "immediate"}),
        (None, False, {"option": "end_of_subscription_term"}),
        (AT, True, {"option": "requested_date", "date": "2026-01-15T00:00:00Z"}),
        (AT, False, {"option": "requested_date", "date": "2026-01-15T00:00:00Z"}),
    ],
)
def test_a_change_happens_at_once_at_the_end_or_at_an_instant(
    at: datetime | None, fields: dict[str, str], *, at_once: bool
) -> None:
    """An instant wins over the rest."""
    assert when(at=at, at_once=at_once, option="option", date="date") == fields
