# Made from src/orbdo_sdk/client/resources/customers.py by scripts/unasync.py: change that file and run it.
"""Customers: who is billed. Wherever a customer is named, your own id and the server's ``cus_...`` both work."""

from collections.abc import Callable, Mapping

from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client._vocabulary import given, path, resource_path
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Customer, Page


class Customers(Resource):
    """The customers of the account."""

    def __init__(self, transport: SyncTransport, *, changed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._changed = changed

    def create(
        self,
        *,
        customer_id: str,
        email: str,
        name: str | None = None,
        currency: str | None = None,
        timezone: str = "UTC",
        metadata: Mapping[str, str] | None = None,
    ) -> Customer:
        """The customer, made under your own id; the name is that id when it is left out.

        ``timezone`` is an IANA name and decides where billing periods begin. ``currency`` stays open until the first
        plan sets it. Raises BadRequestError when the id is taken or a field is not valid.
        """
        body = given(
            external_customer_id=customer_id,
            name=customer_id if name is None else name,
            email=email,
            currency=currency,
            timezone=timezone,
            metadata=metadata,
        )
        customer = self._post(Customer, path("customers"), body)
        self._changed()
        return customer

    def get(self, customer_id: str) -> Customer:
        """The customer; raises NotFoundError when there is none."""
        return self._get(Customer, _customer_path(customer_id))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> SyncPages[Customer]:
        """All customers, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Customer], path("customers"), limit=limit, cursor=cursor)

    def update(
        self,
        customer_id: str,
        *,
        name: str | None = None,
        email: str | None = None,
        currency: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Customer:
        """The customer after the change; what is left out stays as it is, and ``metadata`` replaces all there was.

        Raises NotFoundError when there is no such customer, BadRequestError for a currency that can no longer change.
        """
        body = given(name=name, email=email, currency=currency, metadata=metadata)
        return self._put(Customer, _customer_path(customer_id), body)


def _customer_path(customer_id: str) -> str:
    return resource_path("customers", customer_id, kind="cus", external="external_customer_id")
