"""The text of a metric as tokens, after the first wall: what could not be part of any metric never reaches the parser.

The parser reads every SQL dialect there is and takes exponential time on some nestings of type names, so it is given a
small language only: words that are not keywords here become plain names, only the functions of a metric are called, and
every character belongs to a token or is white space (a comment belongs to none). Nothing here understands the tokens.
"""

import re
from itertools import pairwise
from typing import Final, NoReturn

import msgspec
from sqlglot.dialects import DuckDB
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from orbdo_server.core.metrics.errors import refuse
from orbdo_server.core.metrics.limits import SQL_LENGTH_MAX, TOKENS_MAX

DIALECT: Final = DuckDB()

CALLABLE: Final = frozenset({"avg", "cast", "coalesce", "count", "max", "min", "sum"})
"""Every word that may be followed by a parenthesis; a function of a metric begins its life here and in ``grammar``."""

WHAT_IS_ALLOWED: Final = "a metric calls avg, count, max, min and sum, and cast and coalesce"

WHAT_A_METRIC_IS: Final = "a metric is SELECT one aggregate FROM events WHERE a condition"

KEYWORDS: Final = frozenset(
    {
        TokenType.ALIAS,
        TokenType.AND,
        TokenType.BETWEEN,
        TokenType.CASE,
        TokenType.DISTINCT,
        TokenType.ELSE,
        TokenType.END,
        TokenType.FALSE,
        TokenType.FILTER,
        TokenType.FROM,
        TokenType.IN,
        TokenType.IS,
        TokenType.LIKE,
        TokenType.NOT,
        TokenType.NULL,
        TokenType.OR,
        TokenType.SELECT,
        TokenType.THEN,
        TokenType.TRUE,
        TokenType.WHEN,
        TokenType.WHERE,
    }
)
_SIGNS: Final = frozenset(
    {
        TokenType.COMMA,
        TokenType.DASH,
        TokenType.DCOLON,
        TokenType.DOT,
        TokenType.EQ,
        TokenType.GT,
        TokenType.GTE,
        TokenType.LT,
        TokenType.LTE,
        TokenType.L_BRACKET,
        TokenType.L_PAREN,
        TokenType.NEQ,
        TokenType.PLUS,
        TokenType.R_BRACKET,
        TokenType.R_PAREN,
        TokenType.SLASH,
        TokenType.STAR,
    }
)
_LITERALS: Final = frozenset({TokenType.IDENTIFIER, TokenType.NUMBER, TokenType.STRING})
TYPES_WITH_TEXT: Final = frozenset({TokenType.DATE, TokenType.TIMESTAMP, TokenType.TIMESTAMPNTZ, TokenType.TIMESTAMPTZ})
_TYPE_PLACES: Final = frozenset({TokenType.ALIAS, TokenType.DCOLON})
_TYPES_WITH_DIGITS: Final = frozenset({"decimal", "numeric"})

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_WORD: Final = re.compile(r"[^\W\d]\w*(\s+\w+)*")

# Not the wall, only better words than "unexpected": none of these could pass the grammar either.
_CLAUSES: Final = {
    "EXCEPT": "a set operation",
    "GROUP BY": "GROUP BY",
    "HAVING": "HAVING",
    "INTERSECT": "a set operation",
    "INTO": "INTO",
    "JOIN": "a join",
    "LATERAL": "a join",
    "LIMIT": "LIMIT",
    "OFFSET": "OFFSET",
    "ORDER BY": "ORDER BY",
    "OVER": "a window function",
    "PIVOT": "PIVOT",
    "QUALIFY": "QUALIFY",
    "UNION": "a set operation",
    "UNPIVOT": "PIVOT",
    "USING": "USING",
    "WINDOW": "a window function",
    "WITH": "a common table expression",
}
RESERVED: Final = frozenset(
    {*_CLAUSES, *(kind.name for kind in KEYWORDS), "ALL", "ANY", "AS", "EVENTS", "IF", "PROPERTIES", "SOME"}
)
"""Words that name a property only when they are quoted and follow ``properties.``."""


def read_tokens(sql: str) -> list[Token]:
    """The tokens, without one semicolon at the end.

    Raises ``InvalidMetricError`` at the first character that no metric has: a comment, a second statement or SELECT, a
    sign or a call that is not of the language, a bare word beyond ASCII, or more of anything than ``limits`` allows.
    """
    _check_characters(sql)
    try:
        tokens = DIALECT.tokenize(sql)
    except TokenError:
        refuse(sql, len(sql), "a quote that was opened is not closed here", "close it, and write quotes in it twice")
    is_ended = bool(tokens) and tokens[-1].token_type is TokenType.SEMICOLON
    text = _Text(sql=sql, tokens=tokens[:-1] if is_ended else tokens)
    text.check_size()
    text.check_gaps(end=tokens[-1].start if is_ended else len(sql))
    if is_ended:
        text.check_gap(tokens[-1].end + 1, len(sql))
    for index in range(len(text.tokens)):
        text.check_token(index)
    return [text.plain(index) for index in range(len(text.tokens))]


def _check_characters(sql: str) -> None:
    if len(sql) > SQL_LENGTH_MAX:
        refuse(sql, SQL_LENGTH_MAX, "the metric is too long", f"at most {SQL_LENGTH_MAX} characters")
    if control := _CONTROL.search(sql):
        refuse(sql, control.start(), f"the control character U+{ord(control[0]):04X}", "write printable text")


