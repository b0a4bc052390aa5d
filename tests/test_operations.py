"""The table of limits in docs/operations.md: settings that exist, with the defaults that they have."""

import re

from orbdo_server.settings import PREFIX, Settings
from tests.support.source import ROOT

ROW = re.compile(rf"^\| `{PREFIX}(\w+)` \| ([\d.]+) \|", re.MULTILINE)
# Which bounds of a request there are is what the reader looks for.
BOUNDS = {name for name in Settings.__struct_fields__ if name.endswith(("_max", "_seconds"))}
# Those of billing, not of a connection or a request.
OTHERS = {"grace_seconds", "document_link_seconds", "dedupe_window_seconds", "corrections_max"}


def test_the_limits_are_those_of_the_settings() -> None:
    """Every bound of a request, a connection or the end of the server is listed with its default."""
    listed = dict(ROW.findall((ROOT / "docs/operations.md").read_text(encoding="utf-8")))
    defaults = {name.upper(): str(getattr(Settings(), name)) for name in BOUNDS - OTHERS}
    assert listed == defaults
