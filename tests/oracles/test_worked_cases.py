"""The worked cases of other billing systems: each passes, or is listed in ``exceptions.toml`` with the reason.

The file of cases lies beside the checkout. A case of a model below must come to the expected amount, its lines
included where it has some; a case that is listed must not, so that the list only shrinks; and every other model must be
listed as one that this version does not have.
"""

import json
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orbdo_server.core.money import round_amount
from orbdo_server.core.periods import Period, full_days
from orbdo_server.core.prices import Charge, charge, parse_config

HERE = Path(__file__).parent
CASES_FILE = HERE.parents[1].parent / "shared" / "oracles" / "cases.json"

if not CASES_FILE.exists():
    pytest.skip("the worked cases are not beside this checkout", allow_module_level=True)


class Oracle(msgspec.Struct):
    """One worked case: what it is about, what goes in, and what must come out."""

    id: str
    model: str
    config: dict[str, Any]
    usage: dict[str, Any]
    expected: dict[str, Any]
    currency: str
    notes: str


Outcome = tuple[list[Decimal], list[Decimal] | None]


def tiered_config(config: Mapping[str, Any]) -> dict[str, object]:
    """Graduated tiers as ours: a tier starts where the one before it ends, and no rate is a rate of zero."""
    bounds = ["0", *(tier["up_to"] for tier in config["tiers"])]
    return {
        "tiers": [
            {"first_unit": first, "last_unit": tier["up_to"], **_rates(tier)}
            for first, tier in zip(bounds[:-1], config["tiers"], strict=True)
        ]
    }


def bulk_config(config: Mapping[str, Any]) -> dict[str, object]:
    """Volume tiers as ours."""
    return {"tiers": [{"maximum_units": tier["up_to"], **_rates(tier)} for tier in config["tiers"]]}


def package_config(config: Mapping[str, Any]) -> dict[str, object]:
    """A package as ours, which has no free units."""
    return {"package_amount": config["amount"], "package_size": config["size"]}


def unit_config(config: Mapping[str, Any]) -> dict[str, object]:
    """A rate as ours."""
    return {"unit_amount": config["unit"]}


def ceiling_conversion_config(config: Mapping[str, Any]) -> dict[str, object]:
    """Dividing the quantity and rounding it up before it is priced is what a package does."""
    assert config["rounding"] == "ceiling"
    return {"package_amount": config["unit"], "package_size": config["divide_by"]}


def _rates(tier: Mapping[str, Any]) -> dict[str, object]:
    return {"unit_amount": tier.get("unit") or "0", "flat_amount": tier.get("flat")}


def whole(case: Oracle, model_type: str, config: Mapping[str, object]) -> Charge:
    """The charge of a quantity that is billed at once."""
    return charge(parse_config(model_type, config), Decimal(case.usage["quantity"]))


def difference(case: Oracle, model_type: str, config: Mapping[str, object]) -> list[Decimal]:
    """What a later line adds, tier by tier: the charge of all so far less the charge of what was billed."""
    price = parse_config(model_type, config)
    billed = Decimal(case.usage["already_billed_quantity"])
    before = charge(price, billed)
    after = charge(price, billed + Decimal(case.usage["quantity_in_line"]))
    if not after.tiers:
        return [after.amount - before.amount]
    paid = {tier.first_unit: tier.amount for tier in before.tiers}
    added = [tier.amount - paid.get(tier.first_unit, Decimal(0)) for tier in after.tiers]
    return [amount for amount in added if amount]


def charged(model_type: str, convert: Callable[[Mapping[str, Any]], dict[str, object]]) -> Callable[[Oracle], bool]:
    """Whether a case of a pure price model comes to its amount and its lines."""

    def passes(case: Oracle) -> bool:
        found = whole(case, model_type, convert(case.config))
        return _matches(case, found.amount, [tier.amount for tier in found.tiers])

    return passes


def added(model_type: str, convert: Callable[[Mapping[str, Any]], dict[str, object]]) -> Callable[[Oracle], bool]:
    """Whether a case of progressive billing comes to its amount and its lines."""

    def passes(case: Oracle) -> bool:
        lines = difference(case, model_type, convert(case.config))
        return _matches(case, sum(lines, start=Decimal(0)), lines)

    return passes


def _matches(case: Oracle, amount: Decimal, lines: list[Decimal]) -> bool:
    expected_lines = case.expected.get("lines")
    return amount == Decimal(case.expected["amount"]) and (
        expected_lines is None or lines == [Decimal(line) for line in expected_lines]
    )


def rounded(case: Oracle) -> bool:
    """Whether an amount is rounded to the digits of its currency."""
    assert case.config["mode"] == "half_up"
    return round_amount(Decimal(case.usage["amount"]), case.currency) == Decimal(case.expected["amount"])


def days(case: Oracle) -> bool:
    """Whether the local days of a period are counted as dates."""
    period = Period(datetime.fromisoformat(case.usage["start"]), datetime.fromisoformat(case.usage["end"]))
    return full_days(period, case.config["timezone"]) == int(case.expected["days"])


MODELS: dict[str, Callable[[Oracle], bool]] = {
    "per_unit": charged("unit", unit_config),
    "graduated": charged("tiered", tiered_config),
    "graduated_negative": charged("tiered", tiered_config),
    "graduated_incremental": added("tiered", tiered_config),
    "volume": charged("bulk", bulk_config),
    "package": charged("package", package_config),
    "package_incremental": added("package", package_config),
    "unit_conversion": charged("package", ceiling_conversion_config),
    "unit_conversion_incremental": added("package", ceiling_conversion_config),
    "currency_rounding": rounded,
    "calendar_days_in_timezone": days,
}
ORACLES = msgspec.convert(json.loads(CASES_FILE.read_text(encoding="utf-8")), list[Oracle])
EXCEPTIONS = tomllib.loads((HERE / "exceptions.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", [case for case in ORACLES if case.model in MODELS], ids=lambda case: case.id)
def test_case_passes_or_is_an_exception(case: Oracle) -> None:
    """A case comes to what is expected unless it is listed, and a listed one does not."""
    assert MODELS[case.model](case) == (case.id not in EXCEPTIONS["case"])


def test_every_model_is_known_or_listed() -> None:
    """A model of the file is either computed here or listed as one this version does not have, never both."""
    models = {case.model for case in ORACLES}
    assert models - set(MODELS) == set(EXCEPTIONS["model"])


def test_exceptions_are_cases_of_the_models_with_a_reason() -> None:
    """Each exception names a case that is computed here and gives a reason in a sentence."""
    assert set(EXCEPTIONS["case"]) <= {case.id for case in ORACLES if case.model in MODELS}
    for reason in [*EXCEPTIONS["case"].values(), *EXCEPTIONS["model"].values()]:
        assert len(reason.split()) >= 4
        assert reason.endswith(".")
