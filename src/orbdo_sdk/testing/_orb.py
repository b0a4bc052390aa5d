"""An Orb that needs no server: what customers may do is said by the test, and what is metered stays here.

It stands in for an ``Orb`` wherever the meter and the entitlements are used. It has no prices, plans, subscriptions or
invoices: for those there is ``Orb.embedded``, which runs the server in the process.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NoReturn, Self

from orbdo_sdk.client._agents import Agent, agent_id
from orbdo_sdk.client._amounts import Exact, exact
from orbdo_sdk.client._options import NOT_GIVEN, NotGiven, RetryPolicy, Timeout
from orbdo_sdk.client.orb import Orb
from orbdo_sdk.testing._clock import ManualClock
from orbdo_sdk.testing._entitlements import InMemoryEntitlements, InMemorySnapshots
from orbdo_sdk.testing._event_record import EventRecord, Metric, RecordedEvent
from orbdo_sdk.testing._grants import Grant, Grants, Use
from orbdo_sdk.testing._meter import InMemoryMeter
from orbdo_sdk.testing._shipper import InMemoryShipper
from orbdo_sdk.wire import FeatureType, Ping

_ABSENT: Final = (
    "customers",
    "items",
    "metrics",
    "prices",
    "plans",
    "features",
    "subscriptions",
    "invoices",
    "reconciliation",
    "backups",
    "api_keys",
)


class InMemoryOrb(Orb):
    """A stand-in for ``Orb`` in tests: nothing is granted until ``allow`` or ``limit`` says so.

    ``clock`` gives the instant of decisions and events; it stands still until ``orb.clock.advance(...)``. ``events``
    are those that arrived, once each, with their properties as they travel (a Decimal is text). Setting ``reachable``
    to False is an outage: tracked events wait, awaited calls fail, snapshots are the last ones or none.
    ``customer_id=None`` means every customer.
    """

    events: list[RecordedEvent]  # type: ignore[assignment]  # of use to a test, other than the operator's resource

    def __init__(self, *, clock: ManualClock | None = None) -> None:
        self.clock = ManualClock() if clock is None else clock
        self._record = EventRecord()
        self._metrics: dict[str, Metric] = {}
        self._grants = Grants()
        self._in_memory_shipper = InMemoryShipper(self._record, now=self.clock)
        self._in_memory_snapshots = InMemorySnapshots(self._grants, now=self.clock, metered=self._metered)
        self._agent_orbs: dict[str, InMemoryOrb] = {}
        self.events = self._record.events
        self.meter = InMemoryMeter(self._record, self._in_memory_shipper, self._metrics)
        self.entitlements = InMemoryEntitlements(self._in_memory_snapshots, now=self.clock)
        for name in _ABSENT:
            setattr(self, name, _Absent(name))

    def allow(self, feature: str, *, customer_id: str | None = None, value: str | None = None) -> None:
        """Grant the feature, with a configured value if it has one."""
        kind: FeatureType = "boolean" if value is None else "config"
        self._set(feature, customer_id, Grant(type=kind, enabled=True, value=value, granted_at=self.clock()))

    def deny(self, feature: str, *, customer_id: str | None = None) -> None:
        """Take the feature away, or leave one customer out of what everyone has."""
        self._set(feature, customer_id, Grant(type="boolean", enabled=False, granted_at=self.clock()))

    def limit(
        self,
        feature: str,
        limit: Exact | None,
        *,
        customer_id: str | None = None,
        used: Exact = 0,
        period: timedelta | None = None,
        metric_id: str | None = None,
    ) -> None:
        """Grant the feature up to a limit (None is unlimited), of which ``used`` is used already.

        It resets every ``period`` from now on, never without one. With ``metric_id`` what is metered counts too: see
        ``metric``. Raises TypeError for a float, ValueError for a metric nobody described or a period of no length.
        """
        if metric_id is not None and metric_id not in self._metrics:
            message = f"describe the metric {metric_id!r} with orb.metric(...) first"
            raise ValueError(message)
        if period is not None and period <= timedelta(0):
            message = f"period must be positive, got {period}"
            raise ValueError(message)
        grant = Grant(
            type="limit",
            enabled=True,
            limit=None if limit is None else exact(limit, name="limit"),
            used=exact(used, name="used"),
            period=period,
            metric_id=metric_id,
            granted_at=self.clock(),
        )
        self._set(feature, customer_id, grant)

    def use(self, feature: str, quantity: Exact = 1, *, customer_id: str | None = None) -> None:
        """Count a quantity as used now; raises ValueError for a feature that was given no limit."""
        used = exact(quantity, name="quantity")
        self._grants.use(Use(feature=feature, customer_id=customer_id, quantity=used, at=self.clock()))

    def metric(self, metric_id: str, *, event_type: str, sum_of: str | None = None) -> None:
        """Describe a metric: the number of events of a type, or the sum of one of their properties."""
        self._metrics[metric_id] = Metric(event_type=event_type, sum_of=sum_of)

    def forget_customer(self, customer_id: str) -> None:
        """Let the customer be one that the server does not know; all others are known."""
        self._in_memory_snapshots.unknown.add(customer_id)

    def assert_delivered_once(self, *idempotency_keys: str) -> None:
        """Raise AssertionError unless each of these events arrived, and no event arrived or was sent twice."""
        missing = [key for key in idempotency_keys if key not in self._record.deliveries]
        repeated = [key for key, count in self._record.deliveries.items() if count > 1]
        waiting = self._in_memory_shipper.statistics.in_memory
        if missing or repeated or waiting:
            message = f"never arrived: {missing}; arrived more than once: {repeated}; waiting for the server: {waiting}"
            raise AssertionError(message)

    @property
    def conflicts(self) -> list[RecordedEvent]:
        """The events that came with a key of another one, and were not counted."""
        return self._record.conflicts

    @property
    def reachable(self) -> bool:
        """Whether the server that this stands for can be reached."""
        return self._in_memory_shipper.reachable

    @reachable.setter
    def reachable(self, reachable: bool) -> None:
        self._in_memory_snapshots.reachable = reachable
        self._in_memory_shipper.reachable = reachable

    def with_options(
        self,
        *,
        timeout: Timeout | NotGiven = NOT_GIVEN,  # noqa: ARG002 - nothing takes time here
        retry: RetryPolicy | NotGiven = NOT_GIVEN,  # noqa: ARG002 - nothing is tried twice
    ) -> Self:
        """The same Orb."""
        return self

    async def ping(self) -> Ping:
        """A greeting."""
        return Ping(response="pong")

    async def close(self, timeout_seconds: float = 5.0) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """Take no more events; True when every one has arrived."""
        self._in_memory_shipper.closed = True
        return self._in_memory_shipper.is_empty

    @classmethod
    def _standing_alone_for(cls, agent: Agent) -> "InMemoryOrb":
        agent_id(agent)
        return cls()

    def _sharing_for(self, agent: Agent) -> "InMemoryOrb":
        return self._agent_orbs.setdefault(agent_id(agent), type(self)(clock=self.clock))

    def _set(self, feature: str, customer_id: str | None, grant: Grant) -> None:
        self._grants.set(feature, customer_id, grant)

    def _metered(self, metric_id: str, customer_id: str, start: datetime | None, end: datetime | None) -> Decimal:
        quantity, _ = self._record.usage(self._metrics[metric_id], customer_id, start=start, end=end)[()]
        return quantity


class _Absent:
    """Takes the place of a resource that needs a server, and says so."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> NoReturn:
        message = f"InMemoryOrb has no {self._name}; Orb.embedded(folder) runs the server in the process"
        raise NotImplementedError(message)
