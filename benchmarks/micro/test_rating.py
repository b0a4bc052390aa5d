"""How long one charge takes in each price model: what an invoice pays for every line, and a quote for every request."""

from decimal import Decimal

from pytest_benchmark.fixture import BenchmarkFixture

from orbdo_server.core.prices import Charge, charge, parse_config

TOKENS = Decimal(6_070_187)


def test_charge_unit(benchmark: BenchmarkFixture) -> None:
    """A quantity at one rate."""
    price = parse_config("unit", {"unit_amount": "0.000002"})
    charged: Charge = benchmark(charge, price, TOKENS)
    assert charged.amount == Decimal("12.140374")


def test_charge_tiered(benchmark: BenchmarkFixture) -> None:
    """A quantity that reaches the last of three graduated tiers."""
    tiers = [
        {"first_unit": 0, "last_unit": 1_000_000, "unit_amount": "0.000002"},
        {"first_unit": 1_000_000, "last_unit": 5_000_000, "unit_amount": "0.0000015"},
        {"first_unit": 5_000_000, "unit_amount": "0.000001"},
    ]
    charged: Charge = benchmark(charge, parse_config("tiered", {"tiers": tiers}), TOKENS)
    assert charged.amount == Decimal("9.070187")


def test_charge_bulk(benchmark: BenchmarkFixture) -> None:
    """A quantity that reaches the last of three volume tiers."""
    tiers = [
        {"maximum_units": 1_000_000, "unit_amount": "0.000002"},
        {"maximum_units": 5_000_000, "unit_amount": "0.0000015"},
        {"unit_amount": "0.000001"},
    ]
    charged: Charge = benchmark(charge, parse_config("bulk", {"tiers": tiers}), TOKENS)
    assert charged.amount == Decimal("6.070187")


def test_charge_package(benchmark: BenchmarkFixture) -> None:
    """A quantity that opens one more package."""
    price = parse_config("package", {"package_amount": "2", "package_size": 1_000_000})
    charged: Charge = benchmark(charge, price, TOKENS)
    assert charged.amount == Decimal(14)
