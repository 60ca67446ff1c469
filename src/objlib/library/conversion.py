"""Text out of what File Search does not take but people own, on the way up.

The reading is done by `objlib.formats`, in a process of its own, bounded in time and memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from objlib.errors import NotConvertible
from objlib.formats import NoText
from objlib.formats.isolated import read_isolated


@dataclass(frozen=True, slots=True)
class Converter:
    """The conversion of a type to text.

    The version is part of the upload key: raise it when the same file gives another text, so that
    the plan shows it.
    """

    name: str
    version: int

    @property
    def treatment(self) -> str:
        """`epub:1`."""
        return f"{self.name}:{self.version}"


_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPENDOCUMENT = "application/vnd.oasis.opendocument."
_WORD = Converter("word", 2)
_SLIDES = Converter("slides", 2)
_SHEETS = Converter("sheets", 2)

#: MIME type -> converter, of all that is sent as text though it is none.
CONVERTERS = {
    "application/epub+zip": Converter("epub", 2),
    "application/x-fictionbook+xml": Converter("fictionbook", 2),
    "application/x-zip-compressed-fb2": Converter("fictionbook", 2),
    _OPENDOCUMENT + "text-template": Converter("opendocument", 2),
    _OPENDOCUMENT + "presentation": Converter("opendocument", 2),
    _OPENDOCUMENT + "spreadsheet": Converter("opendocument-sheets", 2),
    "application/vnd.ms-word.document.macroenabled.12": _WORD,
    "application/vnd.ms-word.template.macroenabled.12": _WORD,
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": _SLIDES,
    _OFFICE + "presentationml.slideshow": _SLIDES,
    _OFFICE + "presentationml.template": _SLIDES,
    "application/vnd.ms-excel.sheet.macroenabled.12": _SHEETS,
    _OFFICE + "spreadsheetml.template": _SHEETS,
    "application/x-ipynb+json": Converter("notebook", 1),
    "message/rfc822": Converter("mail", 1),
    "application/mbox": Converter("mailbox", 1),
    "multipart/related": Converter("saved-page", 1),
    "application/vnd.ms-outlook": Converter("outlook", 1),
}


#: MIME type -> reader, of what is sent as it is and read by the embedded store. The version is part
#: of the upload key there, from the second on.
READERS = {
    "text/html": Converter("html", 2),
    "application/pdf": Converter("pdf", 2),
    _OFFICE + "wordprocessingml.document": _WORD,
    _OFFICE + "wordprocessingml.template": _WORD,
    _OFFICE + "presentationml.presentation": _SLIDES,
    _OFFICE + "spreadsheetml.sheet": _SHEETS,
    _OPENDOCUMENT + "text": Converter("opendocument", 2),
    "text/rtf": Converter("rtf", 1),
    "application/json": Converter("json", 2),
}


@dataclass(frozen=True, slots=True)
class Converted:
    """The text that is sent for a document."""

    text: str
    #: What of the document is not in the text, in words for its owner.
    missing: tuple[str, ...] = ()


async def convert(content: bytes, mime_type: str) -> Converted:
    """Return the text of a document of one of the `CONVERTERS`' types; the same for the same bytes.

    Raises:
        NotConvertible: it is encrypted, damaged, without text, or takes too long.
    """
    try:
        reading = await read_isolated(content, mime_type)
    except NoText as problem:
        raise NotConvertible(f"it cannot be converted to text: {_inside(problem)}") from problem
    text = "\n\n".join(filter(None, (page.text.strip() for page in reading.pages)))
    if not text:
        raise NotConvertible("it cannot be converted to text: there is none in it")
    # A half of a surrogate pair, which a damaged document may have, cannot be sent.
    return Converted(text.encode("utf-8", "replace").decode("utf-8") + "\n", reading.missing)


def _inside(problem: NoText) -> str:
    """A sentence of another, to go on with."""
    sentence = str(problem).rstrip(".")
    return sentence[:1].lower() + sentence[1:]
