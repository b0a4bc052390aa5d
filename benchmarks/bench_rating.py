"""How many charges a second one core calculates, by price model; a graduated price of three tiers is the headline."""

from collections.abc import Mapping
from decimal import Decimal
from time import perf_counter

from benchmarks.figures import Figure
from orbdo_server.core.prices import PriceConfig, charge, parse_config

CHARGES = 50_000
ROUNDS = 5
PRICES: Mapping[str, tuple[PriceConfig, str]] = {
    "graduated, 3 tiers": (
        parse_config(
            "tiered",
            {
                "tiers": [
                    {"first_unit": 0, "last_unit": 1_000_000, "unit_amount": "0.000002"},
                    {"first_unit": 1_000_000, "last_unit": 5_000_000, "unit_amount": "0.0000015"},
                    {"first_unit": 5_000_000, "unit_amount": "0.000001"},
                ]
            },
        ),
        "9.070187",
    ),
    "unit": (parse_config("unit", {"unit_amount": "0.000002"}), "12.140374"),
    "volume, 2 tiers": (
        parse_config("bulk", {"tiers": [{"maximum_units": 1_000, "unit_amount": "0.1"}, {"unit_amount": "0.000001"}]}),
        "6.070187",
    ),
    "package": (parse_config("package", {"package_amount": "2", "package_size": 1_000_000}), "14"),
}
QUANTITY = Decimal(6_070_187)


def measure() -> list[Figure]:
    """One figure a price model: the best of some rounds, since everything slower was something else on the machine."""
    return [_figure(name, price, Decimal(expected)) for name, (price, expected) in PRICES.items()]


def _figure(name: str, price: PriceConfig, expected: Decimal) -> Figure:
    assert charge(price, QUANTITY).amount == expected
    seconds = min(_seconds(price) for _ in range(ROUNDS))
    note = f"best of {ROUNDS} rounds of {CHARGES:,}, one thread"
    return Figure(f"charges, {name}", value=CHARGES / seconds, unit="1/s", better="higher", note=note)


def _seconds(price: PriceConfig) -> float:
    start = perf_counter()
    for _ in range(CHARGES):
        charge(price, QUANTITY)
    return perf_counter() - start
