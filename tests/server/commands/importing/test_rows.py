"""Rows of CSV, JSON lines and Parquet files, good and bad."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow  # type: ignore[import-untyped]  # pyarrow has no types
import pyarrow.parquet  # type: ignore[import-untyped]  # pyarrow has no types
import pytest

from orbdo_server.commands.importing.rows import (
    LINE_CHARACTERS_MAX,
    Row,
    UnreadableFileError,
    format_of,
    read_rows,
)


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    """A file with this content."""
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.TSV", "csv"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.parquet", "parquet"),
    ],
)
def test_the_suffix_names_the_format(name: str, expected: str) -> None:
    """Whatever its case."""
    assert format_of(Path(name)) == expected


def test_an_unknown_suffix_is_refused() -> None:
    """The message says how to name the format."""
    with pytest.raises(UnreadableFileError, match="name it with --format csv, jsonl or parquet"):
        format_of(Path("events.xlsx"))


def test_csv_rows_carry_their_line_and_whole_numbers(tmp_path: Path) -> None:
    """Whole numbers become numbers; decimals, padded codes and words stay the text that they are; nothing is None."""
    path = write(tmp_path, "a.csv", "at,n,x,code,note\n2023-01-01,12,0.10,007,\n\n2023-01-02,-3,1e3,7,hi there\n")
    assert list(read_rows(path, "csv")) == [
        Row(2, {"at": "2023-01-01", "n": 12, "x": "0.10", "code": "007", "note": None}),
        Row(4, {"at": "2023-01-02", "n": -3, "x": "1e3", "code": 7, "note": "hi there"}),
    ]


def test_csv_with_a_byte_order_mark_and_quoted_line_breaks(tmp_path: Path) -> None:
    """The mark is not part of the first name, and a row is known by the line it begins on."""
    path = write(tmp_path, "a.csv", '\ufeffa,b\n"x\ny",1\nz,2\n')
    assert list(read_rows(path, "csv")) == [Row(2, {"a": "x\ny", "b": 1}), Row(4, {"a": "z", "b": 2})]


def test_tsv_is_separated_by_tabs(tmp_path: Path) -> None:
    """A comma in it is a comma."""
    assert list(read_rows(write(tmp_path, "a.tsv", "a\tb\n1,5\tx\n"), "csv")) == [Row(2, {"a": "1,5", "b": "x"})]


def test_bad_csv_rows_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    """Too few values, a stray quote, bytes that are not UTF-8: each says what it is, and the next row is read."""
    path = write(tmp_path, "a.csv", b'a,b\n1\n"x"y,2\n\xff,3\n4,5\n')
    found = list(read_rows(path, "csv"))
    assert [(row.line, row.problem) for row in found[:1]] == [(2, "has 1 values, the header has 2")]
    assert found[1].line == 3
    assert (found[1].problem or "").startswith("is not CSV: ")
    assert found[2] == Row(4, {}, "is not UTF-8")
    assert found[3] == Row(5, {"a": 4, "b": 5})


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "has no header line"), ("a,a\n1,2\n", "two columns of the same name"), ('"a\n', "is not CSV")],
)
def test_csv_without_a_usable_header_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """There is nothing to read then."""
    with pytest.raises(UnreadableFileError, match=message):
        list(read_rows(write(tmp_path, "a.csv", content), "csv"))


def test_whole_numbers_at_and_past_eighteen_digits(tmp_path: Path) -> None:
    """Longer ones stay text, which is exact to any length."""
    path = write(tmp_path, "a.csv", "n\n999999999999999999\n1000000000000000000\n")
    assert [row.values["n"] for row in read_rows(path, "csv")] == [999_999_999_999_999_999, "1000000000000000000"]


def test_json_lines_keep_every_digit(tmp_path: Path) -> None:
    """Numbers with a point are Decimal; blank lines do not count as rows but do as lines."""
    path = write(tmp_path, "a.jsonl", '{"a": 0.1, "b": [1]}\n\n{"a": true, "b": null}\n')
    assert list(read_rows(path, "jsonl")) == [
        Row(1, {"a": Decimal("0.1"), "b": [1]}),  # type: ignore[dict-item]  # a nested value is for the mapping to refuse
        Row(3, {"a": True, "b": None}),
    ]


def test_bad_json_lines_are_named(tmp_path: Path) -> None:
    """No object, no JSON, no end."""
    path = write(tmp_path, "a.jsonl", '[1]\n{"a": \nnonsense\n{"a": 1}\n')
    found = list(read_rows(path, "jsonl"))
    assert [row.line for row in found if row.problem] == [1, 2, 3]
    assert all((row.problem or "").startswith("is not a JSON object: ") for row in found[:3])
    assert found[3] == Row(4, {"a": 1})


def test_a_json_line_at_and_past_the_bound(tmp_path: Path) -> None:
    """The line break counts."""
    fits = b'{"a":"' + b"x" * (LINE_CHARACTERS_MAX - 9) + b'"}\n'
    assert len(fits) == LINE_CHARACTERS_MAX
    path = write(tmp_path, "a.jsonl", fits + b" " + fits)
    first, second = read_rows(path, "jsonl")
    assert first.problem is None
    assert second.problem == f"is longer than {LINE_CHARACTERS_MAX} bytes"


def test_parquet_rows_are_numbered_from_one(tmp_path: Path) -> None:
    """Instants are instants and a double is its shortest decimal text."""
    table = pyarrow.table(
        {
            "at": pyarrow.array([datetime(2023, 1, 1, tzinfo=UTC)], pyarrow.timestamp("us", "UTC")),
            "x": [0.1],
            "n": [2**60],
        }
    )
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(table, path)
    (row,) = read_rows(path, "parquet")
    assert (row.line, row.values) == (1, {"at": datetime(2023, 1, 1, tzinfo=UTC), "x": Decimal("0.1"), "n": 2**60})


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """The file as a whole cannot be read."""
    with pytest.raises(UnreadableFileError, match="is not Parquet"):
        list(read_rows(write(tmp_path, "a.parquet", "nothing of the kind"), "parquet"))
