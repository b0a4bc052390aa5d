"""Reading JSON: exact numbers, and a refusal that says where for everything that is too much or no JSON."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.api.json_body import (
    DEPTH_MAX,
    EXPONENT_MAX,
    NUMBER_CHARACTERS_MAX,
    STRING_CHARACTERS_MAX,
    VALUES_MAX,
    parse_json,
)
from orbdo_server.errors import InvalidRequestError


def refusal(body: bytes | str) -> tuple[str, str]:
    """The field and the message of the one problem."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(body.encode() if isinstance(body, str) else body)
    [problem] = caught.value.problems
    return problem.field, problem.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", Decimal("0.1")),
        ("1.0", Decimal("1.0")),
        ("1e2", Decimal("1E+2")),
        ("-12", -12),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ('"\\u00e9"', "\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        ('"\\\\u0000"', "\\u0000"),
        ("[null, true, false, {}]", [None, True, False, {}]),
        (' {"a": [1]} ', {"a": [1]}),
    ],
)
def test_values_are_read_exactly(text: str, value: object) -> None:
    """A number with a point or an exponent is a Decimal as it was written, no digit less."""
    found = parse_json(text.encode())
    assert found == value
    assert type(found) is type(value)
    assert str(found) == str(value)


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**60), 10**60), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=20,
)


@given(VALUES)
def test_ordinary_json_is_read_as_by_anybody_else(value: object) -> None:
    """What Python writes is read back."""
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """There is no third way out."""
    with suppress(InvalidRequestError):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is not valid JSON: Expecting value at line 1 column 1"),
        (b"{", "is not valid JSON"),
        (b"{'a': 1}", "is not valid JSON"),
        (b'{"a": 1,}', "is not valid JSON"),
        (b'{"a": 1} x', "is not valid JSON: Extra data at line 1 column 10"),
        (b'"a\nb"', "is not valid JSON: Invalid control character"),
        (b"\xef\xbb\xbf{}", "is not valid JSON: Unexpected UTF-8 BOM"),
        (b"01", "is not valid JSON"),
        (b"NaN", "contains NaN, which is not JSON"),
        (b"[Infinity]", "contains Infinity, which is not JSON"),
        (b"[-Infinity]", "contains -Infinity, which is not JSON"),
        (b'"\xff"', "must be UTF-8"),
        (b'"\xed\xa0\x80"', "must be UTF-8"),
        ("{}".encode("utf-16"), "must be UTF-8"),
        (b'{"a": 1, "a": 2}', "contains the key 'a' twice in one object"),
        (b"1e400", "contains a number with an exponent beyond 64"),
        (b"1e-400", "contains a number with an exponent beyond 64"),
        (b"0e-99", "contains a number with an exponent beyond 64"),
        (b"1E+99999999999999999999", "contains a number that cannot be read"),
    ],
)
def test_what_is_no_json_of_ours_is_refused(body: bytes, message: str) -> None:
    """With the reason, about the body as a whole."""
    field, found = refusal(body)
    assert field == "body"
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ('{"a": {"b": ["x", "\\ud800"]}}', "a.b[1]", "contains half of a surrogate pair"),
        ('[{"name": "a\\u0000b"}]', "body[0].name", "contains a NUL character"),
        ('{"a": {"\\u0000": 1}}', "a", "contains a NUL character"),
        ('{"\\udfff": 1}', "body", "contains half of a surrogate pair"),
        ('"\\ud800"', "body", "contains half of a surrogate pair"),
        ('{"": "\\u0000"}', "body", "contains a NUL character"),
    ],
)
def test_a_text_that_nobody_could_keep_is_named(body: str, field: str, message: str) -> None:
    """With its place in the body; a bad key is named by what it stands in."""
    assert refusal(body) == (field, message)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_depth_has_a_bound(opening: str, closing: str) -> None:
    """At the bound it is read, one level past it is not, and far past it the reader does not fall over."""
    levels = DEPTH_MAX // opening.count("[{") // 2 if opening == '[{"a":' else DEPTH_MAX
    assert parse_json((opening * levels + "1" + closing * levels).encode()) is not None
    for deeper in (levels + 1, 100_000):
        field, message = refusal(opening * deeper + "1" + closing * deeper)
        assert message == "is nested deeper than 32 levels"
        assert field


def test_the_number_of_values_has_a_bound() -> None:
    """The list itself is one of them."""
    assert len(parse_json(json.dumps([1] * (VALUES_MAX - 1)).encode())) == VALUES_MAX - 1
    assert refusal(json.dumps([1] * VALUES_MAX)) == ("body", "has more than 100000 values")


def test_the_length_of_a_text_has_a_bound() -> None:
    """In characters, for keys too."""
    longest = "\N{EURO SIGN}" * STRING_CHARACTERS_MAX
    assert parse_json(json.dumps({"a": longest}).encode()) == {"a": longest}
    too_long = "is a text of more than 50000 characters"
    assert refusal(json.dumps({"a": longest + "x"})) == ("a", too_long)
    assert refusal(json.dumps({longest + "x": 1})) == ("body", too_long)


def test_the_length_of_a_number_has_a_bound() -> None:
    """Digits, sign, point and exponent together."""
    digits = "9" * NUMBER_CHARACTERS_MAX
    assert parse_json(digits.encode()) == int(digits)
    assert parse_json(f"-{digits[1:]}".encode()) == -int(digits[1:])
    assert parse_json(f"0.{digits[2:]}".encode()) == Decimal(f"0.{digits[2:]}")
    too_long = ("body", "contains a number of more than 64 characters")
    for text in (f"{digits}9", f"-{digits}", f"0.{digits[1:]}", "1" * 100_000):
        assert refusal(text) == too_long


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_exponent_has_a_bound(sign: str) -> None:
    """It is that of the first digit, however the number is written."""
    assert parse_json(f"1e{sign}{EXPONENT_MAX}".encode()) == Decimal(f"1e{sign}64")
    assert refusal(f"1e{sign}{EXPONENT_MAX + 1}") == ("body", "contains a number with an exponent beyond 64")


def test_a_huge_body_is_refused_quickly() -> None:
    """A megabyte of opening brackets or of one number costs no more than reading it."""
    for body in ("[" * 1_000_000, "1" * 1_000_000, '"' + "x" * 1_000_000 + '"', "[" + "1," * 500_000 + "1]"):
        assert refusal(body)[0] == "body"
