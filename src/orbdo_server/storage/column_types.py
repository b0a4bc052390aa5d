"""Column types that lose nothing: instants as UTC, decimals and JSON as text, the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Dialect, String, Text
from sqlalchemy.types import TypeDecorator

INSTANT_LENGTH = len("2026-01-31T00:00:00.000000Z")
DECIMAL_LENGTH_MAX = 96


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime to the microsecond, as sortable ISO 8601 text; a naive one is a programmer's mistake."""

    impl = String(INSTANT_LENGTH)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - signature of the base class
        if value is None:
            return None
        assert value.tzinfo is not None, "an instant must be aware"
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - signature of the base class
        return None if value is None else datetime.fromisoformat(value)


class ExactDecimal(TypeDecorator[Decimal]):
    """A Decimal kept as text, so that neither database rounds it."""

    impl = String(DECIMAL_LENGTH_MAX)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - signature of the base class
        if value is None:
            return None
        assert isinstance(value, Decimal), "money and quantities are Decimal"
        text = format(value, "f")
        assert len(text) <= DECIMAL_LENGTH_MAX, "a decimal is bounded where it comes in"
        return text

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - signature of the base class
        return None if value is None else Decimal(value)


class JsonText(TypeDecorator[Any]):
    """A JSON value kept as canonical text (sorted keys)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - signature of the base class
        return None if value is None else msgspec.json.encode(value, order="sorted").decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - signature of the base class
        return None if value is None else msgspec.json.decode(value)
