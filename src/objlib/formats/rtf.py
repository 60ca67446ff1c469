"""Rich Text Format, by striprtf."""

from __future__ import annotations

import re
from collections.abc import Iterator

from striprtf.striprtf import rtf_to_text

from objlib.formats.reading import Missing, Unreadable, counted

_PICTURE = re.compile(r"\\pict\b")

#: Headers, footers and footnotes stand in groups that striprtf passes over: each control word is
#: exchanged for a paragraph, and the group reads like the rest. RTF 1.9.1, "Document Text".
_ASIDE = re.compile(r"\\(?:header|footer)[lrf]?\b|(?:\\\*\s*)?\\footnote\b")


def text(content: bytes) -> Iterator[str | Missing]:
    """Yield the whole text."""
    if not content.lstrip().startswith(b"{\\rtf"):
        raise Unreadable("The document is damaged: it does not begin as RTF does.")
    # RTF is ASCII; what is beyond is escaped, or was written by a program that did not care.
    marked_up = content.decode("latin-1")
    yield rtf_to_text(_ASIDE.sub(r"\\par", marked_up), errors="replace")  # type: ignore[no-untyped-call]
    if pictures := len(_PICTURE.findall(marked_up)):
        yield Missing(f"the text in {counted(pictures, 'picture')}")
