# Made from src/orbdo_sdk/client/resources/prices.py by scripts/unasync.py: change that file and run it.
"""Prices: what a unit of something costs, and how the amount is computed from a quantity."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

from orbdo_sdk.client._amounts import Exact, exact
from orbdo_sdk.client._prices import BillingScheme, PriceKind, PriceTier, computed_by, measured_by
from orbdo_sdk.client._vocabulary import given, path, resource_path
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Amount, Cadence, Item, Page, Price, PriceCalculation

# A union is a type to a checker, but not to its notion of ``type[T]``.
_PRICE = cast("type[Price]", Price)


class Prices(Resource):
    """The prices of the account. A price never changes once made; a plan takes another one instead.

    Amounts go in as minor units of the currency, as an int or a Decimal: ``10`` is $0.10, ``Decimal("0.15")`` is
    $0.0015. They come back as ``Decimal`` in major units.
    """

    def create(
        self,
        *,
        product_id: str,
        type: PriceKind = "metered",  # noqa: A002 - the word of the API
        billing_scheme: BillingScheme = "per_unit",
        unit_amount: int | Decimal | None = None,
        tiers: Sequence[PriceTier] | None = None,
        package_size: int | Decimal | None = None,
        meter_id: str | None = None,
        quantity: int | Decimal | None = None,
        currency: str = "USD",
        name: str | None = None,
        cadence: Cadence = "monthly",
        billed_in_advance: bool | None = None,
        external_price_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Price:
        """The new price: ``metered`` charges the usage of ``meter_id``, ``licensed`` a fee for ``quantity`` (1).

        ``per_unit`` takes ``unit_amount``, ``package`` takes it for each begun ``package_size``; ``graduated`` (also
        ``tiered``) and ``volume`` take ``tiers``. Without a ``name``, one more request asks for the product's. Raises
        TypeError for a float, ValueError for terms that do not fit, BadRequestError for what the server refuses.
        """
        body = {
            **given(item_id=product_id, name=name, cadence=cadence, billed_in_advance=billed_in_advance),
            **given(external_price_id=external_price_id, metadata=metadata),
            **measured_by(type, meter_id=meter_id, quantity=quantity),
            **computed_by(
                billing_scheme, currency=currency, unit_amount=unit_amount, tiers=tiers, package_size=package_size
            ),
        }
        if name is None:
            body["name"] = (self._get(Item, path("items", product_id))).name
        return self._post(_PRICE, path("prices"), body)

    def get(self, price_id: str) -> Price:
        """The price, by the server's id or your own; raises NotFoundError when there is none."""
        return self._get(_PRICE, _price_path(price_id))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> SyncPages[Price]:
        """All prices, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Price], path("prices"), limit=limit, cursor=cursor)

    def update(self, price_id: str, *, metadata: Mapping[str, str]) -> Price:
        """The price with this metadata in place of all it had; nothing else of a price can change."""
        return self._put(_PRICE, _price_path(price_id), {"metadata": metadata})

    def calculate(self, price_id: str, quantity: Exact) -> PriceCalculation:
        """What the quantity costs: ``amount`` exact, ``rounded_amount`` in whole minor units, both in major units.

        ``breakdown`` has a row for each tier that was touched. Raises TypeError for a float.
        """
        body = {"quantity": Amount(exact(quantity, name="quantity"))}
        return self._post(PriceCalculation, path("prices", price_id, "calculate"), body)


def _price_path(price_id: str) -> str:
    return resource_path("prices", price_id, kind="price", external="external_price_id")
