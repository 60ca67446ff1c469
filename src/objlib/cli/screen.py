"""Lines that can be read on a terminal of any width, and copied from; colours; progress.

Whatever is drawn, by us or by Rich, is cleaned first and gets our own colours then. On a terminal,
text is broken between words and continues below where it began. Lines that hold a path stay whole:
the terminal breaks them, so that what is copied is one piece. Without a terminal nothing is broken
at all. Rich sees to NO_COLOR, FORCE_COLOR and TERM=dumb.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from objlib.cli.cleaning import one_line, text_lines
from objlib.cli.terminal import beneath, write

#: What the rest of a broken line stands below of: the first word, behind a number or a sign.
_HANGING = re.compile(r"\s*(?:(?:[\d,]+|->|-|\[\d+\])\s+)?")


class Screen(Console):
    """Standard output, standard error, or a file in the place of one."""

    def __init__(
        self, file: IO[str] | None = None, *, is_for_notices: bool = False, **options: Any
    ) -> None:
        stream = beneath(sys.stderr if is_for_notices else sys.stdout)
        # No markup and no emoji: a file may be called "[red]" or ":smile:".
        super().__init__(
            file=stream if file is None else file,
            stderr=is_for_notices,  # also where that is closed: notices are no output
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
            **options,
        )

    @property
    def is_live(self) -> bool:
        """True if something on it can be drawn anew: FORCE_COLOR alone makes no terminal."""
        return self.file.isatty() and self.is_terminal and not self.is_dumb_terminal

    def say(self, line: str | Text = "", *, style: str | None = None, whole: bool = False) -> None:
        """Print one line; a line break in it is shown as what it is.

        Args:
            whole: do not break it, for it holds a path.
        """
        if self.quiet:
            return
        if isinstance(line, str):
            line = one_line(line)
            if style is None and not self.file.isatty():  # Rich takes 50 µs for each
                write(self.file, f"{line}\n", is_notice=self.stderr)
                return
        text = Text(line) if isinstance(line, str) else self._on_one_line(line)
        self._draw(text, style=style, whole=whole)

    def say_text(self, text: str) -> None:
        """Print a text; its lines stay."""
        self._draw(Text(text_lines(text)), style=None, whole=False)

    def _draw(self, text: Text, *, style: str | None, whole: bool) -> None:
        is_broken = self.file.isatty() and not whole
        self.print(self._broken(text) if is_broken else text, style=style)

    def _on_one_line(self, text: Text) -> Text:
        pieces = text.render(self)
        return Text.assemble(*((one_line(piece.text), piece.style or "") for piece in pieces))

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return what Rich draws, cleaned; its own moves of the cursor are no text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(text_lines(segment.text), segment.style)

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
