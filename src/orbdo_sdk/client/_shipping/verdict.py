"""What an answer to ``POST /v1/ingest`` says about the events of the batch it answers.

Pure. It takes nothing for granted: an event counts as acknowledged only when the answer is complete, well-formed and
leaves no doubt about it.
"""

from collections.abc import Collection
from datetime import datetime

import msgspec

from orbdo_sdk.client._answers import Answer, error_of
from orbdo_sdk.errors import ApiError, ConflictError, ConnectionFailedError, OrbError, UnexpectedAnswerError
from orbdo_sdk.wire import IngestDebug, ValidationFailed

NAMELESS_REFUSALS = frozenset({400, 413, 422})


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """Some events have their final answer. All that are neither rejected nor ``unsettled`` are acknowledged.

    ``conflicts`` are duplicates that differ from what the server has under their key; that stays.
    """

    duplicates: frozenset[str] = frozenset()
    conflicts: frozenset[str] = frozenset()
    rejected: dict[str, tuple[str, ...]] = {}
    unsettled: frozenset[str] = frozenset()


class Indivisible(msgspec.Struct, frozen=True, kw_only=True):
    """The batch as a whole was refused without a word on which event is at fault: send it in parts to find out."""

    error: ApiError

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, when the part is down to a single event."""
        return (str(self.error),)


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is known about any event; the same batch is to be sent again later.

    ``refused``: not the server's load but our address or credentials are at fault, which takes longer to heal.
    """

    error: OrbError
    refused: bool = False
    retry_after_seconds: float = 0.0


Verdict = Settled | Indivisible | Failed


class _Body(msgspec.Struct):
    # Required on purpose: a 200 from something that is not the server must not pass for an acknowledgement.
    validation_failed: list[ValidationFailed]
    debug: IngestDebug | None = None


def read_verdict(answer: Answer, keys: Collection[str], *, now: datetime) -> Verdict:
    """What the answer says about the events with these keys."""
    body = _read_body(answer)
    ours = frozenset(keys)
    if answer.succeeded:
        return _of_success(answer, body, ours)
    error = error_of(answer, now=now)
    if body is not None and answer.status < 500 and not error.transient and _rejected(body, ours):
        return _of_refusal(body, ours)
    if answer.status in NAMELESS_REFUSALS:
        return Indivisible(error=error)
    refused = not (error.transient or isinstance(error, ConflictError))
    return Failed(error=error, refused=refused, retry_after_seconds=error.retry_after_seconds or 0.0)


def verdict_of_error(error: OrbError) -> Failed:
    """What it means that there was no answer: everything is open, and unless the network failed it heals slowly."""
    return Failed(error=error, refused=not isinstance(error, ConnectionFailedError))


def _of_success(answer: Answer, body: _Body | None, keys: frozenset[str]) -> Verdict:
    message = f"the server answered {answer.status} without saying what became of the events"
    if body is not None:
        settled = (
            _settled(body, body.debug, keys) if body.debug is not None else Settled(rejected=_rejected(body, keys))
        )
        if settled.unsettled != keys:
            return settled
        message = "the server's answer names none of the events that were sent"
    return Failed(error=UnexpectedAnswerError(message, status=answer.status, request_id=answer.request_id))


def _of_refusal(body: _Body, keys: frozenset[str]) -> Settled:
    # Without the names of those that are in, nothing says that any is: they are sent again, which counts them once.
    return _settled(body, body.debug or IngestDebug(), keys)


def _settled(body: _Body, debug: IngestDebug, keys: frozenset[str]) -> Settled:
    rejected = _rejected(body, keys)
    duplicates = keys.intersection(debug.duplicate)
    return Settled(
        duplicates=duplicates,
        conflicts=keys.intersection(debug.conflict),
        rejected=rejected,
        unsettled=keys - duplicates - rejected.keys() - set(debug.ingested),
    )


def _rejected(body: _Body, keys: frozenset[str]) -> dict[str, tuple[str, ...]]:
    return {
        failed.idempotency_key: tuple(failed.validation_errors) or ("no reason given",)
        for failed in body.validation_failed
        if failed.idempotency_key in keys
    }


def _read_body(answer: Answer) -> _Body | None:
    try:
        return msgspec.json.decode(answer.body, type=_Body)
    except msgspec.DecodeError:
        return None
