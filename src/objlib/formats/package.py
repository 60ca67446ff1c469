"""Office Open XML packages: their parts, and the text of a part.

Word, PowerPoint and Excel name paragraphs, runs, tables, rows and cells alike: `p`, `t`, `tbl`,
`tr`, `tc`. So one walk reads them all, and what lies in between (tracked insertions, content
controls, links, smart tags, text boxes) does not stop it.

Sources: ECMA-376, part 1 (markup), part 2 (packages), part 3 (alternate content).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from objlib.formats import tree
from objlib.formats.reading import Missing, Unreadable, counted
from objlib.formats.zipped import Archive

#: Deleted or moved away, said twice, or no text: tab stops, the number of a slide.
_SKIPPED = frozenset({"del", "moveFrom", "Fallback", "pPr", "rPr", "instrText", "delText"})
#: A paragraph, and what a comment says on a sheet or on a slide.
_PARAGRAPHS = frozenset({"p", "text"})
_BLANKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": ""}


@dataclass(frozen=True, slots=True)
class Related:
    """A reference from one part to another."""

    id: str
    #: The last word of the relationship's type: "footnotes".
    kind: str
    #: The part's name in the archive; None where the reference leads nowhere.
    part: str | None
    #: The reference as it is written.
    target: str


@dataclass(slots=True)
class Written:
    """The text of a part."""

    blocks: list[str] = field(default_factory=list)
    pictures: int = 0
    embedded: int = 0
    is_damaged: bool = False

    def missing(self) -> Iterator[Missing]:
        """Yield what could not be read of the part."""
        if self.pictures:
            yield Missing(f"the text in {counted(self.pictures, 'picture')}")
        if self.embedded:
            yield Missing(counted(self.embedded, "embedded file"))
        if self.is_damaged:
            yield Missing("a part that is damaged")

    def add(self, other: Written) -> None:
        """Add what is written in another part; a block that is there already is not added."""
        known = set(self.blocks)
        self.blocks += [block for block in other.blocks if block not in known]
        self.pictures += other.pictures
        self.embedded += other.embedded
        self.is_damaged |= other.is_damaged


def main_part(archive: Archive, usual: str) -> str:
    """Return the name of the part that a document is about.

    Args:
        usual: its name in documents of this kind, for packages that do not say.
    """
    named = (one.part for one in related(archive, "") if one.kind == "officeDocument")
    found = next(filter(None, named), None) or archive.find(usual)
    if found is None:
        raise Unreadable("The document is damaged: its main part is missing.")
    return found


def related(archive: Archive, part: str) -> list[Related]:
    """Return the references of a part, in their order; those of the package for an empty name."""
    folder, name = posixpath.split(part)
    rels = archive.find(f"/{folder}/_rels/{name}.rels")
    if rels is None:
        return []
    root, _ = tree.mended_tree(archive.read(rels))
    return [
        Related(
            element.get("Id", ""),
            element.get("Type", "").rpartition("/")[2],
            None
            if element.get("TargetMode") == "External"
            else archive.find(element.get("Target", ""), part),
            element.get("Target", ""),
        )
        for element in tree.named(root, "Relationship")
    ]


def written_in(archive: Archive, part: str) -> Written:
    """Return what is written in a part."""
    root, is_damaged = tree.mended_tree(archive.read(part))
    found = _written(root)
    found.is_damaged = is_damaged
    return found


def written_beside(archive: Archive, part: str, *kinds: str) -> Written:
    """Return what is written in the parts of these kinds that a part refers to."""
    found = Written()
    for one in related(archive, part):
        if one.part is not None and one.kind in kinds:
            found.add(written_in(archive, one.part))
    return found


def _written(root: Any) -> Written:
    found = Written()
    blocks = [found.blocks]  # those of the document, then those of each cell that is open
    rows: list[list[str]] = []
    paragraphs: list[list[str]] = []
    walk = tree.walk(root)
    for event, element in walk:
        name = tree.name(element)
        if event == "start":
            if name in _SKIPPED or (name == "fld" and element.get("type") == "slidenum"):
                walk.skip_subtree()
            elif name in _PARAGRAPHS:
                paragraphs.append([element.text or ""] if name == "text" else [])
            elif name == "t" and paragraphs:
                paragraphs[-1].append(element.text or "")
            elif name == "v" and _is_label(element):
                blocks[-1].append(element.text or "")
            elif name in _BLANKS and paragraphs:
                paragraphs[-1].append(_BLANKS[name])
            elif name == "sym" and paragraphs:
                paragraphs[-1].append(_symbol(tree.attribute(element, "char")))
            elif name == "tr":
                rows.append([])
            elif name == "tc":
                blocks.append([])
            else:
                _note(element, name, found, blocks[-1])
        elif name in _PARAGRAPHS and paragraphs:
            if said := "".join(paragraphs.pop()).strip():
                blocks[-1].append(said)
        elif name == "tc" and len(blocks) > 1:
            cell = "\n".join(blocks.pop())
            (rows[-1] if rows else blocks[-1]).append(cell)
        elif name == "tr" and rows and (said := " | ".join(filter(None, rows.pop()))):
            blocks[-1].append(said)
    return found


def _note(element: Any, name: str, found: Written, blocks: list[str]) -> None:
    """Take down what stands for a picture or for another file."""
    if name in ("docPr", "cNvPr"):
        if said := (element.get("descr") or "").strip():
            blocks.append(said)
    elif name in ("blip", "imagedata"):
        found.pictures += 1
    elif name in ("oleObj", "OLEObject", "altChunk"):
        found.embedded += 1


def _is_label(value: Any) -> bool:
    """Return True for what stands at a chart's axis or in its legend; numbers are in the sheet."""
    return any(tree.name(above) == "strCache" for above in value.iterancestors())


def _symbol(code: str | None) -> str:
    """A character of a symbol font, where it is one of Unicode's."""
    try:
        character = chr(int(code or "", 16))
    except (ValueError, OverflowError):
        return ""
    return "" if "\ue000" <= character <= "\uf8ff" else character
