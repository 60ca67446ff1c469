"""Settings as values: the kinds that they have, their bounds, and how a text becomes one.

A file gives typed values and the environment gives texts; both become what the annotation says, or
a `ValueError` whose message says what the value must be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Literal, Self, get_args, get_origin


@dataclass(frozen=True, slots=True)
class About:
    """The meaning of a setting, and the bounds of a number."""

    #: For people.
    description: str
    #: The smallest number that it may be.
    least: float | None = None
    #: A number that it must be above.
    above: float | None = None
    #: The largest number that it may be.
    most: float | None = None

    def check(self, number: float) -> None:
        """Raise `ValueError` for a number out of bounds."""
        if self.least is not None and number < self.least:
            raise ValueError(f"it must be {self.least:g} or more")
        if self.above is not None and number <= self.above:
            raise ValueError(f"it must be more than {self.above:g}")
        if self.most is not None and number > self.most:
            raise ValueError(f"it must be {self.most:g} or less")


@dataclass(frozen=True, slots=True)
class Setting:
    """A field of `Settings`: its name, and the values that it may have."""

    name: str
    #: Its type.
    kind: Any
    default: Any
    about: About

    @classmethod
    def of(cls, name: str, annotation: Any, default: object) -> Self:
        """Return the setting that a field is, annotated with its kind and an `About`."""
        kind, about = get_args(annotation)
        return cls(name, kind, default, about)

    def converted(self, value: object) -> Any:
        """Return a value as the kind of this setting.

        Raises:
            ValueError: it makes no sense; the message says what it must be.
        """
        found = _converted(self.kind, value)
        if self.kind is str and not found:
            raise ValueError("it must not be empty")
        if isinstance(found, int | float) and not isinstance(found, bool):
            self.about.check(found)
        return found

    def parsed(self, text: str) -> object:
        """Return what a text of the environment says: a list is written as JSON."""
        if get_origin(self.kind) not in (tuple, Mapping):
            return text
        try:
            return json.loads(text)
        except ValueError as error:
            if get_origin(self.kind) is Mapping:
                raise ValueError("it is no table; in the environment it is JSON") from error
            raise ValueError(
                "it is no list; in the environment a list is written as JSON: "
                f"""OBJLIB_{self.name.upper()}='["one", "another"]'"""
            ) from error


def _converted(kind: Any, value: object) -> Any:
    parts = get_args(kind)
    if get_origin(kind) is UnionType or type(None) in parts:
        return None if value is None else _converted(parts[0], value)
    if get_origin(kind) is Literal:
        if isinstance(value, str) and value in parts:
            return value
        raise ValueError(f"it must be one of {', '.join(map(json.dumps, parts))}")
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError("it must be a list")
        return tuple(_converted(parts[0], one) for one in value)
    if get_origin(kind) is Mapping:
        if not isinstance(value, Mapping):
            raise ValueError("it must be a table")
        return {_text(name): _words(one) for name, one in value.items()}
    return _CONVERTERS[kind](value)


def _words(value: object) -> str | tuple[str, ...]:
    """A text, or a list of texts."""
    if isinstance(value, list | tuple):
        return tuple(map(_text, value))
    return _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("it must be a text")
    return value


def _path(value: object) -> Path:
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise ValueError("it must be a path")
    return Path(value)


_YES, _NO = ("true", "yes", "on", "1", "t", "y"), ("false", "no", "off", "0", "f", "n")


def _flag(value: object) -> bool:
    said = str(value).strip().lower()
    if not isinstance(value, bool | int | str) or said not in _YES + _NO:
        raise ValueError("it must be true or false")
    return said in _YES


def _number(value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError("it must be a number")
    return number


def _whole(value: object) -> int:
    try:
        number = _number(value)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise ValueError("it must be a whole number")
    return int(number)


_CONVERTERS: Mapping[Any, Callable[[object], Any]] = MappingProxyType(
    {str: _text, Path: _path, bool: _flag, float: _number, int: _whole}
)
