"""A subscription as users describe it, made into what the server takes: its items, and when a change happens."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Required, TypedDict

from orbdo_sdk.client._amounts import number
from orbdo_sdk.client._vocabulary import Body, instants

END_OF_PERIOD = "end_of_subscription_term"
AT_ONCE = "immediate"
AT_A_DATE = "requested_date"


class SubscriptionItem(TypedDict, total=False):
    """A price that is added to a subscription, from ``start_date`` to ``end_date`` when they are given.

    ``quantity`` is what a fixed fee is charged for; for a fee that the plan already has, it takes the place of its own.
    """

    price_id: Required[str]
    quantity: int | Decimal
    start_date: datetime
    end_date: datetime


def added_prices(items: Iterable[SubscriptionItem]) -> list[Body]:
    """Each item with the wire's field names; raises ValueError for an unknown field, TypeError for a float."""
    return [_added_price(item, where=f"items[{index}]") for index, item in enumerate(items)]


def when(*, at: datetime | None, at_once: bool, option: str, date: str) -> Body:
    """The fields that say when a change happens: at an instant, at once, or at the end of the period."""
    if at is not None:
        return {option: AT_A_DATE, **instants(**{date: at})}
    return {option: AT_ONCE if at_once else END_OF_PERIOD}


def _added_price(item: SubscriptionItem, *, where: str) -> Body:
    fields: Mapping[str, object] = item
    unknown = sorted(fields.keys() - SubscriptionItem.__annotations__.keys())
    if unknown or "price_id" not in item:
        known = ", ".join(SubscriptionItem.__annotations__)
        message = f"{where} has no field {unknown[0]!r}; it takes {known}" if unknown else f"{where} has no price_id"
        raise ValueError(message)
    added: Body = {
        "price_id": item["price_id"],
        **instants(start_date=item.get("start_date"), end_date=item.get("end_date")),
    }
    if "quantity" in item:
        added["fixed_price_quantity"] = number(item["quantity"], name=f"{where}.quantity")
    return added
