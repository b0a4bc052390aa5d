"""What all price models share: which numbers they take, bounds, corrections, storage and the wire."""

from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbdo_sdk.wire import decode, encode
from orbdo_server.core.errors import InvalidPriceError, InvalidQuantityError
from orbdo_server.core.prices import MODEL_TYPES, Charge, PriceConfig, TieredConfig, charge, parse_config, to_wire
from orbdo_server.core.prices.charges import QUANTITY_DECIMALS_MAX, QUANTITY_INTEGER_DIGITS_MAX
from orbdo_server.core.prices.reading import (
    NUMBER_DECIMALS_MAX,
    NUMBER_INTEGER_DIGITS_MAX,
    NUMBER_TEXT_MAX,
    TIERS_MAX,
)

PRICES: list[PriceConfig] = [
    parse_config("unit", {"unit_amount": "0.0000015"}),
    parse_config(
        "tiered",
        {
            "tiers": [
                {"first_unit": 0, "last_unit": "0.5", "unit_amount": "3", "flat_amount": "1.25"},
                {"first_unit": "0.5", "last_unit": 100, "unit_amount": "0.1"},
                {"first_unit": 100, "unit_amount": "0.05", "flat_amount": "2"},
            ]
        },
    ),
    parse_config(
        "bulk",
        {"tiers": [{"maximum_units": 100, "unit_amount": "0.1", "flat_amount": "5"}, {"unit_amount": "0.05"}]},
    ),
    parse_config("package", {"package_amount": "1.50", "package_size": 7}),
]
QUANTITIES = st.one_of(
    st.decimals(min_value=-(10**6), max_value=10**6, places=6),
    st.decimals(min_value=-(10**37), max_value=10**37, places=12),
)
RATES = st.decimals(min_value=0, max_value=10**6, places=9)


@st.composite
def configs(draw: st.DrawFn) -> PriceConfig:
    """Any price of any model."""
    maxima = sorted(draw(st.sets(st.decimals(min_value="0.001", max_value=10**6, places=3), max_size=6)))
    bounds: list[Decimal | None] = [Decimal(0), *maxima, None]
    match draw(st.sampled_from(MODEL_TYPES)):
        case "unit":
            return parse_config("unit", {"unit_amount": draw(RATES)})
        case "package":
            size = draw(st.integers(1, 10**6))
            return parse_config("package", {"package_amount": draw(RATES), "package_size": size})
        case "bulk":
            return parse_config("bulk", {"tiers": [_rates(draw) | {"maximum_units": last} for last in bounds[1:]]})
        case _:
            tiers = [_rates(draw) | {"first_unit": first, "last_unit": last} for first, last in pairwise(bounds)]
            return parse_config("tiered", {"tiers": tiers})


def _rates(draw: st.DrawFn) -> dict[str, object]:
    return {"unit_amount": draw(RATES), "flat_amount": draw(st.none() | RATES)}


@given(config=configs(), quantity=QUANTITIES)
def test_rows_add_up_to_the_amount(config: PriceConfig, quantity: Decimal) -> None:
    """The tiers of a charge hold the whole quantity and add up to its amount, and each is rate times quantity."""
    charged = charge(config, quantity)
    with localcontext(prec=200):
        if charged.tiers:
            assert sum(tier.amount for tier in charged.tiers) == charged.amount
            assert sum(tier.quantity for tier in charged.tiers) == quantity
        for tier in charged.tiers:
            assert tier.quantity * tier.unit_amount + tier.flat_amount == tier.amount


@given(config=configs(), quantity=QUANTITIES)
def test_a_correction_costs_the_negative(config: PriceConfig, quantity: Decimal) -> None:
    """Taking a quantity back costs the negative of it, row by row, and never a negative zero."""
    charged, corrected = charge(config, quantity), charge(config, quantity.copy_negate())
    assert corrected.amount == charged.amount.copy_negate()
    assert [tier.amount for tier in corrected.tiers] == [tier.amount.copy_negate() for tier in charged.tiers]
    assert not (corrected.amount == 0 and corrected.amount.is_signed())


