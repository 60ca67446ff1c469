"""Facets as links: the values of the metadata, each with the address that chooses it or lets go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from objlib.service.counts import Selection, Values

#: Values of a key that are offered before somebody asks for more.
OFFERED = 8
#: An address for what is chosen (`key:value` each), and a key of which more values are shown.
Addressing = Callable[[Sequence[str], str | None], str]


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of the metadata as a link: with it, or without it where it is chosen."""

    value: str
    #: None where it was not counted.
    files: int | None
    is_chosen: bool
    address: str


@dataclass(frozen=True, slots=True)
class Group:
    """The values of one key that are offered."""

    key: str
    choices: tuple[Choice, ...]
    #: Values that are not.
    more: int
    #: The same page with more of them; None where that is so already.
    more_address: str | None


def groups_of(
    values: Mapping[str, Values] | None,
    selection: Selection,
    address_of: Addressing,
    opened: str | None,
) -> list[Group]:
    """Return the facets of a page; without counts only what is chosen.

    Args:
        opened: the key of which more values are shown.
    """
    said = said_by(selection)
    keys = dict.fromkeys([*dict(selection.values), *sorted(values or {})])
    groups = [_group(key, values or {}, said, address_of, key == opened) for key in keys]
    return [one for one in groups if len(one.choices) > 1 or any(x.is_chosen for x in one.choices)]


def said_by(selection: Selection) -> list[str]:
    """Return the chosen values as an address says them."""
    return [f"{key}:{value}" for key, some in selection.values for value in some]


def _group(
    key: str,
    values: Mapping[str, Values],
    said: Sequence[str],
    address_of: Addressing,
    is_open: bool,
) -> Group:
    known = values.get(key)
    counted = {} if known is None else {str(one.value): one.files for one in known.named}
    chosen = [one.partition(":")[2] for one in said if one.startswith(f"{key}:")]
    offered = list(counted) if is_open else list(counted)[:OFFERED]
    shown = dict.fromkeys([*offered, *chosen])
    choices = tuple(
        Choice(value, counted.get(value), value in chosen, address_of(_toggled(said, name), None))
        for value in shown
        for name in (f"{key}:{value}",)
    )
    more = 0 if known is None else known.values - len(offered)
    return Group(key, choices, more, None if is_open or not more else address_of(said, key))


def _toggled(said: Sequence[str], name: str) -> list[str]:
    return [one for one in said if one != name] if name in said else [*said, name]
