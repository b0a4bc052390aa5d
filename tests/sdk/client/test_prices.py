"""Terms of a price as users say them and as they travel."""

import json
from decimal import Decimal
from typing import Any

import pytest

from orbdo_sdk.client._prices import BillingScheme, PriceTier, computed_by, measured_by
from orbdo_sdk.wire import encode

TIERS: list[PriceTier] = [
    {"first_unit": 0, "last_unit": 1_000_000, "unit_amount": Decimal("0.0002")},
    {"first_unit": 1_000_000, "unit_amount": Decimal("0.0001"), "flat_amount": 500},
]


def computed(
    billing_scheme: BillingScheme,
    *,
    currency: str = "USD",
    unit_amount: int | Decimal | None = None,
    tiers: list[PriceTier] | None = None,
    package_size: int | Decimal | None = None,
) -> Any:
    """The terms as the server would read them."""
    terms = computed_by(
        billing_scheme, currency=currency, unit_amount=unit_amount, tiers=tiers, package_size=package_size
    )
    return json.loads(encode(terms))


@pytest.mark.parametrize("billing_scheme", ["per_unit", "unit"])
def test_every_unit_costs_the_same(billing_scheme: BillingScheme) -> None:
    """The rate is in major units on the wire."""
    assert computed(billing_scheme, unit_amount=Decimal("0.15")) == {
        "currency": "USD",
        "model_type": "unit",
        "unit_config": {"unit_amount": "0.0015"},
    }


@pytest.mark.parametrize("billing_scheme", ["tiered", "graduated"])
def test_graduated_tiers(billing_scheme: BillingScheme) -> None:
    """Bounds are numbers, rates text, and the last tier has no end."""
    assert computed(billing_scheme, tiers=TIERS) == {
        "currency": "USD",
        "model_type": "tiered",
        "tiered_config": {
            "tiers": [
                {"first_unit": 0, "last_unit": 1_000_000, "unit_amount": "0.000002"},
                {"first_unit": 1_000_000, "last_unit": None, "unit_amount": "0.000001", "flat_amount": "5.00"},
            ]
        },
    }


@pytest.mark.parametrize("billing_scheme", ["volume", "bulk"])
def test_volume_tiers(billing_scheme: BillingScheme) -> None:
    """Only the upper bound of a tier counts."""
    assert computed(billing_scheme, tiers=TIERS, currency="JPY") == {
        "currency": "JPY",
        "model_type": "bulk",
        "bulk_config": {
            "tiers": [
                {"maximum_units": 1_000_000, "unit_amount": "0.0002"},
                {"maximum_units": None, "unit_amount": "0.0001", "flat_amount": "500"},
            ]
        },
    }


def test_tiers_in_the_words_of_stripe() -> None:
    """``up_to`` ends a tier, the next begins there, and a tier may have a flat amount alone."""
    tiers: list[PriceTier] = [
        {"up_to": 5, "flat_amount": 1000},
        {"up_to": Decimal("10.5"), "unit_amount": 20},
        {"up_to": "inf", "unit_amount": 10},
    ]
    assert computed("graduated", tiers=tiers)["tiered_config"]["tiers"] == [
        {"first_unit": 0, "last_unit": 5, "unit_amount": "0.00", "flat_amount": "10.00"},
        {"first_unit": 5, "last_unit": 10.5, "unit_amount": "0.20"},
        {"first_unit": 10.5, "last_unit": None, "unit_amount": "0.10"},
    ]


def test_packages() -> None:
    """The amount is that of a package."""
    assert computed("package", unit_amount=500, package_size=1000) == {
        "currency": "USD",
        "model_type": "package",
        "package_config": {"package_amount": "5.00", "package_size": 1000},
    }


@pytest.mark.parametrize(
    ("billing_scheme", "terms", "needs"),
    [
        ("per_unit", {}, "unit_amount"),
        ("per_unit", {"unit_amount": 1, "tiers": TIERS}, "unit_amount"),
        ("graduated", {"unit_amount": 1}, "tiers"),
        ("volume", {"tiers": TIERS, "package_size": 5}, "tiers"),
        ("package", {"unit_amount": 1}, "package_size and unit_amount"),
    ],
)
def test_a_scheme_takes_its_own_terms(billing_scheme: BillingScheme, terms: dict[str, Any], needs: str) -> None:
    """Missing and superfluous terms are both refused, with what the scheme takes."""
    with pytest.raises(ValueError, match=f"billing_scheme '{billing_scheme}' takes {needs} and no other terms"):
        computed(billing_scheme, **terms)


def test_an_unknown_scheme_is_refused() -> None:
    """The known ones are listed."""
    unknown: Any = "stairs"
    with pytest.raises(ValueError, match="must be one of per_unit, unit, tiered, graduated, volume, bulk, package"):
        computed(unknown, unit_amount=1)


@pytest.mark.parametrize(
    ("tiers", "problem"),
    [
        ([{"unit_amount": 1}, {"unit_amount": 2}], r"tiers\[0\] has no end, but only the last tier may have none"),
        ([{"upto": 5, "unit_amount": 1}], r"tiers\[0\] has no field 'upto'; it takes first_unit, last_unit, up_to"),
        ([{"up_to": 5, "last_unit": 5}], r"tiers\[0\] says last_unit and up_to"),
    ],
)
def test_tiers_that_say_nothing_clear_are_refused(tiers: list[PriceTier], problem: str) -> None:
    """The tier at fault is named."""
    with pytest.raises(ValueError, match=problem):
        computed("graduated", tiers=tiers)


@pytest.mark.parametrize(
    ("tier", "problem"),
    [
        ({"unit_amount": 0.1}, r"tiers\[0\]\.unit_amount must be an int or a Decimal, not float"),
        ({"flat_amount": "5"}, r"tiers\[0\]\.flat_amount must be an int or a Decimal, not str"),
        ({"up_to": "many"}, r"tiers\[0\]\.last_unit must be an int or a Decimal, not str"),
        ({"first_unit": 0.0}, r"tiers\[0\]\.first_unit must be an int or a Decimal, not float"),
    ],
)
def test_numbers_of_tiers_are_exact(tier: PriceTier, problem: str) -> None:
    """A float or a text is refused where it stands."""
    with pytest.raises(TypeError, match=problem):
        computed("graduated", tiers=[tier])


def test_a_quantity_comes_from_a_meter_or_is_fixed() -> None:
    """A metered price has a metric, a licensed one a quantity, one unless told otherwise."""
    assert measured_by("metered", meter_id="met_1", quantity=None) == {"billable_metric_id": "met_1"}
    assert encode(measured_by("licensed", meter_id=None, quantity=None)) == b'{"fixed_price_quantity":1}'
    assert encode(measured_by("licensed", meter_id=None, quantity=Decimal("2.5"))) == b'{"fixed_price_quantity":2.5}'


@pytest.mark.parametrize(
    ("kind", "meter_id", "quantity", "problem"),
    [
        ("metered", None, None, "a metered price needs a meter_id"),
        ("metered", "met_1", 3, "takes no quantity"),
        ("licensed", "met_1", 3, "a licensed price takes no meter_id"),
        ("rented", None, 3, 'type must be "metered" or "licensed", not \'rented\''),
    ],
)
def test_a_quantity_has_one_source(kind: str, meter_id: str | None, quantity: int | None, problem: str) -> None:
    """None and two are both refused."""
    with pytest.raises(ValueError, match=problem):
        measured_by(kind, meter_id=meter_id, quantity=quantity)
