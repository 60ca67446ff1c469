"""The result of reading a document: its text, and the parts that could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class NoText(ValueError):
    """No text can be had from these bytes."""

    #: google.rpc.Code INVALID_ARGUMENT.
    code = 3


class Unreadable(NoText):
    """The document itself is at fault. The message is for its owner."""


class Page(NamedTuple):
    """A part of a document that is read in one go.

    Args:
        number: the number of a page, from 1, of formats that have pages.
        name: the name of another part: "slide 4", "sheet Budget".
    """

    number: int | None
    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of a document that was not read, in words for its owner: "chapter 3 is missing"."""

    what: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The pages of a document, and what is missing from them, each in the document's order."""

    pages: tuple[Page, ...]
    missing: tuple[str, ...] = ()


#: A reader yields the parts of a document's text and, between them, what it could not read.
Reader = Callable[[bytes], Iterator[str | Page | Missing]]


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 picture", "2 pictures"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