class _Text(msgspec.Struct, frozen=True):
    """The text with its tokens; each check raises ``InvalidMetricError`` or returns nothing."""

    sql: str
    tokens: list[Token]

    def check_size(self) -> None:
        if not self.tokens:
            refuse(self.sql, 0, "the metric is empty", "write a SELECT over events, or an aggregate: sum(tokens)")
        if len(self.tokens) > TOKENS_MAX:
            self._refuse(TOKENS_MAX, "the metric is too long", f"at most {TOKENS_MAX} words and signs")

    def check_gaps(self, end: int) -> None:
        """Everything between tokens is white space, so that nothing the tokenizer drops goes unseen."""
        self.check_gap(0, self.tokens[0].start)
        for token, following in pairwise(self.tokens):
            self.check_gap(token.end + 1, following.start)
            if token.token_type is TokenType.NUMBER and following.start == token.end + 1 and self._is_word(following):
                refuse(self.sql, token.start, "a number that runs into a word", "write numbers as 12 or 0.5")
        self.check_gap(self.tokens[-1].end + 1, end)

    def check_gap(self, start: int, end: int) -> None:
        gap = self.sql[start:end]
        dropped = gap.lstrip(" \t\n\r")
        offset = start + len(gap) - len(dropped)
        if dropped.startswith(("--", "/*")):
            refuse(self.sql, offset, "a comment", "a metric holds no comments; its description is the place for them")
        if dropped:
            refuse(self.sql, offset, f"the character U+{ord(dropped[0]):04X}", "white space is blank, tab and newline")

    def check_token(self, index: int) -> None:
        kind = self.tokens[index].token_type
        before = self._kind(index - 1)
        if self._is_word(self.tokens[index]):
            self._check_word(index, before)
        elif kind is TokenType.SEMICOLON:
            self._refuse(index, "a second statement", "a metric is one SELECT or one aggregate")
        elif kind not in _SIGNS | _LITERALS:
            shown = self._source(self.tokens[index])[:20]
            self._refuse(index, f"{shown!r} is not part of a metric", "use names, numbers, + - * / ( ) = <> < <= > >=")
        elif kind is TokenType.L_BRACKET:
            self._check_bracket(index)
        elif kind is TokenType.L_PAREN and before in {TokenType.IDENTIFIER, TokenType.STRING}:
            self._refuse(index - 1, "something in quotes is called as a function", WHAT_IS_ALLOWED)

    def _check_word(self, index: int, before: TokenType | None) -> None:
        text = self.tokens[index].text
        if not text.isascii():
            self._refuse(index, f"the name {text[:20]!r} is not quoted", "names beyond ASCII stand in double quotes")
        if before is not TokenType.DOT:
            self._check_clause(index)
        if self._is_called(index, before):
            self._refuse(index, f"{text[:40]}() cannot be called in a metric", WHAT_IS_ALLOWED)

    def _check_clause(self, index: int) -> None:
        word = self.tokens[index].text.upper()
        if word in _CLAUSES or " " in word:
            found = _CLAUSES.get(word, word)
            self._refuse(index, f"{found} is not part of a metric", WHAT_A_METRIC_IS)
        if self.tokens[index].token_type is TokenType.SELECT and index:
            self._refuse(index, "a second SELECT", WHAT_A_METRIC_IS)

    def _is_called(self, index: int, before: TokenType | None) -> bool:
        """Whether a word is called that may not be; ``decimal(`` opens the digits of a type where a type stands."""
        token = self.tokens[index]
        if self._kind(index + 1) is not TokenType.L_PAREN:
            return False
        if before is TokenType.DOT:
            return True
        is_type = before in _TYPE_PLACES and token.text.lower() in _TYPES_WITH_DIGITS
        return not is_type and token.token_type not in KEYWORDS and token.text.lower() not in CALLABLE

    def _check_bracket(self, index: int) -> None:
        named = index > 0 and self.tokens[index - 1].text.lower() == "properties"
        if not named or [self._kind(index + 1), self._kind(index + 2)] != [TokenType.STRING, TokenType.R_BRACKET]:
            self._refuse(index, "a bracket", "brackets name one property: properties['tokens']")

    def plain(self, index: int) -> Token:
        """The token, as a plain name unless it is a keyword here or stands where a type does."""
        token = self.tokens[index]
        before = self._kind(index - 1)
        is_keyword = token.token_type in KEYWORDS and before is not TokenType.DOT
        is_typed = token.token_type in TYPES_WITH_TEXT and self._kind(index + 1) is TokenType.STRING
        if is_keyword or is_typed or before in _TYPE_PLACES or not self._is_word(token):
            return token
        return Token(TokenType.VAR, token.text, line=token.line, col=token.col, start=token.start, end=token.end)

    def _kind(self, index: int) -> TokenType | None:
        return self.tokens[index].token_type if 0 <= index < len(self.tokens) else None

    def _source(self, token: Token) -> str:
        return self.sql[token.start : token.end + 1]

    def _is_word(self, token: Token) -> bool:
        """Read from the source: the tokenizer gives a string such as ``$$x$$`` the text of a name."""
        return _WORD.fullmatch(self._source(token)) is not None

    def _refuse(self, index: int, found: str, expected: str) -> NoReturn:
        refuse(self.sql, self.tokens[index].start, found, expected)
