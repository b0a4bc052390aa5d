"""The properties of an event: a flat JSON object, kept as the text that came, no number parsed into anything lossy.

Refuses nesting, numbers that are not finite, names given twice, and whatever no column or answer could hold. A number
that a store of 64-bit integers and doubles would not give back digit by digit is turned into a decimal string here.
"""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import Annotated, TypeAlias, cast

import msgspec
from msgspec import Meta

from orbdo_server.core.errors import shown

PROPERTIES_MAX = 100
PROPERTY_NAME_LENGTH_MAX = 255
PROPERTY_TEXT_LENGTH_MAX = 1_024
PROPERTY_NUMBER_LENGTH_MAX = 64

# What the store keeps of an integer; every number of this many digits has an exact, shortest double.
INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**64 - 1
DOUBLE_DIGITS_EXACT = 15


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Pairs(tuple[tuple[str, "Value"], ...]):
    """A JSON object as it was written, names given twice included."""

    __slots__ = ()


Value: TypeAlias = str | Number | bool | Pairs | list["Value"] | None


def surely_valid(many: Sequence[msgspec.Raw]) -> bool:
    """Whether all of these properties are valid and kept exactly as they are, decided for a whole batch at once.

    False means "look at each with ``problems``", not "wrong". This is the path of nearly every event, so it runs in C.
    """
    joined = b",".join(many)
    try:
        objects = _valued(joined)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return (
        objects is not None
        and len(objects) == len(many)
        and _names_are_valid(objects, joined)
        and (b"\\" not in joined or b"\\u0000" not in joined)
    )


def problems(properties: msgspec.Raw) -> tuple[str, ...]:
    """Everything that is wrong with the properties of one event, in words; empty when they are valid."""
    try:
        value = parse(properties)
    except RecursionError:
        return ("properties: are nested too deeply; expected numbers, strings, booleans and nulls",)
    except ValueError as error:
        return (f"properties: are not valid JSON ({error}); expected an object",)
    if not isinstance(value, Pairs):
        return (f"properties: found {_kind(value)}; expected an object",)
    return tuple(_object_problems(value))


def exactly_kept(properties: msgspec.Raw) -> msgspec.Raw:
    """The same valid properties, with each number that a double cannot hold rewritten as a decimal string.

    ``{"a": 18446744073709551616}`` becomes ``{"a": "18446744073709551616"}``. The very same object comes back when
    there is nothing to rewrite.
    """
    pairs = _pairs(properties)
    if all(survives(value) for _, value in pairs if isinstance(value, Number)):
        return properties
    return msgspec.Raw("{" + ",".join(f"{json.dumps(name)}:{_json(value)}" for name, value in pairs) + "}")


def same(one: msgspec.Raw, other: msgspec.Raw) -> bool:
    """Whether two valid properties mean the same: order, spaces, escapes and the way numbers are written do not matter,
    while a number and the string of its digits differ.
    """
    if one == other:
        return True
    values, others = _VALUES.decode(one), _VALUES.decode(other)
    # Python takes True for 1, so the kinds are compared as well. Other texts of one number are left to the close look.
    if values == others and all(type(value) is type(others[name]) for name, value in values.items()):
        return True
    return canonical(one) == canonical(other)


def canonical(properties: msgspec.Raw) -> str:
    """One text for all valid properties that mean the same."""
    values = sorted((name, _kind(value), _meaning(value)) for name, value in _pairs(properties))
    return json.dumps(values, ensure_ascii=True)


def parse(properties: msgspec.Raw) -> Value:
    """The properties without any loss; ``ValueError`` or ``RecursionError`` when they are no JSON."""
    text = str(memoryview(properties), "utf-8")
    value: Value = json.loads(
        text, object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=Number
    )
    return value


def survives(number: Number) -> bool:
    """Whether the store gives this valid number back without losing a digit."""
    if not any(mark in number for mark in ".eE"):
        return INTEGER_MIN <= int(number) <= INTEGER_MAX
    # Decoding and encoding with a double in between is what the store does; the text tells what is left.
    return Decimal(msgspec.json.encode(msgspec.json.decode(str(number))).decode()) == Decimal(number)


def _exact_number(text: str) -> str:
    # Fifteen digits, a sign and a point: no double loses any of those, and most numbers are shorter.
    short = len(text) <= DOUBLE_DIGITS_EXACT + 1 and "e" not in text and "E" not in text
    if not short and (len(text) > PROPERTY_NUMBER_LENGTH_MAX or not survives(Number(text))):
        message = "not kept exactly"
        raise ValueError(message)
    return text


# Without fractions the decoder itself holds every value against its bound, which costs next to nothing. An integer
# beyond those of 64 bits with a sign is looked at again.
_Whole: TypeAlias = (
    Annotated[str, Meta(max_length=PROPERTY_TEXT_LENGTH_MAX)]
    | Annotated[int, Meta(ge=INTEGER_MIN, le=2**63 - 1)]
    | bool
    | None
)
_WHOLE = msgspec.json.Decoder(list[Annotated[dict[str, _Whole], Meta(max_length=PROPERTIES_MAX)]])
_OBJECTS = msgspec.json.Decoder(list[dict[str, object]], float_hook=_exact_number)
_VALUES = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)
_SCALARS = frozenset({str, int, bool, type(None)})

