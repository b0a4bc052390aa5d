"""API keys: who may call the server, and what for. A key's secret is shown once, by ``create``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from orbdo_sdk.client._pages import AsyncPages
from orbdo_sdk.client._vocabulary import given, instants, path
from orbdo_sdk.client.resources._resource import Resource
from orbdo_sdk.wire import ApiKey, Page


class ApiKeys(Resource):
    """The keys of the account; only an admin key may use this."""

    async def create(
        self,
        *,
        name: str,
        scopes: Sequence[str] | None = None,
        kind: Literal["admin", "ingest", "read", "custom"] | None = None,
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """The new key with its ``secret``, which the server does not keep: note it now.

        It may do what ``kind`` says (only send events, unless told otherwise), or exactly what ``scopes`` lists, such
        as ``customers:read``. Raises BadRequestError for a scope that does not exist, PermissionDeniedError for one
        that the caller's own key has not, ValueError for a naive instant.
        """
        body = {
            **given(name=name, kind=kind, scopes=None if scopes is None else [*scopes]),
            **instants(expires_at=expires_at),
        }
        return await self._post(ApiKey, path("api_keys"), body)

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> AsyncPages[ApiKey]:
        """All keys, revoked ones too, newest first and without secrets; ``limit`` (1 to 100) a page."""
        return self._list(Page[ApiKey], path("api_keys"), limit=limit, cursor=cursor)

    async def revoke(self, api_key_id: str) -> ApiKey:
        """The key, refused from now on; revoking it again changes nothing."""
        return await self._post(ApiKey, path("api_keys", api_key_id, "revoke"))
