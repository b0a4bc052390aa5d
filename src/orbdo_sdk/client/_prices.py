"""A price as users describe it, made into the body that the server takes.

Only names and units change here: minor units become major ones, ``graduated`` becomes ``tiered``. What a price costs,
and whether its tiers make sense, is for the server.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, TypedDict, cast

from orbdo_sdk.client._amounts import Exact, major, number
from orbdo_sdk.client._vocabulary import Body
from orbdo_sdk.wire import Number

PriceKind = Literal["metered", "licensed"]
BillingScheme = Literal["per_unit", "unit", "tiered", "graduated", "volume", "bulk", "package"]

# The words of Stripe and of everyday speech beside those of the wire.
MODELS: Mapping[str, str] = {
    "per_unit": "unit",
    "unit": "unit",
    "tiered": "tiered",
    "graduated": "tiered",
    "volume": "bulk",
    "bulk": "bulk",
    "package": "package",
}
INFINITY = "inf"

_NEEDED = {"unit": {"unit_amount"}, "package": {"unit_amount", "package_size"}}


class PriceTier(TypedDict, total=False):
    """The units above ``first_unit`` up to and including ``last_unit``, and what they cost in minor units.

    ``up_to`` is another word for ``last_unit``; None or "inf" is no end, and only the last tier may have none.
    ``first_unit`` is where the tier before ends when it is left out. ``flat_amount`` is charged once when the tier is
    entered.
    """

    first_unit: int | Decimal
    last_unit: int | Decimal | None
    up_to: int | Decimal | Literal["inf"] | None
    unit_amount: int | Decimal
    flat_amount: int | Decimal


class _Terms(TypedDict):
    # What is written after a scheme: rates in minor units of the currency.
    currency: str
    unit_amount: Exact | None
    tiers: Sequence[PriceTier] | None
    package_size: Exact | None


def computed_by(
    billing_scheme: BillingScheme,
    *,
    currency: str,
    unit_amount: Exact | None,
    tiers: Sequence[PriceTier] | None,
    package_size: Exact | None,
) -> Body:
    """The fields that say how an amount comes from a quantity.

    Raises ValueError for terms that contradict one another, TypeError for a float.
    """
    terms = _Terms(currency=currency, unit_amount=unit_amount, tiers=tiers, package_size=package_size)
    model = _model(billing_scheme)
    _check_terms(billing_scheme, terms)
    return {"currency": currency, "model_type": model, f"{model}_config": _config(model, terms)}


def measured_by(kind: str, *, meter_id: str | None, quantity: Exact | None) -> Body:
    """The field that says where the quantity comes from; raises ValueError when two places are named, or none."""
    if kind == "metered":
        if meter_id is None or quantity is not None:
            raise ValueError("a metered price needs a meter_id and takes no quantity: its quantity is the usage")
        return {"billable_metric_id": meter_id}
    if kind != "licensed":
        message = f'type must be "metered" or "licensed", not {kind!r}'
        raise ValueError(message)
    if meter_id is not None:
        raise ValueError("a licensed price takes no meter_id: it is a fixed fee for a quantity")
    return {"fixed_price_quantity": number(1 if quantity is None else quantity)}


def _model(billing_scheme: str) -> str:
    if billing_scheme not in MODELS:
        message = f"billing_scheme must be one of {', '.join(MODELS)}, not {billing_scheme!r}"
        raise ValueError(message)
    return MODELS[billing_scheme]


def _check_terms(billing_scheme: BillingScheme, terms: _Terms) -> None:
    needed = _NEEDED.get(MODELS[billing_scheme], {"tiers"})
    have = {name for name in ("unit_amount", "package_size", "tiers") if terms[name] is not None}
    if have != needed:
        message = f"billing_scheme {billing_scheme!r} takes {' and '.join(sorted(needed))} and no other terms"
        raise ValueError(message)


def _config(model: str, terms: _Terms) -> Body:
    match model:
        case "unit":
            return {"unit_amount": _rate(terms)}
        case "package":
            assert terms["package_size"] is not None
            return {"package_amount": _rate(terms), "package_size": number(terms["package_size"], name="package_size")}
        case "tiered":
            return {"tiers": [_graduated_tier(tier) for tier in _tiers(terms)]}
        case _:
            return {"tiers": [_volume_tier(tier) for tier in _tiers(terms)]}


def _rate(terms: _Terms) -> Decimal:
    assert terms["unit_amount"] is not None
    return major(terms["unit_amount"], currency=terms["currency"])


class _ReadTier(TypedDict):
    first: Number
    last: Number | None
    unit_amount: Decimal
    flat_amount: Decimal


def _tiers(terms: _Terms) -> list[_ReadTier]:
    assert terms["tiers"] is not None
    read: list[_ReadTier] = []
    for index, tier in enumerate(terms["tiers"]):
        begins = Number(0) if not read else read[-1]["last"]
        if begins is None:
            message = f"tiers[{index - 1}] has no end, but only the last tier may have none"
            raise ValueError(message)
        read.append(_read_tier(tier, begins=begins, currency=terms["currency"], where=f"tiers[{index}]"))
    return read


def _read_tier(tier: PriceTier, *, begins: Number, currency: str, where: str) -> _ReadTier:
    unknown = sorted(tier.keys() - PriceTier.__annotations__.keys())
    if unknown:
        message = f"{where} has no field {unknown[0]!r}; it takes {', '.join(PriceTier.__annotations__)}"
        raise ValueError(message)
    if "last_unit" in tier and "up_to" in tier:
        message = f"{where} says last_unit and up_to, which are two words for one thing"
        raise ValueError(message)
    return {
        "first": number(tier["first_unit"], name=f"{where}.first_unit") if "first_unit" in tier else begins,
        "last": _last(tier.get("last_unit", tier.get("up_to")), where=where),
        "unit_amount": major(tier.get("unit_amount", 0), currency=currency, name=f"{where}.unit_amount"),
        "flat_amount": major(tier.get("flat_amount", 0), currency=currency, name=f"{where}.flat_amount"),
    }


def _last(bound: Exact | str | None, *, where: str) -> Number | None:
    if bound is None or bound == INFINITY:
        return None
    # Any other text is a mistake, which ``number`` names.
    return number(cast("Exact", bound), name=f"{where}.last_unit")


def _graduated_tier(tier: _ReadTier) -> Body:
    return {"first_unit": tier["first"], "last_unit": tier["last"], **_charges(tier)}


def _volume_tier(tier: _ReadTier) -> Body:
    return {"maximum_units": tier["last"], **_charges(tier)}


def _charges(tier: _ReadTier) -> Body:
    # Orb's own tiers have no flat amount; ours is sent only where there is one.
    flat = {"flat_amount": tier["flat_amount"]} if tier["flat_amount"] else {}
    return {"unit_amount": tier["unit_amount"], **flat}
