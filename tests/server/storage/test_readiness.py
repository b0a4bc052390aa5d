"""Whether the log answers."""

from pathlib import Path

from orbdo_server.storage.readiness import log_answers
from tests.support.metered import event, open_log, send


def test_a_log_answers_until_it_is_closed(tmp_path: Path) -> None:
    """Empty or not; afterwards events could not be taken."""
    with open_log(tmp_path) as log:
        assert log_answers(log)
        send(log, event("first"))
        assert log_answers(log)
        log.close()
        assert not log_answers(log)
