"""Which tests may block the event loop: those that run the packages as a user does may not, unless they say why."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.source import ROOT

# A store's or a stage's own test may call it from the loop; below these folders nothing of ours may block there.
UNBLOCKED_FOLDERS = ("tests/sdk", "tests/server/api", "tests/journeys", "tests/compat")


def is_watched(test_path: Path, exemptions: Iterable[pytest.Mark]) -> bool:
    """Whether blocking calls fail the tests of this file; a ``blocks`` mark without a reason fails them at once."""
    reasons = [" ".join(str(word) for word in mark.args) for mark in exemptions]
    if any(len(reason.split()) < 3 for reason in reasons):
        pytest.fail("the mark is given the reason, for example blocks('the spool is opened once')", pytrace=False)
    return not reasons and any(test_path.is_relative_to(ROOT / folder) for folder in UNBLOCKED_FOLDERS)
