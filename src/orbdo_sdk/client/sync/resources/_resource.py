# Made from src/orbdo_sdk/client/resources/_resource.py by scripts/unasync.py: change that file and run it.
"""What every resource is built on: one transport, and an answer read as the type it should be."""

from collections.abc import Mapping
from typing import TypeVar

from orbdo_sdk.client._requests import QueryValue, Request
from orbdo_sdk.client._transport import SyncTransport
from orbdo_sdk.client._vocabulary import Body
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.wire import Page, encode

T = TypeVar("T")


class Resource:
    """A kind of thing the server keeps; its methods are the API's calls for it."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def _get(self, kind: type[T], path: str, query: Mapping[str, QueryValue] | None = None) -> T:
        answer = self._transport.send(Request(method="GET", path=path, query=query or {}))
        return answer.decode(kind)

    def _post(self, kind: type[T], path: str, body: Body | None = None) -> T:
        answer = self._transport.send(Request(method="POST", path=path, body=encode(body or {})))
        return answer.decode(kind)

    def _put(self, kind: type[T], path: str, body: Body) -> T:
        answer = self._transport.send(Request(method="PUT", path=path, body=encode(body)))
        return answer.decode(kind)

    def _list(
        self,
        kind: type[Page[T]],
        path: str,
        *,
        limit: int | None,
        cursor: str | None,
        query: Mapping[str, QueryValue] | None = None,
    ) -> SyncPages[T]:
        fixed: dict[str, QueryValue] = dict(query or {})
        if limit is not None:
            fixed["limit"] = limit

        def fetch(at: str | None) -> Page[T]:
            return self._get(kind, path, fixed if at is None else {**fixed, "cursor": at})

        return SyncPages(fetch, cursor=cursor)
