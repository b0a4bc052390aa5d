"""The gate in front of an application: who asks, what is known of them, go on or refuse.

Pure ASGI: it reads no body, wraps no response unless it has to mark it, starts nothing and waits only for the first
snapshot of a customer. What is allowed is decided by ``orbdo_sdk.entitlement``; gates differ in what they ask of it.
"""

import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import ClassVar, Final, Literal, TypedDict, TypeVar

from orbdo_sdk.entitlement import Decision, Reason, Source, undecided
from orbdo_sdk.errors import ConfigurationError
from orbdo_sdk.middleware._asgi import ASGIApp, Receive, Scope, Send
from orbdo_sdk.middleware._customers import CustomerResolver, check_resolver, finish, is_customer_id
from orbdo_sdk.middleware._first_snapshots import FirstSnapshots
from orbdo_sdk.middleware._orbs import BoundReader, EntitledOrb, bind, find_orb
from orbdo_sdk.middleware._paths import Paths, compile_paths
from orbdo_sdk.middleware._responses import DenialHook, denial, mark_stale, refuse
from orbdo_sdk.wire import EntitlementSnapshot

Policy = Literal["open", "closed"]

F = TypeVar("F", bound=Callable[..., object])

# Below what a client waits for its answer; the fetch goes on without the request.
WAIT_SECONDS = 2.0

STATE_KEY = "orbdo"

# What a gate may answer to a customer whose plan does not allow the request.
DENIED_STATUSES = (402, 403, 429)

_GATED = frozenset({"http", "websocket"})

# Looking up a member of an enum takes a twentieth of what a request may cost here.
_SNAPSHOT: Final = Source.SNAPSHOT


class GateOptions(TypedDict, total=False):
    """The options all gates take; ``EntitlementGate`` says what each of them means."""

    customer: CustomerResolver | None
    paths: Paths | None
    exclude: Paths | None
    on_denied: DenialHook | None
    on_unknown: Policy | None
    on_missing_customer: Policy
    status: int | None
    wait_seconds: float


