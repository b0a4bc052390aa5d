"""``orbdo verify``: what was sealed is computed again; whatever was changed since is named."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orbdo_sdk import SyncOrb
from orbdo_server.commands.verify import verify

NOVEMBER = datetime(2023, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2023, 12, 1, tzinfo=UTC)


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[Path, str]:
    """A data folder with one issued invoice of 3 tokens at 10 cents, and the invoice's id."""
    data = tmp_path / "data"
    with SyncOrb.embedded(data) as orb:
        metric = orb.metrics.create(name="Tokens", sql="SELECT sum(tokens) FROM events")
        price = orb.prices.create(
            product_id=metric.item.id, type="metered", billing_scheme="per_unit", unit_amount=10, meter_id=metric.id
        )
        plan = orb.plans.create(name="Plan", currency="USD", prices=[price.id])
        orb.customers.create(customer_id="acme", name="Acme", email="a@b.example")
        subscription = orb.subscriptions.create(customer_id="acme", plan_id=plan.id, start_date=NOVEMBER)
        backfill = orb.events.backfills.create(timeframe_start=NOVEMBER, timeframe_end=DECEMBER)
        event = {
            "event_type": "call",
            "customer_id": "acme",
            "idempotency_key": "k",
            "timestamp": NOVEMBER,
            "properties": {"tokens": 3},
        }
        orb.events.backfills.ingest(backfill.id, [event])  # type: ignore[list-item]  # a dict as a user writes it
        orb.events.backfills.close(backfill.id)
        invoice = orb.invoices.finalize(orb.invoices.create(subscription_id=subscription.id).id)
        assert str(invoice.total) == "0.30"
    return data, invoice.id


def change(data: Path, statement: str) -> None:
    """Do what nobody should: write into the control plane by hand."""
    connection = sqlite3.connect(data / "control.sqlite3")
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def test_untouched_invoices_are_as_they_were(sealed: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, or one by its id."""
    data, invoice_id = sealed
    verify(data=data)
    verify(invoice_id, data=data)
    assert capsys.readouterr().out == "1 of 1 sealed invoices are as they were.\n" * 2


def test_an_unknown_invoice_is_said_to_be_unknown(sealed: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    """With exit status 1."""
    with pytest.raises(SystemExit) as ended:
        verify("inv_unknown", data=sealed[0])
    assert ended.value.code == 1
    assert "there is no issued invoice inv_unknown" in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoices SET total = '0.20'",
        "UPDATE invoices SET seal_hash = replace(seal_hash, substr(seal_hash, 1, 1), 'x')",
        "UPDATE invoices SET sealed = CAST(replace(CAST(sealed AS TEXT), 'Acme', 'Evil') AS BLOB)",
        """UPDATE prices SET config = replace(config, '0.1', '0.2')""",
        "UPDATE metrics SET sql = 'SELECT count(*) FROM events'",
    ],
)
def test_a_changed_invoice_price_or_metric_is_named(
    sealed: tuple[Path, str], capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    """Exit status 1, and the number of the invoice with what differs."""
    change(sealed[0], statement)
    with pytest.raises(SystemExit) as ended:
        verify(data=sealed[0])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "0 of 1 sealed invoices are as they were." in said.out
    assert f"INV-000001 ({sealed[1]}): " in said.err


def test_a_changed_audit_trail_is_named(sealed: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The first entry whose predecessor is missing."""
    change(sealed[0], "DELETE FROM audit_entries WHERE sequence = 3")
    with pytest.raises(SystemExit) as ended:
        verify(data=sealed[0])
    assert ended.value.code == 1
    assert "The audit trail is broken: entry 4, POST /customers at " in capsys.readouterr().err


def test_a_setting_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log of a kind we do not have."""
    monkeypatch.setenv("ORBDO_EVENTS_URL", "kafka://somewhere")
    with pytest.raises(SystemExit):
        verify(data=tmp_path)
    assert "ORBDO_EVENTS_URL" in capsys.readouterr().err
