"""Rich Text Format, by striprtf."""

from __future__ import annotations

from collections.abc import Iterator

from objlib.formats.errors import Unreadable, library


def text(content: bytes) -> Iterator[str]:
    """The whole text."""
    converter = library("striprtf.striprtf")
    if not content.lstrip().startswith(b"{\\rtf"):
        raise Unreadable("The document is damaged: it does not begin as RTF does.")
    # RTF is ASCII; what is beyond is escaped, or was written by a program that did not care.
    yield converter.rtf_to_text(content.decode("latin-1"), errors="replace")