class EntitlementGate:
    """An ASGI middleware that lets a request through when a feature of its customer allows it.

    ``orb`` is an asynchronous Orb; without it the lifespan state's ``orb``, ``app.state.orb`` or the default is used.
    ``customer`` finds the customer id in the scope, plainly or awaitably (default: the header ``X-Customer-Id``).
    ``paths`` and ``exclude`` are a glob (``"/api/*"``), several, or a function of the scope; without them all is gated.
    ``on_denied(decision, scope)`` gives the response to a denial instead of the problem document; ``status`` another
    status than the gate's own for what the plan denies (402, 403 or 429).
    ``on_unknown`` is the policy while the server cannot say what the customer may do: ``"open"`` lets the request
    through, ``"closed"`` answers 503. A customer the server does not know is denied either way. ``on_missing_customer``
    is the policy for a request that names no customer: ``"closed"`` answers 401. ``wait_seconds`` bounds the wait for
    the first snapshot of a customer.

    A request let through without a snapshot, or by one older than it should be, is answered with the header
    ``X-Entitlement-Stale: true``. The decision is in ``scope["state"]["orbdo"][feature]`` for the handlers. Everything
    that can be checked is checked when the gate is made; ConfigurationError says what cannot work.
    """

    _status_default: ClassVar[int]
    _on_unknown_default: ClassVar[Policy]
    # The denials that ``status`` is the answer to; the others have a status of their own.
    _denials_with_status: ClassVar[frozenset[Reason]]

    def __init__(
        self,
        app: ASGIApp,
        feature: str,
        orb: EntitledOrb | None = None,
        *,
        customer: CustomerResolver | None = None,
        paths: Paths | None = None,
        exclude: Paths | None = None,
        on_denied: DenialHook | None = None,
        on_unknown: Policy | None = None,
        on_missing_customer: Policy = "closed",
        status: int | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.app = _check_callable(app, option="app")
        self.feature = _check_feature(feature)
        self._given_orb = orb
        self._bound = None if orb is None else bind(orb)
        self._customer = check_resolver(customer)
        self._covers = compile_paths(paths, exclude)
        self._on_denied = None if on_denied is None else _check_callable(on_denied, option="on_denied")
        unknown = self._on_unknown_default if on_unknown is None else on_unknown
        self._open_when_unknown = _check_policy(unknown, option="on_unknown") == "open"
        self._open_without_customer = _check_policy(on_missing_customer, option="on_missing_customer") == "open"
        self._status = _check_status(self._status_default if status is None else status)
        self._first_snapshots = FirstSnapshots(wait_seconds=_check_seconds(wait_seconds, option="wait_seconds"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decide and pass the request on or refuse it; anything but http and websocket is passed on."""
        if scope["type"] not in _GATED or (self._covers is not None and not self._covers(scope)):
            await self.app(scope, receive, send)
            return
        bound = self._reader_for(scope)
        found = self._customer(scope)
        # Nearly every request ends its questions here, without a coroutine more.
        customer_id = found if is_customer_id(found) else await finish(found)
        decision = self._decision_at_hand(customer_id, bound)
        if decision is None:
            assert customer_id is not None
            decision = await self._decision_after_waiting(customer_id, bound)
        if not decision.allowed:
            await refuse(await self._answer(decision, scope, bound.now()), decision, scope, receive, send)
            return
        _leave_for_handlers(scope, decision)
        if decision.source is not _SNAPSHOT and decision.reason is not Reason.NO_CUSTOMER:
            send = mark_stale(send)
        await self.app(scope, receive, send)

    def _decision_at_hand(self, customer_id: str | None, bound: BoundReader) -> Decision | None:
        if customer_id is None:
            return undecided(self.feature, reason=Reason.NO_CUSTOMER, allowed=self._open_without_customer)
        snapshot = bound.reader.peek(customer_id)
        return None if snapshot is None else self._decide(snapshot, customer_id, bound)

    async def _decision_after_waiting(self, customer_id: str, bound: BoundReader) -> Decision:
        outcome = await self._first_snapshots.get(bound.reader, customer_id)
        if isinstance(outcome, Reason):
            allowed = outcome is Reason.NO_SNAPSHOT and self._open_when_unknown
            return undecided(self.feature, reason=outcome, allowed=allowed)
        return self._decide(outcome, customer_id, bound)

    def _decide(self, snapshot: EntitlementSnapshot, customer_id: str, bound: BoundReader) -> Decision:
        raise NotImplementedError  # pragma: no cover - a gate that asks nothing is not made

    def _reader_for(self, scope: Scope) -> BoundReader:
        orb = self._given_orb if self._given_orb is not None else find_orb(scope)
        bound = self._bound
        if bound is None or bound.orb is not orb:
            bound = self._bound = bind(orb)
        return bound

    async def _answer(self, decision: Decision, scope: Scope, now: datetime) -> ASGIApp:
        if self._on_denied is not None:
            answer = self._on_denied(decision, scope)
            app = await answer if isinstance(answer, Awaitable) else answer
            return _check_callable(app, option="what on_denied gives")
        return denial(decision, status=self._denied_status(decision.reason), now=now)

    def _denied_status(self, reason: Reason) -> int:
        if reason in self._denials_with_status:
            return self._status
        return {Reason.NO_CUSTOMER: 401, Reason.NO_SNAPSHOT: 503}.get(reason, 403)


def _leave_for_handlers(scope: Scope, decision: Decision) -> None:
    state = scope.setdefault("state", {})
    earlier = state.get(STATE_KEY)
    # A new mapping each time: the state's own may be shared by all requests of a lifespan.
    state[STATE_KEY] = {decision.feature: decision} if earlier is None else {**earlier, decision.feature: decision}


def _check_feature(feature: str) -> str:
    if not isinstance(feature, str) or not feature:
        raise ConfigurationError(f"feature must be the key of a feature, got {feature!r}")
    return feature


def _check_callable(value: F, *, option: str) -> F:
    if not callable(value):
        raise ConfigurationError(f"{option} must be callable, got {value!r}")
    return value


def _check_policy(policy: Policy, *, option: str) -> Policy:
    if policy not in ("open", "closed"):
        raise ConfigurationError(f'{option} must be "open" or "closed", got {policy!r}')
    return policy


def _check_status(status: int) -> int:
    if status not in DENIED_STATUSES:
        raise ConfigurationError(f"status must be one of {DENIED_STATUSES}, got {status!r}")
    return status


def _check_seconds(seconds: float, *, option: str) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds <= 0:
        raise ConfigurationError(f"{option} must be a positive number of seconds, got {seconds!r}")
    return seconds
