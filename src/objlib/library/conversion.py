"""Text out of what File Search does not take but people own, on the way up.

The reading is done by `objlib.formats`, in a process of its own, bounded in time and memory.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from objlib.errors import ConverterMissing, NotConvertible
from objlib.formats import LibraryMissing
from objlib.formats.isolated import read_isolated
from objlib.formats.text import NoText


@dataclass(frozen=True, slots=True)
class Converter:
    """How a type becomes text. The version is part of the upload key: raise it when the same file
    gives another text, so that the plan shows it."""

    name: str
    version: int
    #: What it imports from the extra `formats`.
    library: str | None = None

    @property
    def treatment(self) -> str:
        """`epub:1`."""
        return f"{self.name}:{self.version}"


_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPENDOCUMENT = "application/vnd.oasis.opendocument."
_WORD = Converter("word", 1, "docx")
_SLIDES = Converter("slides", 1, "pptx")
_SHEETS = Converter("sheets", 1, "openpyxl")

#: MIME type -> converter, of all that is sent as text though it is none.
CONVERTERS = {
    "application/epub+zip": Converter("epub", 1),
    "application/x-fictionbook+xml": Converter("fictionbook", 1),
    _OPENDOCUMENT + "text-template": Converter("opendocument", 1),
    _OPENDOCUMENT + "presentation": Converter("opendocument", 1),
    _OPENDOCUMENT + "spreadsheet": Converter("opendocument-sheets", 1),
    "application/vnd.ms-word.document.macroenabled.12": _WORD,
    "application/vnd.ms-word.template.macroenabled.12": _WORD,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": _SLIDES,
    _OFFICE + "presentationml.slideshow": _SLIDES,
    _OFFICE + "presentationml.template": _SLIDES,
    "application/vnd.ms-excel.sheet.macroenabled.12": _SHEETS,
    _OFFICE + "spreadsheetml.template": _SHEETS,
}

REMEDY = "pip install 'objlib[formats]'"


def missing_for(mime_type: str) -> str | None:
    """The command without which a type cannot be converted here; None where nothing is missing."""
    converter = CONVERTERS.get(mime_type)
    if converter is None or converter.library is None or _is_installed(converter.library):
        return None
    return REMEDY


async def convert(content: bytes, mime_type: str) -> str:
    """The text of a document of one of the `CONVERTERS`' types; the same for the same bytes.

    Raises:
        NotConvertible: it is encrypted, damaged, without text, or takes too long.
        ConverterMissing: the extra `formats` is not installed.
    """
    try:
        pages = await read_isolated(content, mime_type)
    except LibraryMissing as missing:
        raise ConverterMissing(f"it has to be converted to text: {REMEDY}, then again") from missing
    except NoText as problem:
        raise NotConvertible(f"it cannot be converted to text: {_inside(problem)}") from problem
    text = "\n\n".join(filter(None, (page.text.strip() for page in pages)))
    if not text:
        raise NotConvertible("it cannot be converted to text: there is none in it")
    # A half of a surrogate pair, which a damaged document may have, cannot be sent.
    return text.encode("utf-8", "replace").decode("utf-8") + "\n"


def _inside(problem: NoText) -> str:
    """A sentence of another, to go on with."""
    sentence = str(problem).rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
