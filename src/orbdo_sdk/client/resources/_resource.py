"""What every resource is built on: one transport, and an answer read as the type it should be."""

from collections.abc import Mapping
from typing import TypeVar

from orbdo_sdk.client._pages import AsyncPages
from orbdo_sdk.client._requests import QueryValue, Request
from orbdo_sdk.client._transport import AsyncTransport
from orbdo_sdk.client._vocabulary import Body
from orbdo_sdk.wire import Page, encode

T = TypeVar("T")


class Resource:
    """A kind of thing the server keeps; its methods are the API's calls for it."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def _get(self, kind: type[T], path: str, query: Mapping[str, QueryValue] | None = None) -> T:
        answer = await self._transport.send(Request(method="GET", path=path, query=query or {}))
        return answer.decode(kind)

    async def _post(self, kind: type[T], path: str, body: Body | None = None) -> T:
        answer = await self._transport.send(Request(method="POST", path=path, body=encode(body or {})))
        return answer.decode(kind)

    async def _put(self, kind: type[T], path: str, body: Body) -> T:
        answer = await self._transport.send(Request(method="PUT", path=path, body=encode(body)))
        return answer.decode(kind)

    def _list(
        self,
        kind: type[Page[T]],
        path: str,
        *,
        limit: int | None,
        cursor: str | None,
        query: Mapping[str, QueryValue] | None = None,
    ) -> AsyncPages[T]:
        fixed: dict[str, QueryValue] = dict(query or {})
        if limit is not None:
            fixed["limit"] = limit

        async def fetch(at: str | None) -> Page[T]:
            return await self._get(kind, path, fixed if at is None else {**fixed, "cursor": at})

        return AsyncPages(fetch, cursor=cursor)
