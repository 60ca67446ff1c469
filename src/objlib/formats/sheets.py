"""Excel workbooks and templates, with and without macros.

Cells are read as they stand: the size that a sheet claims to have is not believed.

Source: ECMA-376, part 1, sections 18.3 (cells), 18.4 (shared strings), 18.8.30 (number formats).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from objlib.formats import tree
from objlib.formats.package import main_part, related, written_beside
from objlib.formats.reading import Missing, Page, Unreadable, counted
from objlib.formats.zipped import Archive, opened

#: Number formats that are built in and show a date or a time.
_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
#: What a format's letters do not stand for: quoted text, escaped characters, colours, conditions.
_NOT_LETTERS = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_OF_DATES = re.compile(r"[dmyhs]", re.IGNORECASE)
_SECONDS_A_DAY = 86_400


@dataclass(slots=True)
class _Book:
    strings: list[str] = field(default_factory=list)
    #: By the number of a cell's style: it shows a date.
    dates: list[bool] = field(default_factory=list)
    epoch: datetime = datetime(1899, 12, 30)  # noqa: DTZ001  (a sheet's clock has no zone)
    #: Formulas that were written by a program and never calculated.
    uncalculated: int = 0


def text(content: bytes) -> Iterator[Page | Missing]:
    """Yield each sheet: its name, a line a row, its comments. Of formulas their last values."""
    with opened(content) as archive:
        main = main_part(archive, "xl/workbook.xml")
        workbook = tree.tree(archive.read(main))
        book = _book(archive, main, workbook)
        parts = {one.id: one.part for one in related(archive, main)}
        for sheet in tree.named(workbook, "sheet"):
            title = sheet.get("name", "")
            part = parts.get(tree.attribute(sheet, "id") or "")
            # The attribute `sheetId` has another name, so this is the relationship's.
            if part is None:
                yield Missing(f"the sheet {title} is missing")
                continue
            try:
                root, is_damaged = tree.mended_tree(archive.read(part))
                beside = written_beside(
                    archive, part, "comments", "threadedComment", "drawing", "chartsheet"
                )
            except Unreadable:
                yield Missing(f"the sheet {title} is damaged")
                continue
            said = "\n\n".join([title, *_rows(root, book), *beside.blocks])
            yield Page(None, said, f"sheet {title}" if title else None)
            if is_damaged:
                yield Missing(f"a part of the sheet {title}, which is damaged")
            yield from beside.missing()
    if book.uncalculated:
        yield Missing(f"the values of {counted(book.uncalculated, 'formula')}, not calculated yet")


def _book(archive: Archive, main: str, workbook: Any) -> _Book:
    """Return what the cells of all sheets refer to."""
    book = _Book()
    for one in related(archive, main):
        if one.part is None:
            continue
        if one.kind == "sharedStrings":
            root = tree.tree(archive.read(one.part))
            book.strings = [_said(item) for item in tree.named(root, "si")]
        elif one.kind == "styles":
            with suppress(Unreadable):
                book.dates = _dates(tree.tree(archive.read(one.part)))
    for properties in tree.named(workbook, "workbookPr"):
        if properties.get("date1904") in ("1", "true"):
            book.epoch = datetime(1904, 1, 1)  # noqa: DTZ001
    return book


def _dates(styles: Any) -> list[bool]:
    own = {
        one.get("numFmtId"): bool(_OF_DATES.search(_NOT_LETTERS.sub("", one.get("formatCode", ""))))
        for one in tree.named(styles, "numFmt")
    }
    cells = next(tree.named(styles, "cellXfs"), ())
    numbers = [one.get("numFmtId", "0") for one in cells]
    return [own.get(one, one.isdigit() and int(one) in _DATES) for one in numbers]


def _rows(root: Any, book: _Book) -> Iterator[str]:
    for row in tree.named(root, "row"):
        cells = (_shown(cell, book) for cell in row if tree.name(cell) == "c")
        if line := " | ".join(cell for cell in cells if cell.strip()):
            yield line


def _shown(cell: Any, book: _Book) -> str:
    """Return the words, number or date that a cell shows."""
    value, is_formula, kind = None, False, cell.get("t", "n")
    for child in cell:
        name = tree.name(child)
        if name == "is":
            return _said(child)
        if name == "v":
            value = child.text
        elif name == "f":
            is_formula = True
    if value is None:
        book.uncalculated += is_formula
        return ""
    if kind == "s":
        with suppress(ValueError, IndexError):
            return book.strings[int(value)]
        return ""
    if kind == "b":
        return "TRUE" if value.strip() == "1" else "FALSE"
    return _number(value, cell.get("s", "0"), book) if kind == "n" else str(value)


def _number(value: str, style: str, book: _Book) -> str:
    try:
        number = float(value)
        is_date = book.dates[int(style)]
    except (ValueError, IndexError):
        is_date, number = False, 0.0
    if not is_date:
        return str(int(number)) if value.endswith(".0") else value
    try:
        shown = book.epoch + timedelta(seconds=round(number * _SECONDS_A_DAY))
    except OverflowError:
        return value
    if number < 1:
        return str(shown.time())
    return str(shown.date() if shown.time() == datetime.min.time() else shown)


def _said(item: Any) -> str:
    """The text of a string, without the readings that stand over Japanese words."""
    runs = (one.text or "" for one in tree.named(item, "t") if tree.name(one.getparent()) != "rPh")
    return "".join(runs)
