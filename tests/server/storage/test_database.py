"""The database itself: what is durable, who waits for whom, and what refuses to start."""

import sqlite3
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from orbdo_server.errors import DamagedDatabaseError, NewerDatabaseError, UnavailableError
from orbdo_server.storage import tenants
from orbdo_server.storage.database import BUSY_TIMEOUT_MS, MIGRATIONS, Database, look_up_state, revisions
from orbdo_server.storage.tables import metadata
from tests.server.conftest import NOW, TENANT

WAIT_SECONDS = 10


def address(folder: Path) -> str:
    """A database in the folder."""
    return f"sqlite:///{folder / 'control.sqlite3'}"


def add(connection: Connection, tenant: str) -> None:
    """Write something."""
    tenants.insert(connection, tenant=tenant, name=tenant, created_at=NOW)


def names(database: Database) -> set[str]:
    """What was written."""
    with database.read() as connection:
        return set(connection.execute(text("SELECT id FROM tenants")).scalars())


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", BUSY_TIMEOUT_MS)],
)
def test_every_connection_is_durable(database: Database, pragma: str, value: object) -> None:
    """A commit is on disk when it returns (2 is FULL), references are checked, and another process is waited for."""
    with database.read() as reading, database.write() as writing:
        for connection in (reading, writing):
            assert connection.execute(text(f"PRAGMA {pragma}")).scalar_one() == value


def test_a_block_that_ends_is_kept_and_one_that_raises_is_undone(database: Database) -> None:
    """All of a transaction happens, or nothing."""
    with database.write() as connection:
        add(connection, "kept")
    with suppress(KeyError), database.write() as connection:
        add(connection, "undone")
        raise KeyError
    assert names(database) == {TENANT, "globex", "kept"}


def test_tables_are_undone_too(database: Database) -> None:
    """A change of the schema is part of its transaction, so that a migration that fails leaves nothing."""
    with suppress(KeyError), database.write() as connection:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise KeyError
    with database.read() as connection, pytest.raises(OperationalError):
        connection.execute(text("SELECT * FROM half"))


def test_a_reading_is_of_one_moment(database: Database) -> None:
    """What others commit meanwhile is seen by the next reading, not by this one."""
    count = text("SELECT count(*) FROM tenants")
    with database.read() as reading:
        assert reading.execute(count).scalar_one() == 2
        with database.write() as writing:
            add(writing, "late")
        assert reading.execute(count).scalar_one() == 2
    with database.read() as reading:
        assert reading.execute(count).scalar_one() == 3


