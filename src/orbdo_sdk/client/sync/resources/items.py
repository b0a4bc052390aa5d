# Made from src/orbdo_sdk/client/resources/items.py by scripts/unasync.py: change that file and run it.
"""Items: what is sold. A price belongs to one, and an invoice names it."""

from collections.abc import Mapping

from orbdo_sdk.client._vocabulary import given, path
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.resources._resource import Resource
from orbdo_sdk.wire import Item, Page


class Items(Resource):
    """The items of the account; their ids are what ``product_id`` means elsewhere."""

    def create(self, *, name: str, metadata: Mapping[str, str] | None = None) -> Item:
        """The new item; raises BadRequestError when a field is not valid."""
        return self._post(Item, path("items"), given(name=name, metadata=metadata))

    def get(self, item_id: str) -> Item:
        """The item; raises NotFoundError when there is none."""
        return self._get(Item, path("items", item_id))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> SyncPages[Item]:
        """All items, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Item], path("items"), limit=limit, cursor=cursor)

    def update(self, item_id: str, *, name: str | None = None, metadata: Mapping[str, str] | None = None) -> Item:
        """The item after the change; what is left out stays, and ``metadata`` replaces all there was."""
        return self._put(Item, path("items", item_id), given(name=name, metadata=metadata))

    def archive(self, item_id: str) -> Item:
        """The item, no longer offered; prices and invoices that name it keep it."""
        return self._post(Item, path("items", item_id, "archive"))
