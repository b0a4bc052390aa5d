"""API keys: made, listed and revoked."""

import secrets
from typing import Annotated, Self

from pydantic import Field, model_validator

from orbdo_sdk.wire import ApiKey, Page
from orbdo_server.api.endpoints import Body, Call, Endpoint, NoBody, NoQuery, UtcDatetime
from orbdo_server.api.fields import Name
from orbdo_server.api.lists import ListQuery, answer_page
from orbdo_server.core.api_keys import RANDOM_BYTES, SCOPES_OF, KeyKind
from orbdo_server.engine.keys import create_key, revoke_key
from orbdo_server.storage import api_keys
from orbdo_server.storage.api_keys import StoredKey

SCOPES_MAX = 64
SCOPE_LENGTH_MAX = 64
ScopeName = Annotated[str, Field(max_length=SCOPE_LENGTH_MAX)]


class NewKey(Body):
    """A key to make; it may do what its kind says, or else exactly what is listed, or else only send events."""

    name: Name
    kind: KeyKind | None = None
    scopes: Annotated[list[ScopeName], Field(max_length=SCOPES_MAX)] | None = None
    expires_at: UtcDatetime | None = None

    @model_validator(mode="after")
    def _has_kind_or_scopes(self) -> Self:
        if self.kind not in {None, KeyKind.CUSTOM} and self.scopes is not None:
            message = "give a kind or scopes, not both"
            raise ValueError(message)
        if self.kind is KeyKind.CUSTOM and self.scopes is None:
            message = "a custom key lists its scopes"
            raise ValueError(message)
        return self

    @property
    def granted(self) -> tuple[str, ...]:
        """The scopes of the key, each once."""
        if self.scopes is not None:
            return tuple(dict.fromkeys(self.scopes))
        return SCOPES_OF[self.kind or KeyKind.INGEST]


def create(call: Call[NewKey, NoQuery]) -> ApiKey:
    """A new key, with its secret, which is shown this once."""
    key, secret = create_key(
        call.transaction,
        name=call.body.name,
        scopes=call.body.granted,
        held=call.caller.scopes,
        randomness=secrets.token_bytes(RANDOM_BYTES),
        expires_at=call.body.expires_at,
    )
    return _render(key, secret)


def list_keys(call: Call[NoBody, ListQuery]) -> Page[ApiKey]:
    """The keys of the account, newest first, without their secrets."""
    transaction = call.transaction
    return answer_page(
        call,
        "api_keys",
        lambda after, limit: api_keys.page(transaction.connection, tenant=call.tenant, after=after, limit=limit),
        _render,
    )


def revoke(call: Call[NoBody, NoQuery]) -> ApiKey:
    """The key, revoked for good."""
    return _render(revoke_key(call.transaction, key_id=call.path["key_id"]))


def _render(key: StoredKey, secret: str | None = None) -> ApiKey:
    return ApiKey(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        secret=secret,
    )


ENDPOINTS = (
    Endpoint(
        "POST", "/api_keys", create, "keys:write", "Make an API key.", ApiKey, body=NewKey, tag="keys", repeatable=False
    ),
    Endpoint("GET", "/api_keys", list_keys, "keys:read", "List API keys.", Page[ApiKey], query=ListQuery, tag="keys"),
    Endpoint("POST", "/api_keys/{key_id}/revoke", revoke, "keys:write", "Revoke an API key.", ApiKey, tag="keys"),
)
