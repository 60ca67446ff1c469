"""Jupyter notebooks: the source of each cell, without outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator


def cells(content: bytes) -> Iterator[str]:
    """The whole text."""
    notebook = json.loads(content)
    sources = (cell["source"] for cell in notebook["cells"])
    yield "\n\n".join(source if isinstance(source, str) else "".join(source) for source in sources)
