"""The three places where a running server keeps things."""

from dataclasses import dataclass, field

from orbdo_server.settings import Settings
from orbdo_server.storage.database import Database
from orbdo_server.storage.documents import Documents
from orbdo_server.storage.event_log import EventLog
from orbdo_server.storage.readiness import log_answers


@dataclass(frozen=True, slots=True)
class Stores:
    """Handed to the API, which passes on to a stage exactly the store that it uses."""

    settings: Settings
    database: Database
    log: EventLog
    documents: Documents
    signing_secret: bytes = field(repr=False)

    def are_ready(self) -> bool:
        """Whether the log answers and the control plane can be written and has the tables of this version."""
        return log_answers(self.log) and self.database.is_ready()

    def close(self) -> None:
        """Let go of all files; closing twice is closing once."""
        self.log.close()
        self.database.close()
