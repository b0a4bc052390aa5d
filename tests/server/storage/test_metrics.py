"""Metric definitions on disk."""

import msgspec
import pytest

from orbdo_server.core.plans import MetricDefinition
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import items, metrics
from tests.server.conftest import NOW, RIVAL, TENANT
from tests.support.billing import ITEM, METRIC

ARCHIVED = msgspec.structs.replace(METRIC, id="met_old", archived_at=NOW)


@pytest.fixture(autouse=True)
def _kept(transaction: Transaction) -> None:
    """One metric that is active and one that is archived."""
    items.insert(transaction.connection, ITEM)
    metrics.insert(transaction.connection, METRIC)
    metrics.insert(transaction.connection, ARCHIVED)


def test_a_metric_comes_back_as_it_was_kept(transaction: Transaction) -> None:
    """Only for its own tenant, one by one or many at once."""
    assert metrics.get(transaction.connection, tenant=TENANT, metric_id=METRIC.id) == METRIC
    assert metrics.get(transaction.connection, tenant=RIVAL, metric_id=METRIC.id) is None
    wanted = {METRIC.id, "met_old", "met_unknown"}
    known = {METRIC.id: METRIC, "met_old": ARCHIVED}
    assert metrics.get_many(transaction.connection, tenant=TENANT, metric_ids=wanted) == known
    assert metrics.get_many(transaction.connection, tenant=RIVAL, metric_ids=wanted) == {}


@pytest.mark.parametrize(("archived", "listed"), [(None, [METRIC, ARCHIVED]), (False, [METRIC]), (True, [ARCHIVED])])
def test_metrics_are_listed_by_whether_they_are_archived(
    transaction: Transaction, archived: bool | None, listed: list[MetricDefinition]
) -> None:
    """All of them unless it is asked for."""
    found, more = metrics.page(transaction.connection, tenant=TENANT, after=None, limit=5, archived=archived)
    assert (found, more) == (listed, False)
    assert metrics.page(transaction.connection, tenant=RIVAL, after=None, limit=5, archived=archived) == ([], False)


def test_the_question_of_a_metric_never_changes(transaction: Transaction) -> None:
    """Name, description, metadata and archiving are kept; other SQL is not, for invoices rest on it."""
    changed = msgspec.structs.replace(METRIC, name="Words", description="All", metadata={"a": "b"}, archived_at=NOW)
    metrics.update(transaction.connection, msgspec.structs.replace(changed, sql="SELECT count(*) FROM events"))
    assert metrics.get(transaction.connection, tenant=TENANT, metric_id=METRIC.id) == changed


def test_another_tenants_change_reaches_nothing(transaction: Transaction) -> None:
    """A metric is changed with its tenant."""
    metrics.update(transaction.connection, msgspec.structs.replace(METRIC, tenant=RIVAL, name="Theirs"))
    assert metrics.get(transaction.connection, tenant=TENANT, metric_id=METRIC.id) == METRIC
