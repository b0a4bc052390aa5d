"""The meter of an in-memory Orb: the client's own, over events that stay in the process."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from orbdo_sdk.client._shipping import Shipper
from orbdo_sdk.client._transport import AsyncTransport
from orbdo_sdk.client._vocabulary import instants
from orbdo_sdk.client.resources.meter import Meter
from orbdo_sdk.errors import NotFoundError
from orbdo_sdk.testing._event_record import EventRecord, Metric
from orbdo_sdk.testing._shipper import InMemoryShipper
from orbdo_sdk.wire import Usage, UsageRow


class InMemoryMeter(Meter):
    """Events go into the record and usage is counted from it, for the metrics that the test described."""

    def __init__(self, record: EventRecord, shipper: InMemoryShipper, metrics: dict[str, Metric]) -> None:
        # There is no transport, and of the shipper the meter needs just what this one has.
        super().__init__(cast("AsyncTransport", None), cast("Shipper", shipper))
        self._record = record
        self._metrics = metrics
        self._waiting = shipper

    async def flush(self, timeout_seconds: float = 10.0) -> bool:  # noqa: ARG002 - there is nothing to wait for
        """Whether every tracked event has arrived: always, except in an outage."""
        return self._waiting.is_empty

    async def get_usage(
        self,
        customer_id: str,
        metric_id: str,
        *,
        start: datetime,
        end: datetime,
        group_by: str | Sequence[str] | None = None,
        as_of: int | None = None,
    ) -> Usage:
        """The quantity in ``[start, end)`` of a metric made by ``InMemoryOrb.metric``; NotFoundError for another."""
        instants(start=start, end=end)
        metric = self._metrics.get(metric_id)
        if metric is None:
            raise NotFoundError(status=404, title="Resource not found", detail=f"no metric {metric_id!r}")
        names = () if group_by is None else tuple([group_by] if isinstance(group_by, str) else group_by)
        position = len(self._record.events) if as_of is None else as_of
        groups = self._record.usage(metric, customer_id, start=start, end=end, group_by=names, as_of=position)
        rows = [
            UsageRow(
                external_customer_id=customer_id,
                metric_id=metric_id,
                start=start,
                end=end,
                quantity=quantity,
                group=dict(zip(names, group, strict=True)) if names else None,
                events_counted=counted,
            )
            for group, (quantity, counted) in groups.items()
        ]
        return Usage(data=rows, as_of=position)
