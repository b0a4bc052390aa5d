"""The client, async and sync, and the values it takes and gives beside those of the wire."""

from orbdo_sdk.client._agents import Agent, Identified
from orbdo_sdk.client._asgi import EmbeddedApp
from orbdo_sdk.client._events import Event, EventFields
from orbdo_sdk.client._options import NOT_GIVEN, BufferLimits, NotGiven, RetryPolicy, Timeout
from orbdo_sdk.client._pages import AsyncPages
from orbdo_sdk.client._plans import PlanFeatureGrant
from orbdo_sdk.client._prices import PriceTier
from orbdo_sdk.client._settings import OrbOptions
from orbdo_sdk.client._shipping import DeadLetter, DeadLetters, Drop, Receipt, Statistics
from orbdo_sdk.client._snapshot_store import SnapshotPolicy
from orbdo_sdk.client._subscriptions import SubscriptionItem
from orbdo_sdk.client._usage_check import UsageCheck
from orbdo_sdk.client.orb import Orb
from orbdo_sdk.client.sync._pages import SyncPages
from orbdo_sdk.client.sync.orb import SyncOrb

__all__ = [
    "NOT_GIVEN",
    "Agent",
    "AsyncPages",
    "BufferLimits",
    "DeadLetter",
    "DeadLetters",
    "Drop",
    "EmbeddedApp",
    "Event",
    "EventFields",
    "Identified",
    "NotGiven",
    "Orb",
    "OrbOptions",
    "PlanFeatureGrant",
    "PriceTier",
    "Receipt",
    "RetryPolicy",
    "SnapshotPolicy",
    "Statistics",
    "SubscriptionItem",
    "SyncOrb",
    "SyncPages",
    "Timeout",
    "UsageCheck",
]
