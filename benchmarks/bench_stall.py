"""Whether the server ever makes somebody wait: the longest stall in five minutes at half of the rate it keeps up.

``python -m benchmarks.bench_stall SECONDS`` measures another time and keeps nothing.
"""

import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Figure, table
from benchmarks.server import serving
from benchmarks.server_load import BATCHES, SUSTAINED_SECONDS, load_figures, put, stall_figures

HALF_SECONDS = 300.0


def measure(seconds: float = HALF_SECONDS) -> list[Figure]:
    """The full rate, then latencies and stalls of ``seconds`` at half of it, in batches of 1,000."""
    with tempfile.TemporaryDirectory(prefix="orbdo-bench-") as folder, serving(Path(folder)) as server:
        full = put(server, BATCHES, seconds=SUSTAINED_SECONDS, seed=0)
        half = full.outcome.events_per_second / 2
        load = put(server, BATCHES, seconds=seconds, seed=1, events_per_second=half)
    name = f"half load for {seconds:,.0f} s"
    return [
        *load_figures("full load before it", full),
        *load_figures(name, load),
        *stall_figures(name, load.outcome.stalls, seconds=seconds),
    ]


if __name__ == "__main__":
    Console(width=160).print(table(measure(*map(float, sys.argv[1:])), {}))
