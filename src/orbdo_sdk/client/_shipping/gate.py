"""Whether requests may go out now: the memory of how the last ones ended.

One gate for all senders. While the server fails they share one backoff and one request at a time probes it, so that a
failing server is not hit by every sender at once. It keeps no clock: ``now`` is monotonic seconds, an argument.
"""

from collections.abc import Callable

from orbdo_sdk.client._options import RetryPolicy
from orbdo_sdk.errors import OrbError

# Somebody is waiting: look again this soon, whatever the backoff has grown to.
URGENT_WAIT_SECONDS_MAX = 1.0


class Gate:
    """Open while requests succeed; closed for a growing while after each round of failures."""

    def __init__(self, policy: RetryPolicy, *, jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self._failures = 0
        self._failed_at = 0.0
        self._floor_at = 0.0
        self._opens_at = 0.0
        self.failing_since: float | None = None
        self.last_error: OrbError | None = None

    @property
    def failing(self) -> bool:
        """Whether the last request failed; then only one may be under way."""
        return self.failing_since is not None

    def seconds_until_open(self, now: float, *, urgent: bool) -> float:
        """How long to wait before the next request, 0 when it may go out.

        ``urgent`` (somebody waits for an answer) shortens our own backoff, never the wait the server asked for.
        """
        opens_at = min(self._opens_at, self._failed_at + URGENT_WAIT_SECONDS_MAX) if urgent else self._opens_at
        return max(0.0, max(opens_at, self._floor_at) - now)

    def succeeded(self) -> None:
        """A request was answered as it should be: the episode is over."""
        self._failures = 0
        self._opens_at = self._floor_at = 0.0
        self.failing_since = self.last_error = None

    def failed(self, error: OrbError, *, began_at: float, now: float, refused: bool, retry_after: float) -> None:
        """A request that began at ``began_at`` failed now.

        Requests that were already under way when the last failure came in belong to the same round and do not make the
        backoff grow. ``refused`` is the slow class. ``retry_after`` is the server's floor in seconds, 0 for none; it is
        believed up to the policy's longest wait.
        """
        if self.failing_since is None:
            self.failing_since = now
        self.last_error = error
        self._floor_at = max(self._floor_at, now + min(retry_after, self._policy.refused_wait_seconds_max))
        if self._failures and began_at < self._failed_at:
            return
        self._failures += 1
        self._failed_at = now
        wait = self._policy.refused_wait_seconds if refused else self._policy.wait_seconds
        self._opens_at = now + wait(self._failures, jitter=self._jitter())
