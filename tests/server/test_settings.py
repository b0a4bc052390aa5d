"""Settings: read once, checked at the start, and shown without their secrets."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orbdo_server.errors import StartError
from orbdo_server.settings import Settings, SettingsError


def test_nothing_needs_to_be_set() -> None:
    """What a server does without any setting."""
    settings = Settings.load({})
    assert settings == Settings()
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8400, Path("orbdo-data"))
    assert settings.api_key is None
    assert settings.grace == timedelta(hours=12)
    assert settings.body_bytes_max == 1 << 20
    assert settings.document_link_seconds == 3_600


def test_variables_are_read() -> None:
    """Each by its own name; the rest of the environment is nobody's business."""
    settings = Settings.load(
        {
            "ORBDO_DATA": "/var/lib/orbdo",
            "ORBDO_PORT": "9000",
            "ORBDO_API_KEY": "secret",
            "ORBDO_GRACE_SECONDS": "60",
            "ORBDO_HTTP_PARSER": "h11",
            "ORBDO_HEADER_SECONDS": "2.5",
            "ORBDO_BASE_URL": "http://elsewhere",
            "HOME": "/",
        }
    )
    assert (settings.data, settings.port, settings.api_key) == (Path("/var/lib/orbdo"), 9000, "secret")
    assert (settings.grace, settings.http_parser, settings.header_seconds) == (timedelta(seconds=60), "h11", 2.5)


def test_the_environment_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """By this class and by nothing else."""
    monkeypatch.setenv("ORBDO_PORT", "9001")
    assert Settings.load().port == 9001
    assert Settings.load({}).port == 8400


def test_an_option_overrides_a_variable() -> None:
    """One that is not given does not."""
    settings = Settings.load({"ORBDO_PORT": "9000", "ORBDO_HOST": "0.0.0.0"}, port=9001, host=None, data=Path("x"))
    assert (settings.port, settings.host, settings.data) == (9001, "0.0.0.0", Path("x"))


def test_an_empty_variable_is_not_set() -> None:
    """As scripts leave them behind."""
    assert Settings.load({"ORBDO_API_KEY": "", "ORBDO_PORT": ""}) == Settings()


def test_an_unknown_variable_refuses_to_start() -> None:
    """A misspelt one would be ignored in silence; the message names it and those there are."""
    with pytest.raises(SettingsError, match=r"unknown setting ORBDO_PROT; known settings are ORBDO_DATA, ORBDO_HOST"):
        Settings.load({"ORBDO_PROT": "9000"})
    assert issubclass(SettingsError, StartError)


def test_an_unknown_option_is_a_mistake_of_ours() -> None:
    """Options are written in code."""
    with pytest.raises(AssertionError):
        Settings.load({}, prot=1)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ORBDO_PORT", ["0", "65535"], ["-1", "65536", "x", "1.5"]),
        ("ORBDO_API_KEY", ["!", "~" * 256], ["a b", "x" * 257, "\N{LATIN SMALL LETTER E WITH ACUTE}", "a\n"]),
        ("ORBDO_GRACE_SECONDS", ["0", str(366 * 86_400)], ["-1", str(366 * 86_400 + 1)]),
        ("ORBDO_BODY_BYTES_MAX", ["1", str(1 << 30)], ["0", str((1 << 30) + 1)]),
        ("ORBDO_INGEST_BODY_BYTES_MAX", ["1", str(1 << 30)], ["0", str((1 << 30) + 1)]),
        ("ORBDO_INGEST_EVENTS_MAX", ["1", "1000000"], ["0", "1000001"]),
        ("ORBDO_CORRECTIONS_MAX", ["0", "1000000"], ["-1", "1000001"]),
        ("ORBDO_DOCUMENT_LINK_SECONDS", ["1", str(366 * 86_400)], ["0", str(366 * 86_400 + 1)]),
    ],
)
def test_settings_have_bounds(name: str, good: list[str], bad: list[str]) -> None:
    """At each bound it starts, one past it does not, and the message names the variable."""
    for value in good:
        assert Settings.load({name: value}) != Settings()
    for value in bad:
        with pytest.raises(SettingsError, match=f"{name} cannot be read"):
            Settings.load({name: value})


