"""Features on disk."""

import msgspec
import pytest
from sqlalchemy.exc import IntegrityError

from orbdo_server.core.plans import Feature, FeatureType
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import features
from tests.server.conftest import NOW, RIVAL, TENANT

FEATURE = Feature(
    id="feat_1", tenant=TENANT, key="sso", name="Single sign-on", type=FeatureType.BOOLEAN, created_at=NOW
)


@pytest.mark.parametrize("kind", list(FeatureType))
def test_a_feature_is_found_by_id_and_by_key(transaction: Transaction, kind: FeatureType) -> None:
    """As it was kept, and only for its own tenant."""
    feature = msgspec.structs.replace(FEATURE, type=kind, metadata={"a": "b"})
    features.insert(transaction.connection, feature)
    for name in ("feat_1", "sso"):
        assert features.find(transaction.connection, tenant=TENANT, id_or_key=name) == feature
        assert features.find(transaction.connection, tenant=RIVAL, id_or_key=name) is None
    assert features.find(transaction.connection, tenant=TENANT, id_or_key="SSO") is None


def test_a_key_is_unique_to_the_tenant(transaction: Transaction) -> None:
    """Two tenants may call a feature the same, one tenant may not call two so."""
    features.insert(transaction.connection, FEATURE)
    features.insert(transaction.connection, msgspec.structs.replace(FEATURE, id="feat_2", tenant=RIVAL))
    with pytest.raises(IntegrityError):
        features.insert(transaction.connection, msgspec.structs.replace(FEATURE, id="feat_3"))


def test_features_are_listed_for_their_tenant(transaction: Transaction) -> None:
    """Another tenant's list is empty."""
    features.insert(transaction.connection, FEATURE)
    assert features.page(transaction.connection, tenant=TENANT, after=None, limit=5) == ([FEATURE], False)
    assert features.page(transaction.connection, tenant=RIVAL, after=None, limit=5) == ([], False)
