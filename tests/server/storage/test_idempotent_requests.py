"""Answers kept for repeated requests: whose, for how long, and once."""

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import idempotent_requests
from orbdo_server.storage.idempotent_requests import KEPT, StoredAnswer
from tests.server.conftest import NOW, RIVAL, TENANT

ANSWER = StoredAnswer(fingerprint="a" * 64, status_code=200, body=b'{"id":"item_1"}')
INSTANT = timedelta(microseconds=1)


def keep(transaction: Transaction, key: str = "k", *, ago: timedelta = timedelta()) -> None:
    """An answer given some time ago."""
    idempotent_requests.insert(transaction.connection, tenant=TENANT, key=key, answer=ANSWER, now=NOW - ago)


def test_an_answer_comes_back(transaction: Transaction) -> None:
    """Byte for byte, to the key it was given to, for the tenant it was given to."""
    keep(transaction)
    find = idempotent_requests.find
    assert find(transaction.connection, tenant=TENANT, key="k", now=NOW) == ANSWER
    assert find(transaction.connection, tenant=TENANT, key="K", now=NOW) is None
    assert find(transaction.connection, tenant=RIVAL, key="k", now=NOW) is None


@pytest.mark.parametrize(("ago", "is_kept"), [(KEPT - INSTANT, True), (KEPT, False)])
def test_an_answer_is_kept_for_48_hours(transaction: Transaction, ago: timedelta, is_kept: bool) -> None:
    """To the microsecond: from then on the key is free again."""
    assert timedelta(hours=48) == KEPT
    keep(transaction, ago=ago)
    found = idempotent_requests.find(transaction.connection, tenant=TENANT, key="k", now=NOW)
    assert (found is not None) is is_kept


def test_old_answers_make_room(transaction: Transaction) -> None:
    """The table does not grow for ever: each new answer takes the old ones away."""
    keep(transaction, "old", ago=KEPT)
    keep(transaction, "young", ago=KEPT - INSTANT)
    keep(transaction, "new")
    keys = transaction.connection.execute(text("SELECT key FROM idempotent_requests ORDER BY key")).scalars().all()
    assert keys == ["new", "young"]


def test_an_expired_key_can_be_used_again(transaction: Transaction) -> None:
    """What was answered long ago is in nobody's way."""
    keep(transaction, ago=KEPT)
    keep(transaction)
    assert idempotent_requests.find(transaction.connection, tenant=TENANT, key="k", now=NOW) == ANSWER


def test_a_key_has_one_answer(transaction: Transaction) -> None:
    """A second answer to a key is a mistake of ours."""
    keep(transaction)
    with pytest.raises(IntegrityError):
        keep(transaction)
