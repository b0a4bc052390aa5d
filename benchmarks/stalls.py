"""When nobody is answered: the acknowledgements that took long, and the stretches of time that had none."""

from collections.abc import Sequence

import msgspec
import numpy as np

STALL_SECONDS = 0.2


class Stalls(msgspec.Struct, frozen=True, kw_only=True):
    """How long a server let wait, and how often for more than ``STALL_SECONDS``.

    A silence is the time between two acknowledgements, whoever they went to; so is the time before the first and after
    the last. One stall delays every request that is under way: ``late_acknowledgements`` counts each of them,
    ``long_silences`` counts it once.
    """

    longest_acknowledgement_ms: float
    late_acknowledgements: int
    longest_silence_ms: float
    long_silences: int


def stalls(answered: Sequence[tuple[float, float]], *, start: float, end: float) -> Stalls:
    """The stalls from ``start`` until before ``end``, from instant and latency of each acknowledgement, in seconds.

    They may come in any order. Of none at all, the whole time is one silence.
    """
    within = sorted((at, seconds) for at, seconds in answered if start <= at < end)
    latencies = np.array([seconds for _, seconds in within])
    silences = np.diff([start, *(at for at, _ in within), end])
    return Stalls(
        longest_acknowledgement_ms=float(latencies.max(initial=0.0)) * 1e3,
        late_acknowledgements=int((latencies > STALL_SECONDS).sum()),
        longest_silence_ms=float(silences.max()) * 1e3,
        long_silences=int((silences > STALL_SECONDS).sum()),
    )
