"""An event log on disk beside the control plane."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage.event_log.duckdb import DuckDBEventLog
from tests.support.billing import subscription, usage_price
from tests.support.enrolment import enroll
from tests.support.metered import open_log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DuckDBEventLog]:
    """An empty event log."""
    with open_log(tmp_path) as log:
        yield log


@pytest.fixture
def ledger(transaction: Transaction) -> Transaction:
    """The transaction, in which Ada is subscribed to the trace's price from November 2023 on."""
    enroll(transaction, subscription(), usage_price())
    return transaction
