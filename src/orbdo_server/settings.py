"""What can be configured, read once from the environment and the command line and from nowhere else."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from orbdo_server.core.api_keys import KEY_CHARACTERS_MAX
from orbdo_server.errors import StartError

PREFIX = "ORBDO_"
DATA_FOLDER_DEFAULT = "./orbdo-data"
HOST_DEFAULT = "127.0.0.1"
PORT_DEFAULT = 8400
GRACE_DEFAULT = timedelta(hours=12)
# A key is known at least as long as its event may come again: a month that is open, and the grace period after it.
DEDUPE_WINDOW_DEFAULT = timedelta(days=34)
LONGEST_MONTH = timedelta(days=31)
BODY_BYTES_MAX_DEFAULT = 1 << 20
INGEST_BODY_BYTES_MAX_DEFAULT = 32 << 20
INGEST_EVENTS_MAX_DEFAULT = 20_000
# A compressed body, before it is inflated; what it holds is bound by the body's own bound.
INGEST_COMPRESSED_BYTES_MAX_DEFAULT = 8 << 20
# All bodies of events that are being read at one time.
INGEST_BODIES_BYTES_MAX_DEFAULT = 256 << 20
HEADER_BYTES_MAX_DEFAULT = 64 << 10
# With the files of the stores this stays below the 1,024 files that many systems let a process open.
CONNECTIONS_MAX_DEFAULT = 800
HEADER_SECONDS_DEFAULT = 10.0
BODY_SECONDS_DEFAULT = 10.0
KEEP_ALIVE_SECONDS_DEFAULT = 30.0
SHUTDOWN_SECONDS_DEFAULT = 15
DOCUMENT_LINK_SECONDS_DEFAULT = 3_600
# Orb's: amendments and deprecations of one customer's events in 100 days.
CORRECTIONS_MAX_DEFAULT = 100
# It stands on every invoice until it is set, and says how.
SELLER_NAME_DEFAULT = "Your company (ORBDO_SELLER_NAME)"
# Names that other parts of the product read from the same environment.
FOREIGN_NAMES = frozenset({"ORBDO_BASE_URL", "ORBDO_CRASH_ROUNDS"})


KEY_PATTERN = rf"^[!-~]{{1,{KEY_CHARACTERS_MAX}}}\Z"
PORT_MAX = 65_535
BYTES_MAX = 1 << 30
EVENTS_MAX = 1_000_000
YEAR_SECONDS = 366 * 24 * 3_600
HEADER_BYTES_LEAST = 1 << 10
CONNECTIONS_MOST = 100_000
DEADLINE_SECONDS_LEAST = 0.05
DEADLINE_SECONDS_MOST = 3_600

Port = Annotated[int, Meta(ge=0, le=PORT_MAX)]
Bytes = Annotated[int, Meta(ge=1, le=BYTES_MAX)]
Seconds = Annotated[int, Meta(ge=0, le=YEAR_SECONDS)]
# How long somebody is waited for, which may be a part of a second.
DeadlineSeconds = Annotated[float, Meta(ge=DEADLINE_SECONDS_LEAST, le=DEADLINE_SECONDS_MOST)]


class SettingsError(StartError):
    """A setting is unknown or cannot be read; the message names it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One frozen value for the whole server. Secrets are not shown by ``repr``."""

    data: Path = Path(DATA_FOLDER_DEFAULT)
    host: str = HOST_DEFAULT
    port: Port = PORT_DEFAULT
    api_key: Annotated[str, Meta(pattern=KEY_PATTERN)] | None = None
    events_url: str | None = None
    database_url: str | None = None
    documents_url: str | None = None
    public_url: str | None = None
    grace_seconds: Seconds = int(GRACE_DEFAULT.total_seconds())
    dedupe_window_seconds: Seconds | None = None
    body_bytes_max: Bytes = BODY_BYTES_MAX_DEFAULT
    ingest_body_bytes_max: Bytes = INGEST_BODY_BYTES_MAX_DEFAULT
    ingest_compressed_bytes_max: Bytes = INGEST_COMPRESSED_BYTES_MAX_DEFAULT
    ingest_bodies_bytes_max: Bytes = INGEST_BODIES_BYTES_MAX_DEFAULT
    ingest_events_max: Annotated[int, Meta(ge=1, le=EVENTS_MAX)] = INGEST_EVENTS_MAX_DEFAULT
    http_parser: Literal["httptools", "h11"] = "httptools"
    header_bytes_max: Annotated[int, Meta(ge=HEADER_BYTES_LEAST, le=BYTES_MAX)] = HEADER_BYTES_MAX_DEFAULT
    connections_max: Annotated[int, Meta(ge=1, le=CONNECTIONS_MOST)] = CONNECTIONS_MAX_DEFAULT
    header_seconds: DeadlineSeconds = HEADER_SECONDS_DEFAULT
    body_seconds: DeadlineSeconds = BODY_SECONDS_DEFAULT
    keep_alive_seconds: DeadlineSeconds = KEEP_ALIVE_SECONDS_DEFAULT
    shutdown_notice_seconds: Annotated[float, Meta(ge=0, le=DEADLINE_SECONDS_MOST)] = 0.0
    shutdown_seconds: Annotated[int, Meta(ge=1, le=DEADLINE_SECONDS_MOST)] = SHUTDOWN_SECONDS_DEFAULT
    seller_name: str = SELLER_NAME_DEFAULT
    corrections_max: Annotated[int, Meta(ge=0, le=EVENTS_MAX)] = CORRECTIONS_MAX_DEFAULT
    document_link_seconds: Annotated[int, Meta(ge=1, le=YEAR_SECONDS)] = DOCUMENT_LINK_SECONDS_DEFAULT

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None, **overrides: object) -> Self:
        """The settings from ``ORBDO_*`` variables, each overridden by a keyword that is not None; empty is not set.

        Raises ``SettingsError`` for a variable that begins with ``ORBDO_`` and is not known, or does not parse.
        """
        assert overrides.keys() <= set(cls.__struct_fields__), "an override names a setting"
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in (os.environ if environment is None else environment).items()
            if name.startswith(PREFIX) and name not in FOREIGN_NAMES and value
        }
        unknown = sorted(given.keys() - set(cls.__struct_fields__))
        if unknown:
            known = ", ".join(PREFIX + field.upper() for field in cls.__struct_fields__)
            message = f"unknown setting {PREFIX}{unknown[0].upper()}; known settings are {known}"
            raise SettingsError(message)
        chosen = {name: value for name, value in overrides.items() if value is not None}
        try:
            settings = msgspec.convert({**given, **chosen}, type=cls, strict=False, dec_hook=_decode_path)
        except msgspec.ValidationError as error:
            problem, _, field = str(error).partition(" - at `$.")
            message = f"{PREFIX}{field.rstrip('`').upper()} cannot be read: {problem}"
            raise SettingsError(message) from error
        settings._require_window()
        return settings

    def _require_window(self) -> None:
        least = int(self._dedupe_window_least.total_seconds())
        if self.dedupe_window_seconds is not None and self.dedupe_window_seconds < least:
            message = (
                f"ORBDO_DEDUPE_WINDOW_SECONDS must be at least {least}: an event may come for a month and the grace "
                f"period of {self.grace_seconds} seconds, and is to be known as long"
            )
            raise SettingsError(message)

    @property
    def dedupe_window(self) -> timedelta:
        """How long after an event happened and came in its key is known, so that it is not counted again.

        Unless it is set, 34 days, or longer where the grace period needs it.
        """
        if self.dedupe_window_seconds is None:
            return max(DEDUPE_WINDOW_DEFAULT, self._dedupe_window_least)
        return timedelta(seconds=self.dedupe_window_seconds)

    @property
    def _dedupe_window_least(self) -> timedelta:
        return LONGEST_MONTH + self.grace

    @property
    def grace(self) -> timedelta:
        """How long after an instant events for it are still taken without a backfill."""
        return timedelta(seconds=self.grace_seconds)

    @property
    def database(self) -> str:
        """The address of the control plane, in the data folder unless one is given.

        Raises ``SettingsError`` for an address of another kind of database.
        """
        if self.database_url is None:
            return f"sqlite:///{self.data / 'control.sqlite3'}"
        return f"sqlite:///{_path_of(self.database_url, name='ORBDO_DATABASE_URL', scheme='sqlite')}"

    @property
    def documents(self) -> str:
        """The address of the document store, in the data folder unless one is given."""
        return self.documents_url or (self.data / "documents").resolve().as_uri()

    @property
    def log_path(self) -> Path:
        """The file of the embedded event log.

        Raises ``SettingsError`` for an address of another kind of log.
        """
        if self.events_url is None:
            return self.data / "events.duckdb"
        return Path(_path_of(self.events_url, name="ORBDO_EVENTS_URL", scheme="duckdb"))

    def masked(self) -> dict[str, str]:
        """All settings as text for people to read, with secrets and passwords hidden."""
        shown = {field: str(getattr(self, field)) for field in self.__struct_fields__}
        shown["api_key"] = "set" if self.api_key else "not set"
        for field in ("events_url", "database_url", "documents_url"):
            shown[field] = _without_secrets(shown[field])
        return shown

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value}' for name, value in self.masked().items())})"


def _decode_path(kind: type, value: object) -> Path:
    assert kind is Path, "paths are the one kind of setting that msgspec does not know"
    return Path(str(value))


def _path_of(url: str, *, name: str, scheme: str) -> str:
    found, separator, path = url.partition(":///")
    if found != scheme or not path:
        # What follows the scheme may hold a password.
        message = f"{name} must look like {scheme}:///path, not {found.partition(':')[0]}{separator or ':'}..."
        raise SettingsError(message)
    return path


def _without_secrets(url: str) -> str:
    """The address without the password before its host and without its query, where some keep one."""
    address, has_query, _ = url.partition("?")
    scheme, separator, rest = address.partition("://")
    credentials, at, host = rest.rpartition("@")
    if at:
        address = f"{scheme}{separator}{credentials.partition(':')[0]}:***@{host}"
    return f"{address}?***" if has_query else address