_Objects: TypeAlias = Sequence[dict[str, object]]


def _valued(joined: bytes) -> _Objects | None:
    """The objects, when all their values are valid and exactly kept and none has too many; their names may be wrong.

    Raises what msgspec raises for what is no list of objects, or has a number that is not kept exactly.
    """
    text = b"[" + joined + b"]"
    try:
        return cast("_Objects", _WHOLE.decode(text))
    except msgspec.ValidationError:
        objects = _OBJECTS.decode(text)
    return objects if _values_are_valid(objects) else None


def _values_are_valid(objects: _Objects) -> bool:
    values: list[object] = list(chain.from_iterable(one.values() for one in objects))
    return (
        max(map(len, objects), default=0) <= PROPERTIES_MAX
        and _SCALARS.issuperset(map(type, values))
        and max((len(value) for value in values if isinstance(value, str)), default=0) <= PROPERTY_TEXT_LENGTH_MAX
        and all(INTEGER_MIN <= value <= INTEGER_MAX for value in values if isinstance(value, int))
    )


def _names_are_valid(objects: _Objects, joined: bytes) -> bool:
    names = set[str]().union(*objects)
    if "" in names or max(map(len, names), default=0) > PROPERTY_NAME_LENGTH_MAX:
        return False
    # A name given twice is one entry of the dict, but two colons of the text.
    count = sum(map(len, objects))
    return joined.count(b":") == count or (b'\\"' not in joined and joined.count(b'":') == count)


def _object_problems(pairs: Pairs) -> Iterator[str]:
    if len(pairs) > PROPERTIES_MAX:
        yield f"properties: found {len(pairs)}; expected at most {PROPERTIES_MAX}"
        return
    seen: set[str] = set()
    for name, value in pairs:
        yield from _name_problems(name, twice=name in seen)
        yield from _value_problems(f"properties.{name}" if name.isidentifier() else f"properties[{shown(name)}]", value)
        seen.add(name)


def _name_problems(name: str, *, twice: bool) -> Iterator[str]:
    if twice:
        yield f"properties: the name {shown(name)} is given twice"
    if not 1 <= len(name) <= PROPERTY_NAME_LENGTH_MAX:
        yield f"properties: a name has {len(name)} characters; expected 1 to {PROPERTY_NAME_LENGTH_MAX}"
    for problem in text_problems(name):
        yield f"properties: the name {shown(name)} {problem}"


def _value_problems(field: str, value: Value) -> Iterator[str]:
    match value:
        case Number():
            yield from (f"{field}: {problem}" for problem in _number_problems(value))
        case str():
            if len(value) > PROPERTY_TEXT_LENGTH_MAX:
                yield f"{field}: has {len(value)} characters; expected at most {PROPERTY_TEXT_LENGTH_MAX}"
            yield from (f"{field}: {problem}" for problem in text_problems(value))
        case Pairs() | list():
            yield f"{field}: found {_kind(value)}; expected a number, a string, a boolean or null"
        case _:
            pass


def text_problems(text: str) -> Iterator[str]:
    """What keeps a string out of a database or an answer, as the end of a sentence."""
    if "\x00" in text:
        yield "contains a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield "contains half of a surrogate pair"


def _number_problems(number: Number) -> Iterator[str]:
    if len(number) > PROPERTY_NUMBER_LENGTH_MAX:
        yield f"is a number of {len(number)} characters; expected at most {PROPERTY_NUMBER_LENGTH_MAX}, or a string"
        return
    try:
        msgspec.json.decode(str(number))
    except msgspec.DecodeError:
        yield f"found {number}; expected a finite number below 1.8e308, or a string"


def _pairs(properties: msgspec.Raw) -> Pairs:
    pairs = parse(properties)
    assert isinstance(pairs, Pairs), "the properties are valid"
    return pairs


def _kind(value: Value) -> str:
    match value:
        case Number():
            return "a number"
        case str():
            return "a string"
        case bool():
            return "a boolean"
        case None:
            return "null"
        case Pairs():
            return "an object"
        case _:
            return "a list"


def _json(value: Value) -> str:
    if isinstance(value, Number) and survives(value):
        return str(value)
    return json.dumps(value)


def _meaning(value: Value) -> str:
    return _without_zeros(value) if isinstance(value, Number) else json.dumps(value)


def _without_zeros(number: Number) -> str:
    # Not Decimal.normalize, which would round to the width of whatever context is current.
    sign, digits, exponent = Decimal(number).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "0"
    significant = text.rstrip("0")
    assert isinstance(exponent, int), "the number is finite"
    return f"{'-' if sign else ''}{significant}e{exponent + len(text) - len(significant)}"
