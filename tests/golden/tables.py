"""Reads the golden tables of prices and says how a charge is written in them. Computes no amount."""

import tomllib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from orbdo_server.core.prices import Charge, PriceConfig, TierCharge, parse_config

_FOLDER = Path(__file__).parent / "prices"


class Case(msgspec.Struct, forbid_unknown_fields=True):
    """One row of a table: what ``quantity`` must cost, and by which rows where the price has tiers."""

    quantity: Decimal
    amount: Decimal
    rows: list[str] = []


class Table(msgspec.Struct, forbid_unknown_fields=True):
    """A price and its cases."""

    title: str
    model_type: str
    config: dict[str, Any]
    case: list[Case]


def golden_cases(file: str) -> Iterator[tuple[str, PriceConfig, Case]]:
    """Every case of a file as (its name in the test report, the price, the case); a table without cases is refused."""
    text = (_FOLDER / file).read_text(encoding="utf-8")
    tables = msgspec.convert(tomllib.loads(text, parse_float=Decimal)["table"], list[Table])
    for table in tables:
        assert table.case, f"{table.title}: no cases"
        price = parse_config(table.model_type, table.config)
        for case in table.case:
            yield f"{table.title}: {case.quantity}", price, case


def written(charge: Charge) -> list[str]:
    """The rows of a charge as a golden table writes them."""
    return [_row(tier) for tier in charge.tiers]


def _row(tier: TierCharge) -> str:
    reach = f"{tier.first_unit:f} and up" if tier.last_unit is None else f"{tier.first_unit:f} to {tier.last_unit:f}"
    flat = f" + {tier.flat_amount:f} flat" if tier.flat_amount else ""
    return f"{reach}: {tier.quantity:f} x {tier.unit_amount:f}{flat} = {tier.amount:f}"
