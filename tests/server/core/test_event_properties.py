"""Properties: flat, bounded, exact, and decided for many at once without ever deciding otherwise than one by one."""

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_server.core.event_properties import (
    PROPERTIES_MAX,
    PROPERTY_NAME_LENGTH_MAX,
    PROPERTY_NUMBER_LENGTH_MAX,
    PROPERTY_TEXT_LENGTH_MAX,
    Number,
    Pairs,
    canonical,
    exactly_kept,
    parse,
    problems,
    same,
    surely_valid,
    survives,
)


def raw(text: str | bytes) -> msgspec.Raw:
    """Properties as they come."""
    return msgspec.Raw(text)


def as_text(properties: msgspec.Raw) -> str:
    """The text of properties."""
    return bytes(properties).decode()


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"tokens":12,"model":"large","cached":true,"region":null}',
        '{"price":0.1,"share":0.30000000000000004,"delta":-1.5e-7}',
        '{"big":18446744073709551615,"small":-9223372036854775808}',
        '{"exact":"123456789012345678901234567890.123456789"}',
        '{"text":"a:b {c} [d]","more":"{}"}',
        '{"name with space":"ünïcode","\\u00e9":"\\n"}',
        '{"spaces" : 1 , "more":2 }',
    ],
)
def test_flat_objects_are_valid_and_stay_as_they_came(text: str) -> None:
    """Numbers, strings, booleans and nulls are taken, to the byte."""
    assert problems(raw(text)) == ()
    assert as_text(exactly_kept(raw(text))) == text
    assert surely_valid([raw(text)])


def test_a_batch_that_cannot_be_told_at_once_is_not_wrong() -> None:
    """Colons and escaped quotes in one text look like a name given twice, until the event is looked at alone."""
    quoted = raw('{"text":"a \\"b\\": c"}')
    assert not surely_valid([quoted])
    assert problems(quoted) == ()
    assert exactly_kept(quoted) is quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "properties: found a list; expected an object"),
        ("12", "properties: found a number; expected an object"),
        ('"x"', "properties: found a string; expected an object"),
        ("null", "properties: found null; expected an object"),
        ("true", "properties: found a boolean; expected an object"),
        ('{"a":{}}', "properties.a: found an object; expected a number, a string, a boolean or null"),
        ('{"a":[1]}', "properties.a: found a list; expected a number, a string, a boolean or null"),
        ('{"a b":[]}', "properties['a b']: found a list; expected a number, a string, a boolean or null"),
        ('{"a":1,"a":2}', "properties: the name 'a' is given twice"),
        ('{"a":1,"\\u0061":2}', "properties: the name 'a' is given twice"),
        ('{"":1}', "properties: a name has 0 characters; expected 1 to 255"),
        ('{"a\\u0000":1}', "properties: the name 'a\\x00' contains a NUL character"),
        ('{"a":"\\u0000"}', "properties.a: contains a NUL character"),
        ('{"a":"\\ud800"}', "properties.a: contains half of a surrogate pair"),
        ('{"a":1e400}', "properties.a: found 1e400; expected a finite number below 1.8e308, or a string"),
        ('{"a":-1e400}', "properties.a: found -1e400; expected a finite number below 1.8e308, or a string"),
        ('{"a":NaN}', "properties.a: found NaN; expected a finite number below 1.8e308, or a string"),
        ('{"a":', "properties: are not valid JSON (Expecting value: line 1 column 6 (char 5)); expected an object"),
    ],
)
def test_everything_else_is_named(text: str, expected: str) -> None:
    """The field, what was found and what was expected; the look at the whole batch never lets it through."""
    assert problems(raw(text)) == (expected,)
    assert not surely_valid([raw('{"a":1}'), raw(text), raw("{}")])


def test_bytes_that_are_no_text_are_named() -> None:
    """Properties that are not UTF-8 are a problem of their own."""
    (problem,) = problems(raw(b'{"a":"\xff"}'))
    assert problem.startswith("properties: are not valid JSON ('utf-8' codec can't decode byte 0xff")
    assert not surely_valid([raw(b'{"a":"\xff"}')])


