"""Rows of a file, whatever its format, each with the line it stands on. Nothing is decided about their meaning here."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow.parquet  # type: ignore[import-untyped]  # pyarrow has no types

FileFormat = Literal["csv", "jsonl", "parquet"]
FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
LINE_CHARACTERS_MAX = 1 << 20
PARQUET_ROWS_READ = 5_000

Value = str | int | Decimal | bool | datetime | None


class Row(msgspec.Struct, frozen=True):
    """One row: the line it begins on (for Parquet the row number, from 1), its values, or why it could not be read."""

    line: int
    values: dict[str, Value]
    problem: str | None = None


class UnreadableFileError(Exception):
    """The file as a whole cannot be read as its format; the message says what it is."""


def format_of(path: Path) -> FileFormat:
    """The format by the file's suffix.

    Raises ``UnreadableFileError`` for a suffix that names none.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        message = f"cannot tell the format of {path.name}: name it with --format csv, jsonl or parquet"
        raise UnreadableFileError(message)
    return FORMATS[suffix]


def columns_of(path: Path, file_format: FileFormat) -> list[str]:
    """The columns of the first readable row, in file order."""
    for row in read_rows(path, file_format):
        if row.problem is None:
            return list(row.values)
    return []


def read_rows(path: Path, file_format: FileFormat) -> Iterator[Row]:
    """Every row of the file, in its order; a row that cannot be read is one with a problem."""
    if file_format == "csv":
        return _csv_rows(path)
    return _json_rows(path) if file_format == "jsonl" else _parquet_rows(path)


def _csv_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        try:
            header = next(reader, None)
        except csv.Error as error:
            raise UnreadableFileError(f"{path.name} is not CSV: {error}") from error
        if not header:
            raise UnreadableFileError(f"{path.name} has no header line")
        if len(set(header)) < len(header):
            raise UnreadableFileError(f"{path.name} has two columns of the same name in its header")
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, {}, f"is not CSV: {error}")
                continue
            if cells:
                yield _csv_row(line, header, cells)


def _csv_row(line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        return Row(line, {}, f"has {len(cells)} values, the header has {len(header)}")
    if any(not cell.isascii() and "\udc80" <= max(cell) <= "\udcff" for cell in cells):
        return Row(line, {}, "is not UTF-8")
    return Row(line, {name: _number_or_text(cell) for name, cell in zip(header, cells, strict=True)})


def _number_or_text(cell: str) -> Value:
    """A whole number as a number, everything else as the text that it is: a decimal string loses no digit."""
    text = cell.strip()
    if text == "":
        return None
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18 and (digits == "0" or digits[0] != "0"):
        return int(text)
    return text


def _json_rows(path: Path) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if len(line) > LINE_CHARACTERS_MAX:
                yield Row(number, {}, f"is longer than {LINE_CHARACTERS_MAX} bytes")
            elif line.strip():
                yield _json_row(number, line, decoder)


def _json_row(number: int, line: bytes, decoder: msgspec.json.Decoder[dict[str, Any]]) -> Row:
    try:
        return Row(number, decoder.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Row(number, {}, f"is not a JSON object: {error}")


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=PARQUET_ROWS_READ):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, {name: _exact(value) for name, value in values.items()})
    except pyarrow.ArrowInvalid as error:
        raise UnreadableFileError(f"{path.name} is not Parquet: {error}") from error


def _exact(value: Any) -> Any:
    """A float by its shortest decimal text, which is what it was before it became one."""
    return Decimal(repr(value)) if isinstance(value, float) else value