def test_writers_go_one_after_the_other(database: Database) -> None:
    """Many threads that read and then write lose no update and none of them fails for being second."""
    with database.write() as connection:
        connection.execute(text("CREATE TABLE counter (value INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))

    def count_up() -> None:
        for _ in range(10):
            with database.write() as connection:
                value = connection.execute(text("SELECT value FROM counter")).scalar_one()
                connection.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    with database.read() as connection:
        assert connection.execute(text("SELECT value FROM counter")).scalar_one() == 80


def test_a_reader_never_waits_for_a_writer(database: Database) -> None:
    """The write-ahead log lets both work at once."""
    with database.write() as writing:
        add(writing, "unfinished")
        assert names(database) == {TENANT, "globex"}


def test_references_are_checked(database: Database) -> None:
    """A row of an unknown tenant is a mistake of ours, and fails loudly."""
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), database.write() as connection:
        connection.execute(text("INSERT INTO invoice_numbers VALUES ('nobody', 1)"))


def test_parameters_stay_out_of_messages(database: Database) -> None:
    """A failed statement is logged, the values in it are not: they are names of customers and hashes of keys."""
    with pytest.raises(IntegrityError) as caught, database.write() as connection:
        tenants.insert(connection, tenant=TENANT, name="canary-4711", created_at=NOW)
    assert "canary-4711" not in str(caught.value)


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    """Characters that mean something in addresses mean nothing in a path."""
    database = Database(address(tmp_path / "really?" / "a#b c%20"))
    database.migrate()
    database.close()
    assert (tmp_path / "really?" / "a#b c%20" / "control.sqlite3").exists()


def test_another_kind_of_address_is_a_mistake_of_ours() -> None:
    """The settings refuse it before it comes here."""
    with pytest.raises(AssertionError):
        Database("postgresql://localhost/orbdo")


def test_migrating_an_empty_database_makes_every_table(tmp_path: Path) -> None:
    """What the migrations make is what the code believes to be there, index by index."""
    database = Database(address(tmp_path))
    database.migrate()
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()
    assert differences == []


def test_migrating_twice_does_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start with nothing to migrate reads one row and does not even import the tool for it."""
    with database.write() as connection:
        add(connection, "kept")
    monkeypatch.setitem(sys.modules, "alembic", None)
    database.migrate()
    assert "kept" in names(database)


def test_two_servers_may_start_at_once(tmp_path: Path) -> None:
    """The second waits for the first and finds everything done."""
    databases = [Database(address(tmp_path)) for _ in range(4)]
    problems: list[BaseException] = []

    def start(database: Database) -> None:
        try:
            database.migrate()
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=start, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert problems == []
    assert all(database.is_ready() for database in databases)
    for database in databases:
        database.close()


def test_migrations_say_the_revision_of_their_name() -> None:
    """The newest revision is read from names, so that names must tell the truth; each follows the one before."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(MIGRATIONS))
    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == revisions()
    assert scripts.get_current_head() == revisions()[-1]
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")


def test_going_back_takes_the_tables_away_with_data_in_them(database: Database) -> None:
    """The way down works on a database in use, references and all, and up again from there."""
    with database.write() as connection:
        connection.execute(text(f"INSERT INTO invoice_numbers VALUES ('{TENANT}', 1)"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with database.read() as connection:
        tables = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())
    assert tables == {"alembic_version"}
    database.migrate()
    assert names(database) == set()


def newer_version(folder: Path, statement: str) -> Database:
    """The database in the folder, as a version sees it that has one more migration."""
    migrations = folder / "migrations"
    (migrations / "versions").mkdir(parents=True, exist_ok=True)
    for path in [MIGRATIONS / "env.py", *(MIGRATIONS / "versions").glob("0*.py")]:
        (migrations / path.relative_to(MIGRATIONS)).write_text(path.read_text())
    (migrations / "versions" / "9999_more.py").write_text(
        "from alembic import op\nrevision = '9999'\n"
        f"down_revision = '{revisions()[-1]}'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE more (id INTEGER)')\n"
        f"    op.execute({statement!r})\n"
    )
    return Database(address(folder), migrations=migrations)


def tables_of(path: Path) -> set[str]:
    """The names of the tables in a file."""
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


def test_a_migration_that_fails_leaves_the_database_as_it_was(database: Database, tmp_path: Path) -> None:
    """Half of a migration would be worse than none; the next start begins it anew."""
    newer = newer_version(tmp_path, "INSERT INTO nowhere VALUES (1)")
    with pytest.raises(OperationalError, match="nowhere"):
        newer.migrate()
    newer.close()
    with database.read() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert revision == revisions()[-1]
    assert "more" not in tables_of(tmp_path / "control.sqlite3")
    fixed = newer_version(tmp_path, "INSERT INTO more VALUES (1)")
    fixed.migrate()
    assert fixed.is_ready()
    fixed.close()


def test_a_copy_is_made_before_a_migration(database: Database, tmp_path: Path) -> None:
    """With everything that was there; a second attempt does not write over it, and a first start makes none."""
    with database.write() as connection:
        add(connection, "kept")
    copy = tmp_path / "control.sqlite3.before-9999"
    assert not copy.exists()
    for statement in ("INSERT INTO nowhere VALUES (1)", "INSERT INTO more VALUES (1)"):
        newer = newer_version(tmp_path, statement)
        with suppress(OperationalError):
            newer.migrate()
        newer.close()
    with closing(sqlite3.connect(copy)) as connection:
        assert ("kept",) in connection.execute("SELECT id FROM tenants").fetchall()
    assert "more" not in tables_of(copy)
    assert "more" in tables_of(tmp_path / "control.sqlite3")
    assert [path.name for path in tmp_path.glob("control.sqlite3.before*")] == ["control.sqlite3.before-9999"]


def test_a_database_of_a_newer_version_refuses_to_start(database: Database) -> None:
    """An older server would not know what it must not break; the message says what to do."""
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabaseError, match=r"has revision 9999.*this version knows 0001.*newer version"):
        database.migrate()
    assert not database.is_ready()


def test_a_file_that_is_no_database_refuses_to_start(tmp_path: Path) -> None:
    """It is neither overwritten nor served."""
    (tmp_path / "control.sqlite3").write_bytes(b"something else entirely" * 100)
    database = Database(address(tmp_path))
    with pytest.raises(DamagedDatabaseError, match="not a database"):
        database.migrate()
    database.close()


def test_a_damaged_database_refuses_to_start(database: Database, tmp_path: Path) -> None:
    """A page of zeros in the middle is noticed at the start, not by the customer whose row it held."""
    database.close()
    path = tmp_path / "control.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'customers'").fetchone()[0]
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * page_bytes : page * page_bytes] = bytes(page_bytes)
    path.write_bytes(content)
    damaged = Database(address(tmp_path))
    with pytest.raises(DamagedDatabaseError, match="Restore a backup"):
        damaged.migrate()
    damaged.close()


