"""What a log says no with.

::

    ServerError
    ├── ConstraintViolationError
    │   ├── BackfillNotOpenError      an event came for a backfill that takes none
    │   ├── BackfillTransitionError   a backfill cannot become what was asked
    │   ├── CorrectionError           an event cannot be corrected so
    │   ├── FuturePositionError       a reading is asked of a position that is not there yet
    │   └── OutOfRangeError           a number of a reading has more digits than are kept
    ├── TooLargeError
    │   └── ResultTooLargeError       a reading has more rows than are given out
    └── UnavailableError
        ├── LogUnavailableError       the log cannot be opened, written or read now
        │   └── LogDamagedError       the files of the log lack or changed something that was acknowledged
        └── ReadTimeoutError          a reading took too long, or waited too long for its turn
"""

from orbdo_server.core.errors import shown
from orbdo_server.errors import ConstraintViolationError, TooLargeError, UnavailableError


class BackfillNotOpenError(ConstraintViolationError):
    """An event came for a backfill that does not exist, or that was closed or reverted."""

    def __init__(self, tenant: str, backfill_id: str) -> None:
        self.tenant = tenant
        self.backfill_id = backfill_id
        super().__init__(f"The backfill {backfill_id} takes no events: it does not exist, or was closed or reverted.")


class BackfillTransitionError(ConstraintViolationError):
    """A backfill cannot become what was asked from what it is."""

    def __init__(self, backfill_id: str, *, found: str, wanted: str) -> None:
        self.backfill_id = backfill_id
        self.found = found
        self.wanted = wanted
        super().__init__(f"The backfill {backfill_id} is {found} and cannot become {wanted}.")


class CorrectionError(ConstraintViolationError):
    """An event cannot be corrected so, as it stands."""

    def __init__(self, idempotency_key: str, problem: str) -> None:
        self.idempotency_key = idempotency_key
        super().__init__(f"The event {shown(idempotency_key)} {problem}.")


class FuturePositionError(ConstraintViolationError):
    """A reading is asked of a position that is not there yet, so its answer would change."""

    def __init__(self, *, as_of: int, position: int) -> None:
        self.as_of = as_of
        self.position = position
        super().__init__(f"as_of: the log has reached position {position}, not {as_of}.")


class OutOfRangeError(ConstraintViolationError):
    """A number of a reading has more digits than are kept."""

    def __init__(self) -> None:
        super().__init__("A number of this reading has more than 26 digits before the point; narrow the question.")


class ResultTooLargeError(TooLargeError):
    """A reading has more rows than are given out at once."""

    def __init__(self, *, rows_max: int) -> None:
        self.rows_max = rows_max
        super().__init__(f"The result has more than {rows_max} rows; narrow the question.")


class LogUnavailableError(UnavailableError):
    """The log cannot be opened, written or read now."""

    def __init__(self, detail: str = "The event log cannot take this now; nothing of the request was kept.") -> None:
        super().__init__(detail)


class LogDamagedError(LogUnavailableError):
    """The files of the log lack something that was acknowledged, or changed it; the text says what and how to go on."""


class ReadTimeoutError(UnavailableError):
    """A reading took too long, or waited too long for its turn."""

    code = "read_timeout"

    def __init__(self, *, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        super().__init__(f"The reading was not done within {timeout_seconds:g} seconds; narrow the question.")
