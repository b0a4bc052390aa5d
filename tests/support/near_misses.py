"""Strategies of requests that are nearly right: shaped as an endpoint's models, with something else in places.

Ids stand in them as ``$customer_id``, to be filled in when the request is sent.
"""

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel

from tests.support.every_endpoint import SQL, UNKNOWN

Strategy = st.SearchStrategy[Any]

WORDS = (
    *("", " ", "USD", "JPY", "XXX", "UTC", "Europe/Berlin", "monthly", "unit", "tiered", "active", "immediate"),
    *("limit", "2023-11-01", "2023-11-01T00:00:00", "2023-11-01T00:00:00+02:00", "9999-12-31T23:59:59-14:00"),
    *("0001-01-01", "1e9", "0", "-0", "1", "-1", "0.00000000000000000001", "1e400", "NaN", "Infinity", "9" * 38),
    *("9" * 64, "1_000", "a@example.com", "@", SQL, "SELECT 1", "x" * 256, "../..", "%2F", "a/b", "\x00", "\n"),
    *("\x7f", "\u202e", "\ud800", "orbdo_live_admin_", "cus_" + "z" * 26, "true", "null", "*", "events:write"),
    *("' OR 1=1 --", "{}", "[]"),
)
IDS = tuple(f"${name}" for name in UNKNOWN)
NUMBERS = (0, -0.0, 1, -1, 2.5, 1e-300, 1e300, 10**20, -(10**64), 10**70, 31, 365, 366, float("inf"), float("nan"))


@cache
def texts() -> Strategy:
    """Words that mean something somewhere, and any others."""
    return st.one_of(st.sampled_from(WORDS), st.text(max_size=12))


@cache
def scalars() -> Strategy:
    """Anything that is neither a list nor an object."""
    return st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), texts())


@cache
def anything() -> Strategy:
    """Any JSON value."""
    return st.recursive(
        scalars(),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(), inner, max_size=3)),
        max_leaves=6,
    )


@cache
def bodies(model: type[BaseModel]) -> Strategy:
    """Objects of about the form of the model; seldom one with a field too many, or anything at all."""
    surplus = st.builds(lambda value, more: {**value, "surplus": more}, _object(model), scalars())
    return _mostly(_object(model), st.one_of(surplus, anything()))


@cache
def damaged(value: str) -> Strategy:
    """The JSON value with one or two of its parts taken away, doubled or put in the place of something else."""
    whole = json.loads(value)
    once = _damaged(st.just(whole))
    return st.one_of(once, _damaged(once))


@cache
def queries(model: type[BaseModel]) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Query strings that mention what the model knows, unknown names and the same name twice."""
    known = [field.alias or name for name, field in model.model_fields.items()]
    names = _mostly(st.sampled_from(known), texts()) if known else texts()
    values = st.one_of(st.sampled_from(IDS), texts(), st.sampled_from(["1", "100", "101"]))
    pairs = st.lists(st.tuples(_utf8(names), _utf8(values)), min_size=1, max_size=4)
    return st.integers(0, 3).flatmap(lambda drawn: pairs if drawn == 2 else st.just([]))


@cache
def path_parts() -> st.SearchStrategy[str]:
    """An id of any kind, or something else."""
    return _utf8(st.one_of(st.sampled_from(IDS), texts().filter(bool)))


def _utf8(strategy: Strategy) -> st.SearchStrategy[str]:
    """Half a surrogate pair cannot be written into an address."""
    return strategy.map(lambda text: text.replace("\ud800", "\ufffd"))


def _mostly(right: Strategy, wrong: Strategy) -> Strategy:
    """The first, but for one time in twelve or so."""
    return st.integers(0, 11).flatmap(lambda drawn: wrong if drawn == 7 else right)


@st.composite
def _damaged(draw: st.DrawFn, values: Strategy) -> Any:
    value = copy.deepcopy(draw(values))
    holders = list(_holders(value))
    if not holders:
        return draw(anything())
    holder, place = draw(st.sampled_from(holders))
    damage = draw(st.sampled_from(["replace", "replace", "replace", "remove", "nest"]))
    if damage == "remove":
        del holder[place]
    else:
        holder[place] = draw(st.one_of(scalars(), anything())) if damage == "replace" else [holder[place]]
    return value


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: what holds it, and its key or index there."""
    if isinstance(value, dict | list):
        for place in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, place
            yield from _holders(value[place])


@cache
def _object(model: type[BaseModel]) -> Strategy:
    required: dict[str, Strategy] = {}
    optional: dict[str, Strategy] = {}
    for name, field in model.model_fields.items():
        right = st.just(f"${name}") if name in UNKNOWN else _value(field.annotation)
        (required if field.is_required() else optional)[field.alias or name] = _mostly(right, anything())
    return st.fixed_dictionaries(required, optional=optional)


def _value(annotation: Any) -> Strategy:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value(inner[0])
    if origin in {Union, UnionType}:
        return st.one_of(*(_value(part) for part in inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is list:
        return st.lists(_value(inner[0]), max_size=3)
    if origin is dict:
        return st.one_of(st.sampled_from(CONFIGS), st.dictionaries(texts(), scalars(), max_size=3))
    return _plain(annotation)


def _plain(annotation: Any) -> Strategy:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _object(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from([member.value for member in annotation])
    strategies: dict[Any, Strategy] = {
        NoneType: st.none(),
        bool: st.booleans(),
        int: st.integers(-5, 400),
        Decimal: st.one_of(st.sampled_from(NUMBERS), st.decimals(allow_nan=False, allow_infinity=False).map(str)),
        datetime: st.sampled_from(["2023-11-01", "2023-12-01T00:00:00Z", "2024-01-31T23:59:59.999999+01:00"]),
        str: texts(),
    }
    return strategies.get(annotation, anything())


CONFIGS: tuple[dict[str, Any], ...] = (
    {"unit_amount": "0.10"},
    {"package_amount": "1", "package_size": 10},
    {"tiers": [{"first_unit": 0, "last_unit": 10, "unit_amount": "1"}, {"first_unit": 10, "unit_amount": "0.5"}]},
    {"tiers": [{"maximum_units": 10, "unit_amount": "1"}, {"unit_amount": "0.5"}]},
    {"tiers": []},
)
