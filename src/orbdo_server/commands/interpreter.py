"""How the interpreter runs while it serves, which is not how it runs a script."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Requests make hardly any cycles, but much that a collection has to look at. With the default of 700 it looks a hundred
# times a second, and every so often at everything that is loaded, which stops all requests for tens of milliseconds.
COLLECTION_THRESHOLDS = (50_000, 20, 50)
# How long a thread may keep the others from running. The event loop needs a turn for each group that was written, and
# would wait the default of 5 ms for it whenever another thread reads a batch or applies one.
SWITCH_SECONDS = 0.0005


@contextmanager
def serving() -> Iterator[None]:
    """The interpreter set for a server; afterwards it is as it was before."""
    thresholds, switch_seconds = gc.get_threshold(), sys.getswitchinterval()
    # What is loaded by now stays to the end, so that no collection needs to look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(switch_seconds)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
