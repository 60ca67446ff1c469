"""A console whose lines can be read on a terminal of any width, and copied from.

On a terminal, text is broken between words and continues below where it began. Lines that hold a
path are printed with `soft_wrap=True`: the terminal breaks them, so that what is copied is whole.
Without a terminal nothing is broken at all. Rich sees to NO_COLOR, FORCE_COLOR and TERM=dumb.
"""

from __future__ import annotations

import io
import re
from typing import Any

from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

#: What the rest of a broken line stands below of: the first word, behind a number or a sign.
_HANGING = re.compile(r"\s*(?:(?:[\d,]+|->|-|\[\d+\])\s+)?")


class Screen(Console):
    """Standard output or standard error."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, soft_wrap=True, **options)

    @property
    def is_live(self) -> bool:
        """True if something on it can be drawn anew: FORCE_COLOR alone makes no terminal."""
        return self.file.isatty() and self.is_terminal and not self.is_dumb_terminal

    def print(self, *objects: Any, **options: Any) -> None:
        """As Rich does; text for a terminal is broken between words first."""
        if len(objects) == 1 and "soft_wrap" not in options and self.file.isatty():
            (text,) = objects
            if isinstance(text, str):
                text = self.render_str(text, markup=options.get("markup"), highlight=False)
            if isinstance(text, Text):
                objects = (self._broken(text),)
        super().print(*objects, **options)

    def status(self, status: RenderableType, **options: Any) -> Status:
        """A moving line where lines can move, and nothing elsewhere."""
        if self.is_live and not self.quiet:
            return super().status(status, **options)
        return Status(status, console=Console(file=io.StringIO(), force_terminal=False))

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # Rich would exit with 1; `main` knows better

    def _broken(self, text: Text) -> Text:
        lines = [line for whole in text.split("\n", allow_blank=True) for line in self._wrap(whole)]
        return Text("\n").join(lines)

    def _wrap(self, line: Text) -> list[Text]:
        if line.cell_len <= self.width:
            return [line]
        found = _HANGING.match(line.plain)
        indent = found.end() if found and found.end() <= self.width // 2 else 0
        head, body = line[:indent], line[indent:]
        broken = list(body.wrap(self, self.width - indent))
        for part in broken:
            part.rstrip()
        return [head + broken[0], *(Text(" " * indent) + part for part in broken[1:])]
