"""Word, PowerPoint and Excel documents, by python-docx, python-pptx and openpyxl."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from objlib.formats.errors import library
from objlib.formats.zipped import guarded

#: What a template's main part is called, and that of a document or template with macros.
_LIKE_DOCUMENTS = (
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
)


def word(content: bytes) -> Iterator[str]:
    """Paragraphs and tables, in the order in which they stand."""
    package = library("docx.package").Package
    parts = library("docx.opc.part").PartFactory
    # python-docx knows documents only; the others differ in this name alone.
    for kind in _LIKE_DOCUMENTS:
        parts.part_type_for.setdefault(kind, library("docx.parts.document").DocumentPart)
    document = package.open(guarded(content)).main_document_part.document
    yield "\n\n".join(_blocks(document))


def _blocks(container: Any) -> Iterator[str]:
    for block in container.iter_inner_content():
        if hasattr(block, "rows"):
            for row in block.rows:
                cells = ("\n".join(_blocks(cell)) for cell in row.cells)
                yield " | ".join(dict.fromkeys(cells))  # a merged cell is there once a column
        elif block.text.strip():
            yield block.text


def slides(content: bytes) -> Iterator[str]:
    """Yield the text of each slide, and its notes."""
    library("pptx")  # says which classes there are for parts
    # Not `pptx.Presentation`: it knows templates and slide shows too, and refuses them.
    package = library("pptx.package").Package.open(guarded(content))
    for slide in package.main_document_part.presentation.slides:
        parts = list(_written_on(slide.shapes))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            parts.append(slide.notes_slide.notes_text_frame.text)
        yield "\n\n".join(part for part in parts if part.strip())


def _written_on(shapes: Any) -> Iterator[str]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _written_on(shape.shapes)
        elif shape.has_text_frame:
            yield shape.text_frame.text
        elif getattr(shape, "has_table", False):
            for row in shape.table.rows:
                yield " | ".join(cell.text for cell in row.cells)


def sheets(content: bytes) -> Iterator[str]:
    """Each sheet: its name, and a line a row. Of formulas their last values."""
    openpyxl = library("openpyxl")
    book = openpyxl.load_workbook(guarded(content), read_only=True, data_only=True)
    for sheet in book.worksheets:
        rows = (
            " | ".join(str(value) for value in row if value is not None)
            for row in sheet.iter_rows(values_only=True)
        )
        yield "\n\n".join([sheet.title, *filter(None, rows)])
