"""Items: what is sold. A price belongs to one, and an invoice names it."""

from collections.abc import Mapping

from orbdo_sdk.client._pages import AsyncPages
from orbdo_sdk.client._vocabulary import given, path
from orbdo_sdk.client.resources._resource import Resource
from orbdo_sdk.wire import Item, Page


class Items(Resource):
    """The items of the account; their ids are what ``product_id`` means elsewhere."""

    async def create(self, *, name: str, metadata: Mapping[str, str] | None = None) -> Item:
        """The new item; raises BadRequestError when a field is not valid."""
        return await self._post(Item, path("items"), given(name=name, metadata=metadata))

    async def get(self, item_id: str) -> Item:
        """The item; raises NotFoundError when there is none."""
        return await self._get(Item, path("items", item_id))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> AsyncPages[Item]:
        """All items, newest first, ``limit`` (1 to 100, the server's default is 20) a page."""
        return self._list(Page[Item], path("items"), limit=limit, cursor=cursor)

    async def update(self, item_id: str, *, name: str | None = None, metadata: Mapping[str, str] | None = None) -> Item:
        """The item after the change; what is left out stays, and ``metadata`` replaces all there was."""
        return await self._put(Item, path("items", item_id), given(name=name, metadata=metadata))

    async def archive(self, item_id: str) -> Item:
        """The item, no longer offered; prices and invoices that name it keep it."""
        return await self._post(Item, path("items", item_id, "archive"))
