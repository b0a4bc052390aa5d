"""How large a metric may be. Each bound keeps hostile text cheap to refuse; real metrics stay far below all of them."""

from typing import Final

SQL_LENGTH_MAX: Final = 16_384
"""Characters of the text."""

TOKENS_MAX: Final = 2_048
"""Words, literals and signs of the text, which bounds the nodes of its tree as well."""

NESTING_MAX: Final = 16
"""Parentheses and CASEs open at once: sqlglot reads them by recursion, some 25 calls each."""

SIGNS_MAX: Final = 8
"""NOTs and signs that follow one another, for the same reason."""

DEPTH_MAX: Final = 64
"""Levels of the tree of one expression; a chain of n sums is n levels deep, a chain of ANDs or of ORs is one."""

AGGREGATES_MAX: Final = 32
"""Aggregates of one metric."""

PROPERTIES_MAX: Final = 64
"""Different properties that one metric reads."""

PROPERTY_NAME_LENGTH_MAX: Final = 128
"""Characters of the name of a property."""

NUMBER_DIGITS_MAX: Final = 26
"""Digits before the point of any number, the literals of a metric as well as what it computes."""

NUMBER_DECIMALS_MAX: Final = 12
"""Digits after the point of any number."""

GROUPS_MAX: Final = 8
"""Properties that usage may be grouped by at once."""

CONDITION_CHARACTERS_MAX: Final = 16_384
"""Characters of a condition once it is written for a database without columns in between: fourteen comparisons of
numbers or two products. A quotient is longer: written out like this it takes 50 microseconds an event."""
