"""Nothing leaves the house while sends are paused, and numbers go on where the operator says."""

from datetime import UTC, datetime

import pytest

from orbdo_server.engine.invoicing import create_draft
from orbdo_server.engine.issuing import issue_invoice, void_invoice
from orbdo_server.engine.sends import (
    Pause,
    SendsPausedError,
    pause_sends,
    release_sends,
    require_sends,
    sends_paused,
)
from orbdo_server.engine.transaction import Transaction
from orbdo_server.errors import ConstraintViolationError
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog

PAUSE = Pause(datetime(2026, 3, 15, 12, tzinfo=UTC), datetime(2026, 3, 15, 1, tzinfo=UTC), 7)


def issued(ledger: Transaction, log: DuckDBEventLog) -> str | None:
    """The number of the next invoice."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice.id
    number = issue_invoice(ledger, log, invoice_id=draft).invoice.number
    void_invoice(ledger, invoice_id=draft)
    return number


def test_a_server_sends_unless_it_is_told(transaction: Transaction) -> None:
    """From its first start on."""
    assert sends_paused(transaction.connection) is None
    require_sends(transaction.connection)


def test_no_invoice_is_issued_while_sends_are_paused(ledger: Transaction, log: DuckDBEventLog) -> None:
    """A draft stays one; what to do is said."""
    draft = create_draft(ledger, log, subscription_id="sub_ada").invoice.id
    pause_sends(ledger.connection, PAUSE)
    assert sends_paused(ledger.connection) == PAUSE
    with pytest.raises(SendsPausedError, match="orbdo restore --release"):
        issue_invoice(ledger, log, invoice_id=draft)
    assert release_sends(ledger, next_invoice_numbers={}) == PAUSE
    assert issue_invoice(ledger, log, invoice_id=draft).invoice.number == "INV-000001"


def test_numbers_go_on_where_it_is_said(ledger: Transaction, log: DuckDBEventLog) -> None:
    """So that none is given out twice, and those that the backup knows cannot be named."""
    assert issued(ledger, log) == "INV-000001"
    for number in (2, 12):
        pause_sends(ledger.connection, PAUSE)
        release_sends(ledger, next_invoice_numbers={ledger.tenant: number})
        assert issued(ledger, log) == f"INV-{number:06}"
    pause_sends(ledger.connection, PAUSE)
    with pytest.raises(ConstraintViolationError, match="The invoice number 12 of acme was given out already"):
        release_sends(ledger, next_invoice_numbers={ledger.tenant: 12})


def test_numbers_are_a_tenants_own(ledger: Transaction, log: DuckDBEventLog) -> None:
    """One that nobody is cannot have any."""
    pause_sends(ledger.connection, PAUSE)
    with pytest.raises(ConstraintViolationError, match="There is no tenant nobody"):
        release_sends(ledger, next_invoice_numbers={"nobody": 5})
    release_sends(ledger, next_invoice_numbers={"globex": 5})
    assert issued(ledger, log) == "INV-000001"


def test_what_is_not_paused_is_not_released(transaction: Transaction) -> None:
    """A second release would set numbers that nobody looked at."""
    with pytest.raises(ConstraintViolationError, match="not paused"):
        release_sends(transaction, next_invoice_numbers={"acme": 5})
