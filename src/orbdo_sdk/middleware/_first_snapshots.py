"""The one time a request waits for the server: nobody has asked about its customer for long.

Refreshing, and asking once for many requests, belong to the client's snapshot cache.
"""

import asyncio
import logging

from orbdo_sdk.entitlement import Reason
from orbdo_sdk.errors import ConfigurationError, NotFoundError, OrbError, WrongEventLoopError
from orbdo_sdk.middleware._orbs import EntitlementReader
from orbdo_sdk.wire import EntitlementSnapshot

_log = logging.getLogger("orbdo.middleware")


class FirstSnapshots:
    """Waits for the first snapshot of a customer, for a bounded time."""

    def __init__(self, *, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._failing = False

    async def get(self, reader: EntitlementReader, customer_id: str) -> EntitlementSnapshot | Reason:
        """The snapshot, ``UNKNOWN_CUSTOMER`` when the server knows none, or ``NO_SNAPSHOT`` when it does not say.

        Raises ConfigurationError and WrongEventLoopError, which no waiting heals.
        """
        try:
            async with asyncio.timeout(self._wait_seconds):
                snapshot = await reader.fetch(customer_id)
        except NotFoundError:
            self._failing = False
            return Reason.UNKNOWN_CUSTOMER
        except (ConfigurationError, WrongEventLoopError):
            raise
        except (OrbError, TimeoutError) as error:
            self._warn_once(error)
            return Reason.NO_SNAPSHOT
        self._failing = False
        return snapshot

    def _warn_once(self, error: Exception) -> None:
        # Once an outage: a line for every request would bury what else the log has to say.
        if not self._failing:
            what = f"{type(error).__name__}: {error}" if str(error) else f"no answer within {self._wait_seconds} s"
            _log.warning("entitlements cannot be fetched (%s); on_unknown decides until they can", what)
        self._failing = True
