r"""`metadataFilter`: the list-filter grammar of AIP-160, over a document's custom metadata.

    expression   sequence { AND sequence }
    sequence     factor { factor }                 side by side means AND
    factor       term { OR term }                  OR binds tighter than AND
    term         [ NOT | - ] simple
    simple       restriction | value | "(" expression ")"
    restriction  key comparator argument           comparators: = != < <= > >= :
    argument     value | "(" expression ")"        whose bare values are compared with the key

Strings in double or single quotes with backslash escapes, numbers bare. An unknown key or a type
that does not fit matches nothing and is no error. `:` asks whether a list (or a string) has a
value; `=` does the same for a list. A value alone asks it of every key. With `=`, `!=` and `:` a
`*` at an end of a value stands for any text: `"Rob*"`; `\*` is an asterisk.

Source: google.aip.dev/160.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MetadataValue = str | float | list[str]
Predicate = Callable[[Mapping[str, MetadataValue]], bool]

MAX_FILTER_CHARS = 8_192
MAX_DEPTH = 50


class FilterError(ValueError):
    """The filter does not parse; the message says where."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


_TOKENS = re.compile(
    r"""(?P<space>\s+)
      | (?P<comparator><=|>=|!=|=|<|>|:)
      | (?P<open>\()
      | (?P<close>\))
      | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<minus>-(?=[^\d\s.]))
      | (?P<word>[^\s()<>=!:"']+)
    """,
    re.VERBOSE | re.DOTALL,
)

_ORDERED: dict[str, Callable[[float | str, float | str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def parse_filter(text: str) -> Predicate:
    """A predicate over custom metadata.

    Raises:
        FilterError: with the position of the first thing that does not fit.
    """
    if len(text) > MAX_FILTER_CHARS:
        raise FilterError(f"the filter is longer than {MAX_FILTER_CHARS} characters")
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokenise(text))
        self._next = 0
        self._depth = 0
        self._end = len(text)
        self._subject: tuple[str, str] | None = None

    def parse(self) -> Predicate:
        if not self._tokens:
            return lambda _metadata: True
        predicate = self._expression()
        if (extra := self._peek()) is not None:
            raise FilterError(f"unexpected {extra.text!r} at position {extra.position}")
        return predicate

    def _expression(self, subject: tuple[str, str] | None = None) -> Predicate:
        """Read an expression, within an argument on behalf of its key and comparator."""
        outer, self._subject = self._subject, subject
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(f"the filter is nested deeper than {MAX_DEPTH} levels")
        parts = [self._sequence()]
        while self._take_word("AND"):
            parts.append(self._sequence())
        self._depth -= 1
        self._subject = outer
        return _all(parts)

    def _sequence(self) -> Predicate:
        parts = [self._factor()]
        while (token := self._peek()) is not None:
            if token.kind == "close" or (token.kind == "word" and token.text in ("AND", "OR")):
                break
            parts.append(self._factor())
        return _all(parts)

    def _factor(self) -> Predicate:
        parts = [self._term()]
        while self._take_word("OR"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda metadata: any(p(metadata) for p in parts)

    def _term(self) -> Predicate:
        token = self._peek()
        if token is not None and token.kind == "minus":
            self._next += 1
            return _not(self._simple())
        if self._take_word("NOT"):
            return _not(self._simple())
        return self._simple()

    def _simple(self) -> Predicate:
        token = self._take("a comparison")
        if token.kind == "open":
            return self._in_parentheses(self._subject)
        if token.kind not in ("word", "string"):
            raise FilterError(f"expected a key at position {token.position}, not {token.text!r}")
        following = self._peek()
        is_compared = following is not None and following.kind == "comparator"
        if not is_compared and token.kind == "word" and token.text in ("AND", "OR", "NOT"):
            raise FilterError(f"expected a value before {token.text} at position {token.position}")
        if self._subject is not None:
            if is_compared:
                raise FilterError(f"expected a value at position {token.position}, not a key")
            return _comparison(*self._subject, token)
        if not is_compared:
            return _anywhere(token)
        comparator = self._take("a comparator")
        key = _value_of(token)
        value = self._take(f"a value after {comparator.text!r}")
        if value.kind == "open":
            return self._in_parentheses((key, comparator.text))
        if value.kind not in ("word", "string"):
            raise FilterError(f"expected a value at position {value.position}")
        return _comparison(key, comparator.text, value)

    def _in_parentheses(self, subject: tuple[str, str] | None) -> Predicate:
        inner = self._expression(subject)
        closing = self._take("')'")
        if closing.kind != "close":
            raise FilterError(f"expected ')' at position {closing.position}")
        return inner

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, expected: str) -> _Token:
        token = self._peek()
        if token is None:
            raise FilterError(f"expected {expected} at position {self._end}")
        self._next += 1
        return token

    def _take_word(self, word: str) -> bool:
        token = self._peek()
        if token is not None and token.kind == "word" and token.text == word:
            self._next += 1
            return True
        return False


def _tokenise(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise FilterError(f"unexpected {text[position]!r} at position {position}")
        if match.lastgroup != "space":
            tokens.append(_Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return tokens


def _value_of(token: _Token) -> str:
    if token.kind != "string":
        return token.text
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text) else None


def _comparison(key: str, comparator: str, token: _Token) -> Predicate:
    text = _value_of(token)
    number = _number(token.text) if token.kind == "word" else None
    wild = _wildcards(token)
    pattern = _pattern(text, wild)

    def holds(metadata: Mapping[str, MetadataValue]) -> bool:
        value = metadata.get(key)
        if isinstance(value, list):
            has = any(pattern.fullmatch(item) for item in value)
            return has if comparator in (":", "=") else comparator == "!=" and not has
        if isinstance(value, float):
            if number is None or (comparator == ":" and value != number):
                return False
            return comparator == ":" or _ORDERED[comparator](value, number)
        if not isinstance(value, str):
            return False
        if comparator == ":":
            return _has(value, text, wild)
        if comparator in ("=", "!="):
            return (pattern.fullmatch(value) is not None) == (comparator == "=")
        return _ORDERED[comparator](value, text)

    return holds


def _anywhere(token: _Token) -> Predicate:
    """Return whether any key has a value, as `key:value` would ask."""

    def holds(metadata: Mapping[str, MetadataValue]) -> bool:
        return any(_comparison(key, ":", token)(metadata) for key in metadata)

    return holds


def _has(value: str, text: str, wild: tuple[bool, bool]) -> bool:
    """Return whether a string has a text in it, or fits it where a `*` is at an end."""
    if any(wild):
        return _pattern(text.casefold(), wild).fullmatch(value.casefold()) is not None
    return text.casefold() in value.casefold()


def _wildcards(token: _Token) -> tuple[bool, bool]:
    r"""Return for either end whether a `*` there stands for any text; `\*` is an asterisk."""
    raw = token.text[1:-1] if token.kind == "string" else token.text
    ends_wild = re.search(r"(?<!\\)(?:\\\\)*\*\Z", raw) is not None
    return raw.startswith("*"), ends_wild and len(raw) > 1


def _pattern(text: str, wild: tuple[bool, bool]) -> re.Pattern[str]:
    """Return the pattern of a value that is open at its wild ends."""
    before, after = (".*" if is_wild else "" for is_wild in wild)
    core = text[wild[0] : len(text) - wild[1]]
    return re.compile(before + re.escape(core) + after, re.DOTALL)


def _all(parts: list[Predicate]) -> Predicate:
    return parts[0] if len(parts) == 1 else lambda metadata: all(p(metadata) for p in parts)


def _not(part: Predicate) -> Predicate:
    return lambda metadata: not part(metadata)
