"""Checks a filter against the metadata of the files in the store.

The store answers an unknown key, and a comparison that cannot be true, with nothing at all. The
catalog knows better: it names the keys and values that there are.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from objlib.catalog.facets import Facet, Value

#: Names and values that a line lists.
_LISTED_MAX = 5
#: Filters are short; of one that is not the first comparisons are looked at.
_COMPARISONS_MAX = 100
#: Entries of a document's metadata that are objlib's own.
_OWN = "objlib_"

_COMPARISON = re.compile(
    r"""(?<!\w)(?P<key>[^\W\d]\w*)\s*(?P<comparator><=|>=|!=|=|<|>|:)\s*
        (?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s()<>=!:"']+)
      | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*'
    """,
    re.VERBOSE | re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")


@dataclass(frozen=True, slots=True)
class _Comparison:
    key: str
    comparator: str
    raw: str

    @property
    def is_quoted(self) -> bool:
        return self.raw[0] in "\"'"

    @property
    def text(self) -> str:
        return re.sub(r"\\(.)", r"\1", self.raw[1:-1]) if self.is_quoted else self.raw

    @property
    def is_number(self) -> bool:
        return not self.is_quoted and _NUMBER.fullmatch(self.raw) is not None


def doubts_about(metadata_filter: str, facets: Iterable[Facet], *, found: bool) -> list[str]:
    """Return a line for each comparison that cannot find anything.

    Args:
        found: the filter has found something; a value that no file has is no mistake then.
    """
    values = _by_key(facets)
    lines: dict[str, None] = {}
    for one in _comparisons(metadata_filter):
        if one.key.startswith(_OWN):
            continue
        known = values.get(one.key)
        if known is None:
            lines[_unknown(one.key, values)] = None
        elif (line := _mismatch(one, known)) or (not found and (line := _absent(one, known))):
            lines[line] = None
    return list(lines)


def with_equals(metadata_filter: str, facets: Iterable[Facet]) -> str:
    """Return a filter with `=` for `:` where a file has exactly the value.

    The generation before wrote `course:Ethics`. The store asks by `:` whether a list holds a value.
    """
    values = _by_key(facets)

    def replaced(match: re.Match[str]) -> str:
        if match["comparator"] != ":":
            return match[0]
        one = _Comparison(match["key"], ":", match["value"])
        for value in values.get(one.key, ()):
            if str(value).casefold() == one.text.casefold():
                return f"{one.key} = {quoted(value)}"
        return match[0]

    return _COMPARISON.sub(replaced, metadata_filter)


def quoted(value: Value) -> str:
    """Return a value as a filter has it."""
    if not isinstance(value, str):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _comparisons(metadata_filter: str) -> Iterator[_Comparison]:
    found = _COMPARISON.finditer(metadata_filter)
    for match, _ in zip((m for m in found if m["key"]), range(_COMPARISONS_MAX), strict=False):
        yield _Comparison(match["key"], match["comparator"], match["value"])


def _by_key(facets: Iterable[Facet]) -> Mapping[str, list[Value]]:
    values: defaultdict[str, list[Value]] = defaultdict(list)
    for facet in facets:
        values[facet.key].append(facet.value)
    return values


def _unknown(key: str, values: Mapping[str, Sequence[Value]]) -> str:
    near = difflib.get_close_matches(key, values, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"no file has the key {key!r}; there are {_listed(sorted(values))}{meant}"


def _mismatch(one: _Comparison, known: Sequence[Value]) -> str | None:
    numbers = [value for value in known if not isinstance(value, str)]
    if len(numbers) == len(known) and not one.is_number:
        bounds = f"numbers from {min(numbers)} to {max(numbers)}"
        return f"{one.key} holds {bounds}, and {one.raw} is a text"
    if not numbers and one.is_number and one.comparator not in ("=", "!=", ":"):
        return f"{one.key} holds texts, and {one.raw} is a number; there are {_shown(known)}"
    return None


def _absent(one: _Comparison, known: Sequence[Value]) -> str | None:
    if one.comparator in ("=", ":"):
        return _no_such_value(one, known)
    holds = _ORDERS.get(one.comparator)
    numbers = [value for value in known if not isinstance(value, str)]
    if holds and numbers and one.is_number and not any(holds(n, float(one.raw)) for n in numbers):
        bounds = f"from {min(numbers)} to {max(numbers)}"
        return f"no file has {one.key} {one.comparator} {one.raw}; it goes {bounds}"
    return None


_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def _no_such_value(one: _Comparison, known: Sequence[Value]) -> str | None:
    if one.is_number and any(not isinstance(v, str) and v == float(one.raw) for v in known):
        return None
    wanted = one.text.strip("*").casefold()
    texts = [str(value) for value in known]
    if any(wanted in text.casefold() for text in texts):
        is_exact = one.comparator == ":" or "*" in one.text
        if is_exact or any(text == one.text for text in texts):
            return None
    near = [] if one.is_number else difflib.get_close_matches(one.text, texts, 1, 0.7)
    meant = f"; did you mean {near[0]!r}?" if near else f"; there are {_shown(known)}"
    return f"no file has {one.key} = {one.raw}{meant}"


def _shown(values: Sequence[Value]) -> str:
    return _listed([repr(value) for value in values])


def _listed(names: Sequence[str]) -> str:
    if not names:
        return "none at all"
    more = len(names) - _LISTED_MAX
    return ", ".join(names[:_LISTED_MAX]) + (f" and {more} more" if more > 0 else "")