def test_a_healthy_database_is_ready(database: Database) -> None:
    """Asking changes nothing."""
    assert database.is_ready()
    assert database.is_ready()


def test_a_database_without_tables_is_not_ready(tmp_path: Path) -> None:
    """A server that has not migrated cannot serve."""
    database = Database(address(tmp_path))
    assert not database.is_ready()
    database.close()


def test_a_database_that_cannot_be_written_is_not_ready(database: Database, tmp_path: Path) -> None:
    """Another process that keeps the file locked makes writers give up, with an error that says to come again."""
    other = Database(address(tmp_path), busy_timeout_ms=20)
    with database.write() as connection:
        add(connection, "locked")
        assert not other.is_ready()
        with pytest.raises(UnavailableError, match="cannot take this now"), other.write():
            pytest.fail("two writers were let in")
    assert other.is_ready()
    other.close()


def test_a_writer_does_not_wait_for_ever(tmp_path: Path) -> None:
    """For another one of the same process neither."""
    database = Database(address(tmp_path), busy_timeout_ms=20)
    with database.write():
        with pytest.raises(UnavailableError, match="cannot take this now"), database.write():
            pytest.fail("two writers were let in")
        assert not database.is_ready()
    with database.write():
        pass
    database.close()


def test_a_mistake_of_ours_is_no_passing_trouble(database: Database) -> None:
    """A wrong statement stays what it is: coming again would not help."""
    with pytest.raises(OperationalError, match="no such table"), database.read() as connection:
        connection.execute(text("SELECT * FROM nowhere"))


def test_a_copy_is_of_one_moment(database: Database, tmp_path: Path) -> None:
    """What is not committed is not in it, what is in the write-ahead file alone is; a writer is not in its way."""
    with database.write() as connection:
        add(connection, "committed")
    with database.write() as connection:
        add(connection, "open")
        database.copy_to(tmp_path / "copy")
    copy = Database(f"sqlite:///{tmp_path / 'copy'}")
    assert names(copy) == {"acme", "globex", "committed"}
    copy.close()
    assert [path.name for path in tmp_path.glob("copy*unfinished")] == []


def test_a_value_can_be_looked_up_from_outside(database: Database, tmp_path: Path) -> None:
    """While the database is open elsewhere; there is none of a file that is not there, and none is made."""
    with database.write() as connection:
        tenants.put_state(connection, name="a", value="1")
    path = tmp_path / "control.sqlite3"
    assert [look_up_state(path, name) for name in ("a", "b")] == ["1", None]
    assert look_up_state(tmp_path / "nowhere", "a") is None
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "damaged").write_bytes(b"something else" * 100)
    with pytest.raises(DamagedDatabaseError):
        look_up_state(tmp_path / "damaged", "a")