def test_stores_are_in_the_data_folder(tmp_path: Path) -> None:
    """Unless they are set."""
    settings = Settings(data=tmp_path)
    assert settings.database == f"sqlite:///{tmp_path}/control.sqlite3"
    assert settings.log_path == tmp_path / "events.duckdb"
    assert settings.documents == (tmp_path / "documents").as_uri()


def test_stores_can_be_elsewhere() -> None:
    """Each by its own address."""
    settings = Settings(
        database_url="sqlite:////srv/a.sqlite3", events_url="duckdb:////srv/b.duckdb", documents_url="s3://bucket/x"
    )
    assert settings.database == "sqlite:////srv/a.sqlite3"
    assert settings.log_path == Path("/srv/b.duckdb")
    assert settings.documents == "s3://bucket/x"


@pytest.mark.parametrize(
    "url", ["postgresql://user:canary@host/db", "sqlite:", "sqlite:///", "sqlite://host/x", "control.sqlite3", "canary"]
)
def test_another_kind_of_store_is_refused(url: str) -> None:
    """The message says what an address looks like, and repeats no password."""
    with pytest.raises(SettingsError, match=r"ORBDO_DATABASE_URL must look like sqlite:///path") as caught:
        _ = Settings(database_url=url).database
    assert "canary@" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"ORBDO_EVENTS_URL must look like duckdb:///path"):
        _ = Settings(events_url=url).log_path


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("api_key", "canary", "set"),
        ("api_key", None, "not set"),
        ("events_url", "clickhouse://user:canary@host:9000/db", "clickhouse://user:***@host:9000/db"),
        ("database_url", "postgresql://user:can@ary@host/db", "postgresql://user:***@host/db"),
        ("database_url", "postgresql:///db?password=canary", "postgresql:///db?***"),
        ("documents_url", "s3://bucket/folder", "s3://bucket/folder"),
        ("documents_url", "s3://canary@bucket", "s3://canary:***@bucket"),
    ],
)
def test_secrets_are_not_shown(field: str, value: Any, shown: str) -> None:
    """Neither printed nor listed."""
    settings = Settings(**{field: value})
    assert settings.masked()[field] == shown
    assert f"{field}={shown}" in repr(settings)
    if value is not None and field == "api_key":
        assert "canary" not in repr(settings)


def test_keys_are_known_for_34_days_or_as_long_as_events_may_come() -> None:
    """A longer grace period stretches the window by itself."""
    assert Settings.load({}).dedupe_window == timedelta(days=34)
    assert Settings.load({"ORBDO_GRACE_SECONDS": str(3 * 86_400)}).dedupe_window == timedelta(days=34)
    assert Settings.load({"ORBDO_GRACE_SECONDS": str(3 * 86_400 + 1)}).dedupe_window == timedelta(days=34, seconds=1)


def test_keys_are_known_as_long_as_events_may_come() -> None:
    """The window is at least a month of 31 days and the grace period; one second less is refused with the reason."""
    least = 31 * 86_400 + 12 * 3_600
    settings = Settings.load({"ORBDO_DEDUPE_WINDOW_SECONDS": str(least)})
    assert settings.dedupe_window == timedelta(days=31, hours=12)
    with pytest.raises(SettingsError) as caught:
        Settings.load({"ORBDO_DEDUPE_WINDOW_SECONDS": str(least - 1)})
    assert str(caught.value) == (
        "ORBDO_DEDUPE_WINDOW_SECONDS must be at least 2721600: an event may come for a month and the grace period of "
        "43200 seconds, and is to be known as long"
    )
