"""Jupyter notebooks: the source of each cell, and what came of it as far as that is text.

Source: nbformat 4.5 and 3.0, nbformat.readthedocs.io, "The notebook file format".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from objlib.formats import html
from objlib.formats.reading import Missing, Unreadable, counted


def cells(content: bytes) -> Iterator[str | Missing]:
    """Yield the whole text."""
    notebook = json.loads(content)
    if not isinstance(notebook, dict):
        raise Unreadable("The document is damaged: it is no notebook.")
    sheets = notebook.get("worksheets") or [notebook]  # as it was until format 3
    blocks: list[str] = []
    pictures = 0
    for cell in (cell for sheet in sheets for cell in sheet["cells"]):
        blocks.append(_joined(cell.get("source", cell.get("input"))))
        pictures += len(cell.get("attachments") or ())
        for output in cell.get("outputs") or ():
            text, more = _shown(output)
            blocks.append(text)
            pictures += more
    yield "\n\n".join(block.strip("\n") for block in blocks if block.strip())
    if pictures:
        yield Missing(f"the text in {counted(pictures, 'picture')}")


def _shown(output: dict[str, Any]) -> tuple[str, int]:
    """Return the text of an output, and its number of pictures: one or none."""
    data = output.get("data") or {}
    for kind in ("text/markdown", "text/html", "text/plain"):
        if kind in data:
            text = _joined(data[kind])
            # A table is there as HTML and, drawn with characters, as plain text.
            return (html.without_markup(text)[0] if kind == "text/html" else text), 0
    if any(kind.startswith("image/") for kind in data):
        return "", 1
    said = output.get("text") or ""
    if output.get("output_type") in ("pyerr", "error"):
        said = f"{output.get('ename', '')}: {output.get('evalue', '')}"
    return _joined(said), int("png" in output or "jpeg" in output)


def _joined(text: object) -> str:
    """A text, or the list of its lines."""
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")
