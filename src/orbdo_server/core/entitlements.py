"""What a customer may do: the features of all plans in force, the most generous grant of each."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from orbdo_server.core.periods import Period
from orbdo_server.core.plans import FeatureType, PlanFeature


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A feature that a plan in force grants, and the billing period a limit on it counts in."""

    granted: PlanFeature
    period: Period | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a customer stands with one feature."""

    grant: Grant
    used: Decimal = Decimal(0)


def most_generous(grants: Iterable[Grant]) -> dict[str, Grant]:
    """One grant a feature key: granted beats withheld, no limit beats any, a higher limit beats a lower one.

    Between two equal grants, and for config values, the one given first stays.
    """
    best: dict[str, Grant] = {}
    for grant in grants:
        key = grant.granted.feature.key
        if key not in best or _generosity(grant) > _generosity(best[key]):
            best[key] = grant
    return dict(sorted(best.items()))


def version_of(standings: Iterable[Standing]) -> str:
    """A short hash that is the same for the same entitlements, whenever and wherever it is computed."""
    canonical = msgspec.json.encode([_canonical(standing) for standing in standings], order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def _generosity(grant: Grant) -> tuple[bool, bool, Decimal]:
    granted = grant.granted
    is_limit = granted.feature.type is FeatureType.LIMIT
    unlimited = is_limit and granted.limit is None
    return (granted.enabled, unlimited, granted.limit or Decimal(0))


def _canonical(standing: Standing) -> list[object]:
    granted, period = standing.grant.granted, standing.grant.period
    return [
        granted.feature.key,
        str(granted.feature.type),
        granted.enabled,
        None if granted.limit is None else format(granted.limit.normalize(), "f"),
        format(standing.used.normalize(), "f"),
        granted.value,
        granted.metric_id,
        None if period is None else [period.start.isoformat(), period.end.isoformat()],
    ]
