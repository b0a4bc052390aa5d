"""How the interpreter is set while it serves."""

import gc
import sys

from orbdo_server.commands.interpreter import serving


def test_a_server_is_not_stopped_by_what_was_loaded_before_it() -> None:
    """While it serves, collections are rare and look at nothing old, and threads take turns of half a millisecond."""
    before = (gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count())
    with serving():
        assert gc.get_threshold() == (50_000, 20, 50)
        assert round(sys.getswitchinterval() * 1e6) == 500
        assert gc.get_freeze_count() > before[2]
        assert gc.isenabled()
    assert (gc.get_threshold(), sys.getswitchinterval(), gc.get_freeze_count()) == before
