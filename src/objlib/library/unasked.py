"""Files that are not sent unless asked: rules below those of the user, kept in one data file.

Names are asked for at every entry of a walk, so a cheap look decides first which are candidates.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

from objlib.library.ignore import IgnoreRules

HIDDEN = "hidden"
_WILD = re.compile(r"[*?\[\\]")


@lru_cache(maxsize=2)
def unasked_rules(*, hidden: bool = False) -> IgnoreRules:
    """Return the rules for what is left out by itself.

    Args:
        hidden: hidden files and folders are wanted.
    """
    rules = IgnoreRules()
    for reason, patterns in _groups():
        if not (hidden and reason == HIDDEN):
            rules = rules.by_default(reason, patterns, is_candidate)
    return rules


def is_candidate(name: str) -> bool:
    """Return False for a name that no rule is about."""
    starts, names, endings, rest = _shapes()
    lower = name.lower()
    return (
        lower[0] in starts
        or lower.rpartition(".")[2] in endings
        or lower in names
        or rest.search(lower) is not None
    )


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


@lru_cache(maxsize=1)
def _shapes() -> tuple[frozenset[str], frozenset[str], frozenset[str], re.Pattern[str]]:
    """First letters, whole names and endings that the rules begin with, are or end in; the rest."""
    starts, names, endings, rest = {"."}, set[str](), set[str](), [r"(?!)"]
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
                piece = max(re.split(r"\*|\[.*?\]", plain), key=len)
                rest.append(re.escape(piece))
    return frozenset(starts), frozenset(names), frozenset(endings), re.compile("|".join(rest))
