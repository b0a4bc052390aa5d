"""Whether the stores answer. Asking leaves nothing behind."""

from orbdo_server.errors import ServerError
from orbdo_server.storage.event_log import EventLog, Scope


def log_answers(log: EventLog) -> bool:
    """Whether the log can be read: it is asked for the events before the first one, of which there are none."""
    try:
        log.read("SELECT count(*) FROM events", scope=Scope(tenant="", as_of=0))
    except ServerError:
        return False
    return True