@given(config=configs(), quantity=QUANTITIES)
def test_the_caller_s_precision_does_not_matter(config: PriceConfig, quantity: Decimal) -> None:
    """A charge is exact whatever decimal context is in force, and leaves that context as it was."""
    exact = charge(config, quantity)
    with localcontext(prec=2) as ambient:
        assert charge(config, quantity) == exact
        assert parse_config(_model_type(config), to_wire(config)) == config
        assert ambient.prec == 2


@given(config=configs())
def test_a_price_survives_storage_and_the_wire(config: PriceConfig) -> None:
    """A price is the same after storage as tagged JSON, and after an answer was sent back as a request."""
    stored = msgspec.json.encode(config)
    assert msgspec.json.decode(stored, type=PriceConfig) == config
    answered = decode(encode(to_wire(config)), dict[str, Any])
    assert parse_config(_model_type(config), _exact(answered)) == config


def _model_type(config: PriceConfig) -> str:
    tag = type(config).__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _exact(value: Any) -> Any:
    # The API reads JSON numbers as Decimal; here a double's shortest text stands for the digits that were sent.
    match value:
        case dict():
            return {key: _exact(item) for key, item in value.items()}
        case list():
            return [_exact(item) for item in value]
        case float():
            return repr(value)
        case _:
            return value


@pytest.mark.parametrize("config", PRICES)
@pytest.mark.parametrize("nothing", ["0", "-0", "0.000"])
def test_nothing_costs_nothing(config: PriceConfig, nothing: str) -> None:
    """A quantity of zero costs zero and enters no tier, also where a tier has a flat amount."""
    assert charge(config, Decimal(nothing)) == Charge(amount=Decimal(0), tiers=())


@pytest.mark.parametrize("config", PRICES)
@pytest.mark.parametrize("quantity", [1.5, 1, "1", None, True])
def test_quantities_are_decimals(config: PriceConfig, quantity: Any) -> None:
    """A float, and anything else that is no Decimal, is not a quantity."""
    with pytest.raises(TypeError, match="a quantity is a Decimal"):
        charge(config, quantity)


@pytest.mark.parametrize("config", PRICES)
def test_quantities_have_bounds(config: PriceConfig) -> None:
    """The largest and the finest quantity are priced exactly; one digit more is refused."""
    charge(config, Decimal("9" * QUANTITY_INTEGER_DIGITS_MAX + "." + "9" * QUANTITY_DECIMALS_MAX))
    charge(config, Decimal(1).scaleb(-QUANTITY_DECIMALS_MAX))
    for past in (Decimal(1).scaleb(QUANTITY_INTEGER_DIGITS_MAX), Decimal(1).scaleb(-QUANTITY_DECIMALS_MAX - 1)):
        with pytest.raises(InvalidQuantityError) as caught:
            charge(config, past)
        assert (caught.value.code, caught.value.field) == ("invalid_quantity", "quantity")


@pytest.mark.parametrize("quantity", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "-1E-999999"])
def test_what_is_no_finite_quantity_is_refused(quantity: str) -> None:
    """Not-a-number, infinity and absurd exponents have no price."""
    with pytest.raises(InvalidQuantityError):
        charge(PRICES[0], Decimal(quantity))


def test_quantities_are_counted_without_exponent() -> None:
    """A quantity written as 1E+3 is the thousand units it says, in its rows too."""
    charged = charge(PRICES[2], Decimal("1E+3"))
    assert [str(tier.quantity) for tier in charged.tiers] == ["1000"]
    assert str(charge(PRICES[2], Decimal("-1E+3")).tiers[0].quantity) == "-1000"


@pytest.mark.parametrize("model_type", ["", "graduated", "UNIT", "matrix", "x" * 1_000])
def test_unknown_model_is_refused(model_type: str) -> None:
    """A model that is not known is refused with the ones that are."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config(model_type, {})
    assert caught.value.field == "model_type"
    assert caught.value.expected == "one of unit, tiered, bulk, package"


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("config", [None, "1", 1, ["unit_amount"]])
def test_configuration_is_an_object(model_type: str, config: Any) -> None:
    """What is no object is no configuration."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config(model_type, config)
    assert caught.value.field == f"{model_type}_config"


