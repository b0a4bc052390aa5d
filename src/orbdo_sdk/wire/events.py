"""The bodies of ``POST /v1/ingest`` and of corrections; they hold what was sent and check nothing beyond its shape."""

from datetime import datetime

from orbdo_sdk.wire._envelope import Problem, Wire


class IngestEvent(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """One fact: something happened to one customer at one instant.

    Exactly one of ``external_customer_id`` and ``customer_id`` is expected; properties are flat. A naive timestamp is
    UTC. Both rules are kept by who builds or receives the event, since a broken one must be reported event by event.
    """

    event_name: str
    idempotency_key: str
    timestamp: datetime
    properties: dict[str, object]
    external_customer_id: str | None = None
    customer_id: str | None = None


class IngestRequest(Wire, frozen=True, kw_only=True):
    """The events of one request."""

    events: list[IngestEvent]


class ValidationFailed(Wire, frozen=True, kw_only=True):
    """One event that was not taken, and why."""

    idempotency_key: str
    validation_errors: list[str]


class IngestDebug(Wire, frozen=True, kw_only=True):
    """Which keys were new and which the server already had, when the request asked with ``?debug=true``.

    ``conflict`` names those of the duplicates that came with another event than the first time; the first stays.
    """

    duplicate: list[str] = []
    ingested: list[str] = []
    conflict: list[str] = []


class IngestResponse(Wire, frozen=True, kw_only=True):
    """The server's answer: every event of the request that is not named in ``validation_failed`` is in."""

    validation_failed: list[ValidationFailed] = []
    debug: IngestDebug | None = None


class IngestProblem(Problem, frozen=True, kw_only=True):
    """The answer when some events are not valid; every event that is not named in ``validation_failed`` is in."""

    validation_failed: list[ValidationFailed]
    debug: IngestDebug | None = None


class AmendedEvent(Wire, frozen=True, kw_only=True):
    """The id of an event in whose place another stands now."""

    amended: str


class DeprecatedEvent(Wire, frozen=True, kw_only=True):
    """The id of an event that is not counted any more."""

    deprecated: str


class UndoneCorrection(Wire, frozen=True, kw_only=True):
    """The id of an event whose last correction was taken back."""

    undone: str
