"""Faults declared in a file, and the ready-made profiles.

A fault file is TOML:

    seed = 7                     # optional; the same seed and requests give the same trouble
    indexing_delay_s = 8.0       # optional; how long a document stays pending

    [[fault]]
    kind = "quota"
    route = "POST *:importFile"  # a glob over "METHOD template"; everything unless given
    per_minute = [[0, 600], [120, 300]]

The keys of a fault are the fields of `Fault`.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from objlib.filestore.faults import FaultPlan
from objlib.filestore.kinds import Fault, Kind

PROFILES = ("calm", "typical", "bad-day", "overload")

_TEXTS = frozenset({"route", "message"})
_WHOLE = frozenset({"times", "after", "status", "above"})
_SCHEDULES = frozenset({"seconds", "per_minute"})
_FIELDS = frozenset(field.name for field in dataclasses.fields(Fault))


class InvalidFaults(ValueError):
    """A declaration that cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Declared:
    """The content of a fault file."""

    faults: Sequence[Fault] = ()
    seed: int = 0
    indexing_delay_s: float = 0.0


def load_faults(name: str | None, *, latency_s: float = 0.0) -> Declared | None:
    """The faults of a ready-made profile or a file, and some latency on top; None for neither.

    Raises:
        InvalidFaults: there is no such profile or file, or it cannot be used.
    """
    if name is None and latency_s == 0:
        return None
    declared = Declared() if name is None else _load(name)
    if latency_s == 0:
        return declared
    try:
        latency = Fault(Kind.LATENCY, seconds=latency_s)
    except ValueError as error:
        raise InvalidFaults(f"latency: {error}") from error
    return dataclasses.replace(declared, faults=[*declared.faults, latency])


def _load(name: str) -> Declared:
    if name in PROFILES:
        text = resources.files("objlib.filestore").joinpath(f"profiles/{name}.toml").read_text()
    else:
        try:
            text = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidFaults(
                f"{name} is no profile ({', '.join(PROFILES)}) and no file that can be read"
            ) from error
    try:
        return read_faults(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidFaults(f"{name} is no TOML: {error}") from error
    except InvalidFaults as error:
        raise InvalidFaults(f"{name}: {error}") from error


def read_faults(declaration: Any) -> Declared:
    """A declaration as parsed from TOML or JSON.

    Raises:
        InvalidFaults: with the number of the fault and the key.
    """
    if not isinstance(declaration, Mapping):
        raise InvalidFaults("a table is expected")
    if unknown := declaration.keys() - {"seed", "indexing_delay_s", "fault"}:
        raise InvalidFaults(f"unknown key {min(unknown)!r}")
    seed = declaration.get("seed", 0)
    delay_s = declaration.get("indexing_delay_s", 0.0)
    entries = declaration.get("fault", [])
    if not _is_whole(seed):
        raise InvalidFaults("seed must be a whole number")
    if not _is_number(delay_s) or delay_s < 0:
        raise InvalidFaults("indexing_delay_s must be a number that is not negative")
    if not isinstance(entries, list):
        raise InvalidFaults("fault must be a list of tables")
    faults = [_fault(number, entry) for number, entry in enumerate(entries, start=1)]
    return Declared(faults, seed, float(delay_s))


def faults_json(plan: FaultPlan, indexing_delay_s: float) -> dict[str, Any]:
    """A plan as it stands: a declaration with its time and the number of hits."""
    return {
        "seed": plan.seed,
        "indexing_delay_s": indexing_delay_s,
        "elapsed_s": round(plan.elapsed_s(), 3),
        "fault": [
            {**_given(fault), "hits": plan.hits.get(index, 0)}
            for index, fault in enumerate(plan.faults)
        ],
    }


def _given(fault: Fault) -> dict[str, Any]:
    """The fields of a fault that differ from their defaults."""
    return {
        field.name: getattr(fault, field.name)
        for field in dataclasses.fields(Fault)
        if getattr(fault, field.name) != field.default
    }


def _fault(number: int, entry: Any) -> Fault:
    if not isinstance(entry, Mapping):
        raise InvalidFaults(f"fault {number} must be a table")
    if entry.get("kind") not in list(Kind):
        raise InvalidFaults(f"fault {number}: unknown kind {entry.get('kind')!r}")
    for key, value in entry.items():
        if key not in _FIELDS:
            raise InvalidFaults(f"fault {number}: unknown key {key!r}")
        if not _fits(key, value):
            raise InvalidFaults(f"fault {number}: {key} cannot be {value!r}")
    try:
        return Fault(**{**entry, "kind": Kind(entry["kind"])})
    except ValueError as error:
        raise InvalidFaults(f"fault {number}: {error}") from error


def _fits(key: str, value: Any) -> bool:
    if key in _TEXTS or key == "kind":
        return isinstance(value, str)
    if key == "hint":
        return isinstance(value, bool)
    if key in _WHOLE:
        return _is_whole(value)
    if key in _SCHEDULES and isinstance(value, list):
        return all(isinstance(step, list) and all(map(_is_number, step)) for step in value)
    return _is_number(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
