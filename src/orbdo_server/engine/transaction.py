"""One unit of work on the control plane: a connection in a transaction, for one tenant, at one instant."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

NewId = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Transaction:
    """What every stage that reads or writes the control plane is given.

    ``new_id("cus")`` gives a fresh id with that prefix; ``now`` is the one instant of the whole unit.
    """

    connection: Connection
    tenant: str
    now: datetime
    new_id: NewId