def test_deep_nesting_is_a_problem_and_no_crash() -> None:
    """A hundred thousand brackets are answered like one."""
    deep = raw('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    assert problems(deep) == ("properties: are nested too deeply; expected numbers, strings, booleans and nulls",)
    assert not surely_valid([deep])


def test_an_event_has_at_most_a_hundred_properties() -> None:
    """The hundredth is taken, one more is not."""
    assert PROPERTIES_MAX == 100
    many = raw(json.dumps({f"p{number}": number for number in range(100)}))
    assert problems(many) == ()
    assert surely_valid([many])
    more = raw(json.dumps({f"p{number}": number for number in range(101)}))
    assert problems(more) == ("properties: found 101; expected at most 100",)
    assert not surely_valid([more])


def test_a_name_has_at_most_255_characters() -> None:
    """255 are taken, 256 are not."""
    assert PROPERTY_NAME_LENGTH_MAX == 255
    longest = raw(json.dumps({"n" * 255: 1}))
    assert problems(longest) == ()
    assert surely_valid([longest])
    longer = raw(json.dumps({"n" * 256: 1}))
    assert problems(longer) == ("properties: a name has 256 characters; expected 1 to 255",)
    assert not surely_valid([longer])


def test_a_text_has_at_most_1024_characters() -> None:
    """1,024 are taken, however many bytes they are; 1,025 are not."""
    assert PROPERTY_TEXT_LENGTH_MAX == 1_024
    longest = raw(json.dumps({"n": 1, "t": "é" * 1_024}, ensure_ascii=False))
    assert problems(longest) == ()
    assert surely_valid([longest])
    longer = raw(json.dumps({"t": "x" * 1_025}))
    assert problems(longer) == ("properties.t: has 1025 characters; expected at most 1024",)
    assert not surely_valid([longer])


def test_a_number_has_at_most_64_characters() -> None:
    """64 characters are taken, exactly, and one more is not."""
    assert PROPERTY_NUMBER_LENGTH_MAX == 64
    longest = raw('{"n":' + "9" * 64 + "}")
    assert problems(longest) == ()
    assert as_text(exactly_kept(longest)) == '{"n":"' + "9" * 64 + '"}'
    for longer in ("9" * 65, "0." + "9" * 63):
        assert problems(raw('{"n":' + longer + "}")) == (
            "properties.n: is a number of 65 characters; expected at most 64, or a string",
        )
        assert not surely_valid([raw('{"n":' + longer + "}")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"n":18446744073709551616}', '{"n":"18446744073709551616"}'),
        ('{"n":-9223372036854775809}', '{"n":"-9223372036854775809"}'),
        ('{"n":0.12345678901234567890}', '{"n":"0.12345678901234567890"}'),
        ('{"n":9007199254740993.0}', '{"n":"9007199254740993.0"}'),
        ('{"n":1e-400}', '{"n":"1e-400"}'),
        (
            '{"a":1.5,"b":"t","c":null,"n":18446744073709551616}',
            '{"a":1.5,"b":"t","c":null,"n":"18446744073709551616"}',
        ),
    ],
)
def test_a_number_that_a_double_cannot_hold_becomes_a_decimal_string(text: str, expected: str) -> None:
    """No digit is lost on the way into the store; everything beside the number stays."""
    assert problems(raw(text)) == ()
    assert not surely_valid([raw(text)])
    assert as_text(exactly_kept(raw(text))) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":2}', '{"b":2,"a":1}'),
        ('{"a":100}', '{"a":1e2}'),
        ('{"a":0}', '{"a":-0.0}'),
        ('{"a":0.10}', '{"a":0.1}'),
        ('{"a":0.1,"b":null}', '{ "a" : 0.1, "b" : null }'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
    ],
)
def test_one_meaning_has_one_canonical_text(one: str, other: str) -> None:
    """Order, spaces, escapes, zeros and exponents do not count."""
    assert canonical(raw(one)) == canonical(raw(other))
    assert same(raw(one), raw(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":0.0}', '{"a":false}'),
        ('{"a":null}', "{}"),
        ('{"a":"null"}', '{"a":null}'),
        ('{"a":10}', '{"a":1}'),
        ('{"a":-1}', '{"a":1}'),
        ('{"a":"x"}', '{"b":"x"}'),
    ],
)
def test_other_meanings_have_other_canonical_texts(one: str, other: str) -> None:
    """Kind, sign, size and name count."""
    assert canonical(raw(one)) != canonical(raw(other))
    assert not same(raw(one), raw(other))


def test_nothing_is_surely_valid() -> None:
    """A batch without events has nothing wrong in it."""
    assert surely_valid([])


def test_parsing_loses_nothing() -> None:
    """Numbers keep their text and names that come twice come twice."""
    parsed = parse(raw('{"a":1.10,"a":[true,null]}'))
    assert parsed == Pairs((("a", Number("1.10")), ("a", [True, None])))


VALUES = st.one_of(
    st.integers(min_value=-(2**70), max_value=2**70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.floats().map(repr),
    st.text(max_size=20).map(json.dumps),
    st.sampled_from(
        ["true", "false", "null", "{}", "[]", '{"x":1}', "1e400", "1e-400", "0.1e1", '"\\u0000"', '"\\ud800"']
    ),
)
NAMES = st.one_of(st.sampled_from(["a", "b", ""]), st.text(max_size=5)).map(json.dumps)
OBJECTS = st.lists(st.tuples(NAMES, VALUES), max_size=4).map(
    lambda pairs: "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"
)


@given(st.lists(OBJECTS, max_size=4))
def test_the_look_at_a_batch_agrees_with_the_look_at_each(texts: list[str]) -> None:
    """What passes as a whole has no problem and needs no rewriting, event by event."""
    batch = [raw(text) for text in texts]
    if surely_valid(batch):
        assert [problems(one) for one in batch] == [()] * len(batch)
        assert all(exactly_kept(one) is one for one in batch)


@given(OBJECTS)
def test_what_is_kept_has_lost_no_digit(text: str) -> None:
    """After the rewriting every number survives a store of doubles, and each value is the same number or text."""
    if problems(raw(text)):
        return
    before, after = parse(raw(text)), parse(exactly_kept(raw(text)))
    assert isinstance(before, Pairs)
    assert isinstance(after, Pairs)
    for (name, value), (kept_name, kept) in zip(before, after, strict=True):
        assert name == kept_name
        if isinstance(value, Number):
            assert isinstance(kept, str)
            assert Decimal(kept) == Decimal(value)
            assert not isinstance(kept, Number) or survives(kept)
        else:
            assert kept == value
