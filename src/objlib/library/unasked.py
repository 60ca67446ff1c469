"""Files that are not sent unless asked: rules below those of the user, kept in one data file.

Names are asked for at every entry of a walk, so a cheap look decides first which are candidates.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import resources

from objlib.library.ignore import Default, IgnoreRules

HIDDEN = "hidden"
_WILD = re.compile(r"[*?\[\\]")


@lru_cache(maxsize=2)
def unasked_rules(*, hidden: bool = False) -> IgnoreRules:
    """Return the rules for what is left out by itself.

    Args:
        hidden: hidden files and folders are wanted.
    """
    defaults = (
        Default(reason, tuple(patterns))
        for reason, patterns in reversed(_groups())
        if not (hidden and reason == HIDDEN)
    )
    return IgnoreRules(defaults=tuple(defaults), is_candidate=_candidates())


@lru_cache(maxsize=1)
def _candidates() -> Callable[[str], bool]:
    """Return a function that is False for a name no rule is about. A walk asks it of every file."""
    starts, names, endings, pieces = _shapes()

    def is_candidate(name: str) -> bool:
        lower = name.lower()
        if lower[0] in starts or lower in names or lower.rpartition(".")[2] in endings:
            return True
        for piece in pieces:  # noqa: SIM110 - a generator for each name takes twice the time
            if piece in lower:
                return True
        return False

    return is_candidate


@lru_cache(maxsize=1)
def _groups() -> list[tuple[str, list[str]]]:
    text = resources.files("objlib.library").joinpath("unasked.ignore").read_text("utf-8")
    groups: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("## "):
            groups.append((line[3:], []))
        elif line and not line.startswith("#"):
            groups[-1][1].append(line)
    return groups


def _shapes() -> tuple[frozenset[str], frozenset[str], frozenset[str], tuple[str, ...]]:
    """First letters, whole names and endings that the rules begin with, are or end in; the rest
    by a piece that the name must have."""
    starts, names, endings, rest = {"."}, set[str](), set[str](), set[str]()
    for _, patterns in _groups():
        for pattern in patterns:
            plain = pattern.rstrip("/").lower()
            if plain.startswith("*.") and not _WILD.search(plain[2:]) and "." not in plain[2:]:
                endings.add(plain[2:])
            elif not _WILD.search(plain):
                names.add(plain)
            elif plain[0] != "*":
                starts.add(plain.lstrip("\\")[0])
            else:
                rest.add(max(re.split(r"\*|\[.*?\]", plain), key=len))
    return frozenset(starts), frozenset(names), frozenset(endings), tuple(sorted(rest))
