"""The table of routes: every address of the API, in the order it is matched."""

from orbdo_server.api import (
    backfills,
    customers,
    documents,
    entitlements,
    event_corrections,
    event_lookups,
    invoices,
    items,
    keys,
    plans,
    prices,
    reconciliation,
    subscriptions,
    system,
    usage,
)
from orbdo_server.api.endpoints import Endpoint

# Within a family an address with a fixed word stands before the one with an id in its place.
ENDPOINTS: tuple[Endpoint, ...] = (
    *system.ENDPOINTS,
    *customers.ENDPOINTS,
    *items.ENDPOINTS,
    *prices.ENDPOINTS,
    *plans.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *usage.ENDPOINTS,
    *invoices.ENDPOINTS,
    *documents.ENDPOINTS,
    *entitlements.ENDPOINTS,
    *backfills.ENDPOINTS,
    *event_lookups.ENDPOINTS,
    *event_corrections.ENDPOINTS,
    *reconciliation.ENDPOINTS,
    *keys.ENDPOINTS,
)
