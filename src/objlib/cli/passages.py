"""Passages and the files they come from, printed by `search` and `ask` alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.style import Style
from rich.text import Text

from objlib import AnswerOutcome, Citation, RestsOn, SearchResult
from objlib.cli.cleaning import one_line
from objlib.cli.screen import Screen
from objlib.errors import ConfigurationError
from objlib.service.files import is_on_disk
from objlib.service.words import matched

PASSAGE_CHARS = 280
_INDENT = "    "
#: FinishReason and BlockReason of the Gemini API.
_BLOCKED = {
    "RECITATION": "it repeated too much of a text word for word; ask in other words",
    "SAFETY": "it was taken for unsafe; ask in other words",
    "PROHIBITED_CONTENT": "it touches what the model may not speak of",
    "BLOCKLIST": "it holds a word that the model may not say",
    "SPII": "it holds personal data that the model may not say",
    "LANGUAGE": "the model does not speak this language",
}
#: Shown where some sentences have no passage behind them.
_PARTLY_OWN = "Some of this is the model's own: what `objlib ask` gives no number."
#: No word that a passage must not be cut in is longer.
_WORD_CHARS = 24


def print_citation(
    console: Screen, number: int, citation: Citation, root: Path, question: str, *, passage: bool
) -> None:
    """`[n] path`, a link where the terminal knows links, and the passage below it.

    Args:
        root: the library's folder, for the link.
        question: its words are set off in the passage.
    """
    line = Text(f"[{number}] ", style="bold")
    if citation.path is None:
        line.append(one_line(f"{citation.title} (not ours)"))
    else:
        link = (root / citation.path).as_uri()
        line.append(one_line(citation.path), Style(bold=True, link=link))
        line.append(f", part {citation.part}" if citation.part is not None else "")
    line.append(one_line(_place(citation)))
    console.say(line, whole=True)
    if passage:
        console.say(Text(_INDENT) + _highlighted(_around(citation.text, question), question))
        console.say(f"{_INDENT}found by: {_reasons(citation)}", style="dim")


def print_line_between(console: Screen, citations: Sequence[Citation]) -> None:
    """Print the line between an answer and what stands behind it."""
    is_ours = any(citation.path is not None for citation in citations)
    console.say()
    console.say("From your library:" if is_ours else "From the store:", style="dim")


def _place(citation: Citation) -> str:
    """Return the place behind a file's name: a slide, a sheet, a page, a heading or a line."""
    if citation.place is not None:
        return f", {citation.place}"
    if citation.page is not None:
        return f", p. {citation.page}"
    if citation.heading is not None:
        return f", § {citation.heading}"
    return f", line {citation.line}" if citation.line is not None and citation.line > 1 else ""


def _reasons(citation: Citation) -> str:
    why = citation.why
    reasons = [", ".join(why.words)] if why.words else []
    reasons += [f"near: {word}" for word in why.near.values()]
    reasons += [f"{key} {value}" for key, value in why.named.items()]
    return "; ".join(reasons) or "its meaning"


def print_answer(console: Screen, result: SearchResult, text: str) -> None:
    """Print an answer's text, and below it what is to be known of how it ended."""
    if text:
        console.say_text(text)
    if (note := note_on(result)) is not None:
        console.say(note, style="yellow")
    elif result.rests_on is RestsOn.BOTH:
        console.say(_PARTLY_OWN, style="yellow")
    for doubt in result.doubts:
        console.say(f"About --filter: {doubt}", style="yellow")


def note_on(result: SearchResult) -> str | None:
    """Return a line about an answer that is not what it seems; None where all is well."""
    match result.outcome:
        case AnswerOutcome.BLOCKED:
            why = _BLOCKED.get(result.reason, "the model refused; ask in other words")
            return f"The answer was blocked ({result.reason}): {why}."
        case AnswerOutcome.CUT:
            return f"The answer was cut short ({result.reason}): its end is missing."
        case AnswerOutcome.EMPTY:
            return "The model gave no answer; ask again, or in other words."
        case AnswerOutcome.UNGROUNDED:
            return "Not from your library: no file backs this answer."
    return None


def open_file(citations: Sequence[Citation], number: int, root: Path) -> None:
    """Open the file of a citation with whatever program the system has for it.

    Raises:
        ConfigurationError: there is no such citation or file, or nothing to open it with.
    """
    if not 1 <= number <= len(citations):
        raise ConfigurationError(f"there is no citation {number}; there are {len(citations)}")
    path = citations[number - 1].path
    if path is None:
        raise ConfigurationError(f"citation {number} is of a document that is not of this library")
    if not is_on_disk(root, path):
        raise ConfigurationError(f"{path} is not there any more; run objlib sync")
    if click.launch(str(root / path)) != 0:
        raise ConfigurationError(f"no program was found to open {path} with")


def _highlighted(passage: str, question: str) -> Text:
    text = Text(one_line(passage))
    for start, end in matched(text.plain, question):
        text.stylize("bold yellow", start, end)
    return text


def _around(passage: str, question: str) -> str:
    """A passage on one line, shortened to where most of the question's words are."""
    flat = " ".join(passage.split())
    if len(flat) <= PASSAGE_CHARS:
        return flat
    found = [start for start, _ in matched(flat, question)]
    room = PASSAGE_CHARS - 2
    best = max((0, *found), key=lambda start: sum(start <= place < start + room for place in found))
    start = 0 if best < room // 4 else _after_space(flat, best - room // 8 - _WORD_CHARS)
    end = start + room
    if end >= len(flat):
        return "…" + flat[start:]
    space = flat.rfind(" ", end - _WORD_CHARS, end)
    shown = flat[start : end if space < 0 else space]
    return ("…" if start else "") + shown.rstrip() + "…"


def _after_space(text: str, start: int) -> int:
    """The beginning of the next word; of a script without spaces `start` itself."""
    return text.find(" ", start, start + _WORD_CHARS) + 1 or start
