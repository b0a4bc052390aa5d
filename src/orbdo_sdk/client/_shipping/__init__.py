"""Shipping of events: non-blocking for the caller, bounded in memory and on disk, at least once on the wire.

The server counts by idempotency key, so that at least once on the wire is exactly once on the invoice. Nothing here
interprets events or knows any other resource of the API.
"""

from orbdo_sdk.client._shipping.dead_letters import DeadLetter, DeadLetters
from orbdo_sdk.client._shipping.encoding import NewEvent
from orbdo_sdk.client._shipping.queued import Receipt
from orbdo_sdk.client._shipping.shipper import Shipper
from orbdo_sdk.client._shipping.statistics import Drop, DropReason, Statistics

__all__ = ["DeadLetter", "DeadLetters", "Drop", "DropReason", "NewEvent", "Receipt", "Shipper", "Statistics"]
