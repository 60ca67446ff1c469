"""Small pieces that several commands print."""

from __future__ import annotations

import json
from typing import Any

import click

from objlib.service.files import title

_UNITS = ("B", "KB", "MB", "GB", "TB")


#: Without these, Persian and many emoji are spelt wrongly; they move nothing.
_JOINERS = "\u200c\u200d"


def size(size_bytes: int) -> str:
    """Bytes for people: `4.5 MB`."""
    amount = float(size_bytes)
    for unit in _UNITS[:-1]:
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} {_UNITS[-1]}"


def count(number: int, noun: str) -> str:
    """`1 file`, `1,749 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def ago(seconds: float) -> str:
    """`just now`, `12 min ago`, `3 h ago`, `5 days ago`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    return f"{hours} h ago" if hours < 48 else f"{hours // 24} days ago"


def dollars(amount: float) -> str:
    """`under $0.01`, `$0.42`, `$1,749.00`."""
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else "under $0.01"


def one_line(text: str) -> str:
    """A path or a message that cannot break a line or move the cursor."""
    return "".join(
        character
        if character.isprintable() or character in _JOINERS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def text_lines(text: str) -> str:
    """A text of others that cannot move the cursor; its lines and tabs stay."""
    return "\n".join("\t".join(map(one_line, line.split("\t"))) for line in text.split("\n"))


def path_line(path: str) -> str:
    """The path of a row on one line; of a part of a file `big.txt, part 2`."""
    return one_line(title(path))


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
