"""Entitlement snapshots over HTTP, with an ETag so that asking again for the same costs little."""

from orbdo_sdk.wire import Amount, Entitlement, EntitlementSnapshot, plain
from orbdo_server.api.endpoints import Call, Endpoint, NoBody, NoQuery, Reply
from orbdo_server.core.entitlements import Standing
from orbdo_server.engine.customers import require_customer_by_any_id
from orbdo_server.engine.entitlements import Snapshot, take_snapshot


def fetch(call: Call[NoBody, NoQuery]) -> Reply:
    """The customer's snapshot; 304 when ``If-None-Match`` names the version it has."""
    customer = require_customer_by_any_id(call.transaction, call.path["external_customer_id"])
    snapshot = take_snapshot(call.transaction, call.stores.log, customer)
    headers = {"ETag": f'"{snapshot.version}"', "Cache-Control": "private, no-cache"}
    if _names(call.headers.get("if-none-match", ""), headers["ETag"]):
        return Reply(None, status=304, headers=headers)
    return Reply(_render(call, snapshot), headers=headers)


def _names(if_none_match: str, etag: str) -> bool:
    """Whether a list of entity tags names this one; a cache in between may have marked it as weak."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return not tags.isdisjoint({etag, "*"})


def _render(call: Call[NoBody, NoQuery], snapshot: Snapshot) -> EntitlementSnapshot:
    return EntitlementSnapshot(
        external_customer_id=snapshot.customer.external_customer_id,
        customer_id=snapshot.customer.id,
        version=snapshot.version,
        as_of=snapshot.as_of,
        generated_at=call.now,
        entitlements={key: _render_standing(key, standing) for key, standing in snapshot.standings.items()},
    )


def _render_standing(key: str, standing: Standing) -> Entitlement:
    granted, period = standing.grant.granted, standing.grant.period
    return Entitlement(
        key=key,
        type=granted.feature.type.value,
        enabled=granted.enabled,
        limit=None if granted.limit is None else Amount(plain(granted.limit)),
        used=Amount(plain(standing.used)),
        value=granted.value,
        metric_id=granted.metric_id,
        period_start=period.start if period else None,
        period_end=period.end if period else None,
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/entitlements/{external_customer_id}",
        fetch,
        "entitlements:read",
        "Fetch all a customer may do.",
        EntitlementSnapshot,
        tag="entitlements",
    ),
)
