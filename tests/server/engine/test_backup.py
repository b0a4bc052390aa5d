"""A backup is of one position, whatever goes on meanwhile, and what is made of it goes on from there."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orbdo_server.app import OrbdoApp, create_app, open_stores
from orbdo_server.engine import backup as backup_module
from orbdo_server.engine.backup import UNFINISHED, backing_up
from orbdo_server.engine.keys import ACCOUNT
from orbdo_server.engine.stores import Stores
from orbdo_server.engine.transaction import Transaction
from orbdo_server.engine.verification import sealed_invoice_ids, verify_invoice
from orbdo_server.identifiers import new_id, utc_now
from orbdo_server.settings import Settings
from orbdo_server.storage.backup_files import BackupError, Counts
from orbdo_server.storage.event_log import Append, EventLog, Rows, Scope
from tests.support.backups import MADE, made, opened, restored
from tests.support.knocking import ADMIN_KEY, knock
from tests.support.logged_events import event, keys, send
from tests.support.shop import open_shop, usage_event
from tests.support.told_log import ToldLog

ROUNDS = 3
SENDERS = 3
BATCH_EVENTS = 50
TOTALS = """
    SELECT external_customer_id, count(*), sum(properties.units::BIGINT), min(seq), max(seq) FROM events
    GROUP BY external_customer_id ORDER BY external_customer_id
"""


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    """Those of a new data folder."""
    with closing(open_stores(Settings(data=tmp_path / "data"))) as stores:
        yield stores


@pytest.fixture
def app(tmp_path: Path) -> Iterator[OrbdoApp]:
    """A server in which Ada has an issued invoice for November 2023."""
    app = create_app(Settings(data=tmp_path / "data", api_key=ADMIN_KEY))

    async def bill() -> None:
        async with knock(app) as client:
            shop = await open_shop(client)
            await shop.use(usage_event("a", 100), usage_event("b", "0.5"))
            await shop.issue()

    asyncio.run(bill())
    yield app
    app.close()


def totals(log: EventLog, as_of: int) -> Rows:
    """Events and units by customer at a position."""
    return log.read(TOTALS, scope=Scope(tenant=ACCOUNT, as_of=as_of))


def sender(app: OrbdoApp, name: str, answered: list[str], stop: threading.Event) -> threading.Thread:
    """A client that sends batches until it is told to stop, and notes which keys were acknowledged."""

    async def run() -> None:
        number = 0
        while not stop.is_set():
            events = [event(f"{name}-{number}-{one}", one, customer=name) for one in range(BATCH_EVENTS)]
            done = await app.ingest.submit(ACCOUNT, events, received_at=utc_now())
            answered.extend(done.ingested)
            number += 1

    return threading.Thread(target=lambda: asyncio.run(run()))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_backup_under_load_is_the_server_at_its_position(app: OrbdoApp, tmp_path: Path, number: int) -> None:
    """Made at a random moment: totals are those of the live server as of it, invoices verify, nothing is twice.

    What was acknowledged after it, is sent again and counts once; what was before is known.
    """
    stop, answered = threading.Event(), [list[str]() for _ in range(SENDERS)]
    senders = [sender(app, f"s{place}", noted, stop) for place, noted in enumerate(answered)]
    for thread in senders:
        thread.start()
    stop.wait(random.Random(number).uniform(0.05, 0.6))
    content = made(app.stores, now=utc_now())
    stop.set()
    for thread in senders:
        thread.join()
    position = opened(content).manifest.position
    live = totals(app.stores.log, position)
    restored(content, tmp_path / "new")
    with closing(open_stores(Settings(data=tmp_path / "new"))) as again:
        assert again.log.position() == position
        assert totals(again.log, position) == live
        assert invoices_verified(again) == [None]
        acknowledged = {key for noted in answered for key in noted}
        known = set(keys(again.log, tenant=ACCOUNT))
        replay(again.log, answered)
        there = keys(again.log, tenant=ACCOUNT)
        assert set(there) == known | acknowledged
        assert len(there) == len(set(there))


def replay(log: EventLog, answered: list[list[str]]) -> None:
    """Send again all that was ever acknowledged, as clients that keep their events do."""
    for place, noted in enumerate(answered):
        events = [event(key, int(key.rpartition("-")[2]), customer=f"s{place}") for key in noted]
        (answer,) = log.append([Append(tenant=ACCOUNT, events=events, received_at=utc_now())])
        assert answer.conflicts == []


def invoices_verified(stores: Stores) -> list[str | None]:
    """The problem of every sealed invoice, None for one that is as it was."""
    with stores.database.read() as connection:
        transaction = Transaction(connection=connection, tenant=ACCOUNT, now=utc_now(), new_id=new_id)
        return [
            verify_invoice(transaction, stores.log, invoice_id=known).problem
            for known in sealed_invoice_ids(transaction)
        ]


def test_what_comes_after_the_backup_began_is_not_in_it(stores: Stores) -> None:
    """Not even what comes before its first byte; the manifest says what is."""
    send(stores.log, event("a"), event("b"), tenant=ACCOUNT)
    with backing_up(stores, now=MADE) as backup:
        send(stores.log, event("c"), event("a"), tenant=ACCOUNT)
        content = b"".join(backup.chunks())
    manifest = opened(content).manifest
    assert (manifest.position, manifest.counts) == (2, Counts(events=2, actions=0, repeats=0))
    assert (manifest.created_at, manifest.records) == (MADE, 1)
    assert [member.name for member in manifest.members] == ["control.sqlite3", "events-000000.parquet"]


def test_nothing_is_left_beside_the_stores(stores: Stores) -> None:
    """Neither of a backup that was made nor of one that was given up, nor of one that a crash cut off."""
    folder = stores.settings.data / UNFINISHED
    folder.mkdir()
    (folder / "leftover").write_bytes(b"x")
    send(stores.log, event("a"), tenant=ACCOUNT)
    made(stores)
    assert not folder.exists()
    with backing_up(stores, now=MADE) as backup:
        next(iter(backup.chunks()))
        assert sorted(path.name for path in folder.iterdir()) == ["control.sqlite3"]
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_a_log_elsewhere_is_not_backed_up(stores: Stores) -> None:
    """It has means of its own."""
    told = Stores(
        settings=stores.settings,
        database=stores.database,
        log=ToldLog(),
        documents=stores.documents,
        signing_secret=stores.signing_secret,
    )
    with pytest.raises(BackupError, match="back it up by its own means"), backing_up(told, now=MADE):
        pass


def test_a_count_that_differs_ends_the_backup(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its manifest, so that nobody takes it for whole."""
    send(stores.log, event("a"), tenant=ACCOUNT)
    monkeypatch.setattr(backup_module, "count_rows", lambda *_, **__: {"events": 2, "actions": 0, "repeats": 0})
    with pytest.raises(BackupError, match="make it again"):
        made(stores)


@pytest.mark.parametrize("count", [0, 1])
def test_sizes_are_told(stores: Stores, count: int) -> None:
    """Those of the members, with how many rows each has."""
    send(stores.log, *[event(f"k{number}") for number in range(count)], tenant=ACCOUNT)
    members = opened(made(stores)).manifest.members
    assert [member.rows for member in members] == [0, *[1] * count]
    assert all(member.size > 0 for member in members)
