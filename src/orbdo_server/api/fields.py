"""Fields that many requests share, with their bounds."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

METADATA_ENTRIES_MAX = 50
METADATA_KEY_LENGTH_MAX = 64
METADATA_VALUE_LENGTH_MAX = 500
ID_LENGTH_MAX = 64
EXTERNAL_ID_LENGTH_MAX = 255
NAME_LENGTH_MAX = 255
INTEGER_DIGITS_MAX = 18
DECIMALS_MAX = 20


def without_control_characters(text: str) -> str:
    """The text, which has none; they would forge lines of logs."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        message = "contains a control character"
        raise ValueError(message)
    return text


def _exact(value: object) -> object:
    """A number or a decimal string; a JSON boolean is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        message = "is not a number or a decimal string"
        raise ValueError(message)
    return value


def _without_nulls(value: object) -> object:
    """Orb's clients send null for a metadata entry to remove it; in a whole map that is the same as leaving it out."""
    if isinstance(value, dict):
        return {key: entry for key, entry in value.items() if entry is not None}
    return value


Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX), AfterValidator(without_control_characters)]
Id = Annotated[str, Field(min_length=1, max_length=ID_LENGTH_MAX)]
ExternalId = Annotated[
    str, Field(min_length=1, max_length=EXTERNAL_ID_LENGTH_MAX), AfterValidator(without_control_characters)
]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Exact = Annotated[
    Decimal,
    BeforeValidator(_exact),
    Field(max_digits=INTEGER_DIGITS_MAX + DECIMALS_MAX, decimal_places=DECIMALS_MAX, allow_inf_nan=False),
]
"""A Decimal that never was a float: at most 18 digits before the point and 20 behind it."""
Metadata = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=METADATA_KEY_LENGTH_MAX)],
        Annotated[str, Field(max_length=METADATA_VALUE_LENGTH_MAX)],
    ],
    BeforeValidator(_without_nulls),
    Field(max_length=METADATA_ENTRIES_MAX),
]
Cadence = Literal["one_time", "monthly", "quarterly", "semi_annual", "annual"]