@pytest.mark.parametrize(
    ("model_type", "field"),
    [
        ("unit", "unit_config.unit_amount"),
        ("tiered", "tiered_config.tiers"),
        ("bulk", "bulk_config.tiers"),
        ("package", "package_config.package_amount"),
    ],
)
def test_empty_configuration_is_refused(model_type: str, field: str) -> None:
    """What a model needs is asked for by name."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config(model_type, {})
    assert caught.value.field == field


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_unknown_fields_are_refused(model_type: str) -> None:
    """A field that no model knows is refused, since ignoring it would bill something else than was asked for."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config(model_type, {"minimum_amount": "5"})
    assert caught.value.field == f"{model_type}_config"
    assert caught.value.message == "has a field that is not supported: 'minimum_amount'"


@pytest.mark.parametrize("number", [10, "10", "1E+1", "1e1", Decimal(10), Decimal("1E+1")])
def test_numbers_may_be_written_in_several_ways(number: object) -> None:
    """An int, a Decimal and a decimal string say the same rate, with an exponent or without."""
    assert to_wire(parse_config("unit", {"unit_amount": number})) == {"unit_amount": "10"}


NO_RATES: list[object] = [
    *(
        "",
        " 1",
        "1 ",
        "1_000",
        "+1",
        "--1",
        "0x10",
        "1,5",
        ".5",
        "10.",
        "NaN",
        "Infinity",
        "1E",
        "1E+1000",
        "-1",
        "-0.01",
    ),
    *("\u0661", -1, True, False, [1], {}, b"1"),
    *(Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal(-1)),
]


@pytest.mark.parametrize("number", NO_RATES)
def test_what_is_no_rate_is_refused(number: object) -> None:
    """Text that is no plain decimal number, numbers below zero and values of other types are no rate."""
    with pytest.raises(InvalidPriceError) as caught:
        parse_config("unit", {"unit_amount": number})
    assert (caught.value.code, caught.value.field) == ("invalid_price", "unit_config.unit_amount")


@pytest.mark.parametrize("number", [0.5, 1.0, float("nan")])
def test_float_rates_are_a_type_error(number: float) -> None:
    """A float in a configuration is a mistake of the program, which should have read a Decimal."""
    with pytest.raises(TypeError, match=r"unit_config\.unit_amount is a float"):
        parse_config("unit", {"unit_amount": number})


def test_negative_zero_is_zero() -> None:
    """A rate of minus zero is kept as zero."""
    assert to_wire(parse_config("unit", {"unit_amount": "-0.00"})) == {"unit_amount": "0.00"}


@pytest.mark.parametrize(
    ("at_the_bound", "past"),
    [
        ("9" * NUMBER_INTEGER_DIGITS_MAX, "1" + "0" * NUMBER_INTEGER_DIGITS_MAX),
        ("0." + "0" * (NUMBER_DECIMALS_MAX - 1) + "1", "0." + "0" * NUMBER_DECIMALS_MAX + "1"),
        (Decimal("1E+19"), Decimal("1E+20")),
        (10**NUMBER_INTEGER_DIGITS_MAX - 1, 10**NUMBER_INTEGER_DIGITS_MAX),
        ("1".rjust(NUMBER_TEXT_MAX, "0"), "1".rjust(NUMBER_TEXT_MAX + 1, "0")),
    ],
)
def test_numbers_have_bounds(at_the_bound: object, past: object) -> None:
    """The longest number is accepted, one digit more is refused."""
    parse_config("unit", {"unit_amount": at_the_bound})
    with pytest.raises(InvalidPriceError) as caught:
        parse_config("unit", {"unit_amount": past})
    assert caught.value.expected == "a number of at least 0 with at most 20 digits before the point and 20 after it"


def test_tiers_have_a_bound() -> None:
    """The most tiers are accepted, one more is refused, and so are none and what is no list."""
    tiers = [{"first_unit": unit, "last_unit": unit + 1, "unit_amount": 1} for unit in range(TIERS_MAX + 1)]
    price = parse_config("tiered", {"tiers": tiers[:TIERS_MAX]})
    assert isinstance(price, TieredConfig)
    assert len(price.tiers) == TIERS_MAX
    wrong_tiers: list[object] = [tiers, [], None, {}, "tiers"]
    for wrong in wrong_tiers:
        with pytest.raises(InvalidPriceError) as caught:
            parse_config("tiered", {"tiers": wrong})
        assert (caught.value.field, caught.value.expected) == ("tiered_config.tiers", "1 to 100 tiers")
