"""Where a gate finds the Orb it asks, and what it needs of it.

It opens and closes none: an Orb belongs to whoever made it.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple, Protocol

from orbdo_sdk.entitlement import Source
from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware._asgi import Scope
from orbdo_sdk.wire import EntitlementSnapshot

_SNAPSHOT: Final = Source.SNAPSHOT

_utc_now = partial(datetime.now, UTC)


class EntitlementReader(Protocol):
    """What a gate needs of ``orb.entitlements``.

    Where it also has ``is_stale(customer_id)``, decisions say so; a ``now()`` replaces the clock of the machine.
    """

    def peek(self, customer_id: str, /) -> EntitlementSnapshot | None:
        """The snapshot at hand, without any I/O; None when there is none."""
        ...

    def fetch(self, customer_id: str, /) -> Awaitable[EntitlementSnapshot]:
        """The customer's snapshot from the server, kept for ``peek`` from then on; raises an ``OrbError``."""
        ...


class EntitledOrb(Protocol):
    """An ``Orb`` as far as a gate is concerned."""

    @property
    def entitlements(self) -> EntitlementReader:
        """Where the snapshots are."""
        ...


class BoundReader(NamedTuple):
    """The reader of one Orb, with what it may have beside."""

    orb: EntitledOrb
    reader: EntitlementReader
    is_stale: Callable[[str], bool]
    now: Callable[[], datetime]

    def source(self, customer_id: str) -> Source:
        """What a decision by the customer's snapshot rests on."""
        return Source.STALE if self.is_stale(customer_id) else _SNAPSHOT


_default: list[EntitledOrb] = []


def set_default_orb(orb: EntitledOrb | None) -> None:
    """Make this the Orb of every gate of the process that was given none and finds none in its application.

    None takes it back. Raises ConfigurationError for an Orb that cannot be used by a gate.
    """
    _default[:] = [] if orb is None else [bind(orb).orb]


def find_orb(scope: Scope) -> EntitledOrb:
    """The Orb of the application that serves this request: the lifespan state's, ``app.state.orb``, or the default.

    Raises ConfigurationError when there is none.
    """
    found: EntitledOrb | None = scope.get("state", {}).get("orb")
    if found is None:
        found = getattr(getattr(scope.get("app"), "state", None), "orb", None)
    if found is not None:
        return found
    if not _default:
        raise ConfigurationError(
            "the gate has no Orb: give it orb=..., set app.state.orb, or call set_default_orb(orb)"
        )
    return _default[0]


def bind(orb: EntitledOrb) -> BoundReader:
    """The reader and the clock of an Orb; raises ConfigurationError when it is not an asynchronous Orb."""
    reader: Any = getattr(orb, "entitlements", None)
    if not callable(getattr(reader, "peek", None)) or not callable(getattr(reader, "fetch", None)):
        raise ConfigurationError(f"orb must be an Orb or an InMemoryOrb, got {type(orb).__name__}")
    if not iscoroutinefunction(reader.fetch):
        raise ConfigurationError(f"orb must be an asynchronous Orb, got {type(orb).__name__}: it would block the loop")
    return BoundReader(
        orb=orb,
        reader=reader,
        is_stale=getattr(reader, "is_stale", _never_stale),
        now=getattr(reader, "now", _utc_now),
    )


def _never_stale(_customer_id: str) -> bool:
    return False
