"""Which token may follow which. sqlglot reads past a missing THEN, AND or parenthesis; money does not.

This is the second wall: after it the parser has one way to read the text. It knows neither names nor kinds.
"""

from typing import Final, NoReturn

from sqlglot.tokenizer_core import Token, TokenType

from orbdo_server.core.metrics.errors import refuse
from orbdo_server.core.metrics.limits import NESTING_MAX, SIGNS_MAX
from orbdo_server.core.metrics.tokens import KEYWORDS, TYPES_WITH_TEXT

_PARTS: Final = {
    TokenType.COMMA: ",",
    TokenType.DASH: "sign",
    TokenType.DCOLON: "::",
    TokenType.DOT: ".",
    TokenType.FALSE: "value",
    TokenType.L_BRACKET: "[",
    TokenType.L_PAREN: "(",
    TokenType.NULL: "value",
    TokenType.NUMBER: "value",
    TokenType.PLUS: "sign",
    TokenType.R_BRACKET: "]",
    TokenType.R_PAREN: ")",
    TokenType.STAR: "*",
    TokenType.STRING: "value",
    TokenType.TRUE: "value",
}
_COMPARISONS: Final = {
    TokenType.EQ,
    TokenType.GT,
    TokenType.GTE,
    TokenType.LT,
    TokenType.LTE,
    TokenType.NEQ,
    TokenType.SLASH,
}

_VALUE: Final = frozenset({"(", "CASE", "name", "sign", "type", "value"})
_TRUTH: Final = _VALUE | {"NOT"}
_AFTER: Final = frozenset(
    {")", "*", ",", "::", "ALIAS", "AND", "BETWEEN", "ELSE", "END", "FILTER", "FROM", "IN", "IS", "LIKE", "OR", "THEN"}
    | {"WHEN", "WHERE", "infix NOT", "operator", "sign"}
)
_ENDS: Final = frozenset({")", "END", "]", "name", "value"})
"""What a value can end with."""

_FOLLOWERS: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("AND", "DISTINCT", "ELSE", "NOT", "OR", "SELECT", "THEN", "WHEN", "WHERE", ","), _TRUTH),
    **dict.fromkeys(("BETWEEN", "LIKE", "operator", "sign", "*"), _VALUE),
    **dict.fromkeys((".", "::", "ALIAS", "FROM"), frozenset({"name"})),
    **dict.fromkeys((")", "END", "]"), _AFTER),
    "(": _TRUTH | {")", "DISTINCT", "all"},
    "CASE": _VALUE | {"WHEN"},
    "FILTER": frozenset({"FILTER("}),
    "FILTER(": frozenset({"WHERE"}),
    "IN": frozenset({"("}),
    "IS": frozenset({"IS NOT", "value"}),
    "IS NOT": frozenset({"value"}),
    "[": frozenset({"value"}),
    "all": frozenset({")"}),
    "infix NOT": frozenset({"BETWEEN", "IN", "LIKE"}),
    "name": _AFTER | {"(", ".", "["},
    "start": _TRUTH | {"SELECT"},
    "type": frozenset({"value"}),
    "value": _AFTER | {"]"},
}
_CASE_STEPS: Final = {"CASE": {"WHEN"}, "ELSE": {"END"}, "THEN": {"ELSE", "END", "WHEN"}, "WHEN": {"THEN"}}
_CLOSES: Final = {")": {"(", "FILTER("}, "]": {"["}}


def check_syntax(sql: str, tokens: list[Token]) -> None:
    """Nothing when the tokens are in an order that SQL has; else ``InvalidMetricError`` at the first that is not."""
    _Order(sql, tokens).check()


class _Order:
    """One pass over the tokens: the part before, and what is open around it."""

    def __init__(self, sql: str, tokens: list[Token]) -> None:
        self._sql = sql
        self._tokens = tokens
        self._before = "start"
        self._open: list[str] = []
        self._signs = 0

    def check(self) -> None:
        for index, token in enumerate(self._tokens):
            part = self._part(index)
            if part not in _FOLLOWERS[self._before]:
                self._refuse(token)
            self._count_signs(token, part)
            self._enter_or_leave(token, part)
            self._before = part
        if self._before not in _ENDS or self._open:
            missing = (
                {"CASE": "END", "ELSE": "END", "THEN": "END", "[": "]"}.get(self._open[-1], ")") if self._open else ""
            )
            refuse(self._sql, len(self._sql), "the metric breaks off", f"{missing or 'a value'} is missing here")

    def _part(self, index: int) -> str:
        """What the token is at its place: NOT, * and a parenthesis are told apart by what stands before."""
        kind = self._tokens[index].token_type
        if kind not in _PARTS and kind not in KEYWORDS and kind not in _COMPARISONS:
            return self._name(index)
        if kind is TokenType.NOT:
            return "infix NOT" if self._before in _ENDS else "IS NOT" if self._before == "IS" else "NOT"
        if kind is TokenType.STAR and self._before == "(":
            return "all"
        if kind is TokenType.L_PAREN and self._before == "FILTER":
            return "FILTER("
        return "operator" if kind in _COMPARISONS else _PARTS.get(kind, kind.name)

    def _name(self, index: int) -> str:
        following = self._tokens[index + 1].token_type if index + 1 < len(self._tokens) else None
        is_type = self._tokens[index].token_type in TYPES_WITH_TEXT and following is TokenType.STRING
        return "type" if is_type else "name"

    def _count_signs(self, token: Token, part: str) -> None:
        self._signs = self._signs + 1 if part in {"NOT", "sign"} else 0
        if self._signs > SIGNS_MAX:
            refuse(self._sql, token.start, "too many signs in a row", f"at most {SIGNS_MAX} of NOT, + and -")

    def _enter_or_leave(self, token: Token, part: str) -> None:
        around = self._open[-1] if self._open else ""
        if part in {"(", "FILTER(", "[", "CASE"}:
            self._open.append(part)
        elif part in _CLOSES:
            self._leave(token, part)
        elif part in {"WHEN", "THEN", "ELSE", "END"}:
            self._step(token, part)
        elif part == "FROM" or (part == "WHERE" and around != "FILTER("):
            self._check_is_outside(token)
        if len(self._open) > NESTING_MAX:
            limit = f"at most {NESTING_MAX} parentheses and CASEs open"
            refuse(self._sql, token.start, "the metric nests too deeply", limit)

    def _leave(self, token: Token, part: str) -> None:
        if not self._open or self._open.pop() not in _CLOSES[part]:
            refuse(self._sql, token.start, f"{part!r} closes nothing", "open it first, and close what is inside")

    def _step(self, token: Token, part: str) -> None:
        if not self._open or part not in _CASE_STEPS.get(self._open[-1], ()):
            refuse(self._sql, token.start, f"{part} is out of place", "write CASE WHEN ... THEN ... ELSE ... END")
        self._open[-1:] = [] if part == "END" else [part]

    def _check_is_outside(self, token: Token) -> None:
        if self._open:
            self._refuse(token)

    def _refuse(self, token: Token) -> NoReturn:
        wanted = "an operator or the end" if self._before in _ENDS else "a value"
        shown = self._sql[token.start : token.end + 1][:40]
        refuse(self._sql, token.start, f"{shown!r} cannot stand here", f"{wanted} is expected")
