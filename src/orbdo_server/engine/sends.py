"""Whether anything may leave the house. After a restore it may not, until an operator says so.

A backup knows nothing of what was sent after it was made: invoice numbers that were given out, and whatever else went
to somebody outside. Sending again would repeat it or collide with it.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError
from orbdo_server.storage import invoices, tenants

PAUSED = "sends_paused"
# What a column takes, with room to go on.
INVOICE_NUMBER_MAX = 999_999_999


class SendsPausedError(ConstraintViolationError):
    """Something would leave the house while sends are paused."""

    def __init__(self) -> None:
        super().__init__(
            "Sends are paused since this server was restored from a backup: what it sent after the backup was made, it "
            "does not know. Release them with 'orbdo restore --release' or POST /v1/backup/release."
        )


class Pause(msgspec.Struct, frozen=True):
    """Since when nothing is sent, and which backup the server was restored from."""

    since: datetime
    backup_created_at: datetime
    position: int


def sends_paused(connection: Connection) -> Pause | None:
    """The pause, None when things may be sent."""
    value = tenants.read_state(connection, name=PAUSED)
    return None if value is None else msgspec.json.decode(value, type=Pause)


def require_sends(connection: Connection) -> None:
    """Raise ``SendsPausedError`` while nothing may be sent."""
    if sends_paused(connection) is not None:
        raise SendsPausedError


def pause_sends(connection: Connection, pause: Pause) -> None:
    """Send nothing from now on."""
    tenants.put_state(connection, name=PAUSED, value=msgspec.json.encode(pause).decode())


def release_sends(transaction: Transaction, *, next_invoice_numbers: Mapping[str, int]) -> Pause:
    """Send again; the pause that ends. ``next_invoice_numbers`` says by tenant where numbers go on.

    ``ConstraintViolationError`` when nothing is paused, for a tenant that does not exist, and for a number that the
    backup knows to be given out.
    """
    pause = sends_paused(transaction.connection)
    if pause is None:
        message = "Sends are not paused."
        raise ConstraintViolationError(message)
    for tenant, number in next_invoice_numbers.items():
        _go_on_at(transaction.connection, tenant, number)
    tenants.delete_state(transaction.connection, name=PAUSED)
    return pause


def _go_on_at(connection: Connection, tenant: str, number: int) -> None:
    if not tenants.exists(connection, tenant=tenant):
        message = f"There is no tenant {tenant}."
        raise ConstraintViolationError(message)
    if not invoices.skip_numbers(connection, tenant=tenant, last_number=number - 1):
        message = f"The invoice number {number} of {tenant} was given out already; name a later one."
        raise ConstraintViolationError(message)
