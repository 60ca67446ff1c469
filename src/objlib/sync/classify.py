"""The class of each document in a store, as this catalog sees it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from objlib.catalog.records import FileRecord
from objlib.documents.payload import KEY, LIBRARY, PATH
from objlib.gemini.resources import Document
from objlib.states import IN_FLIGHT, State
from objlib.upload.adoption import can_be_adopted, holds_the_file


class DocumentClass(Enum):
    """The classes, with the sign a report shows for each."""

    CANONICAL = "="
    ORPHAN = "-"
    DUPLICATE = "2"
    SUPERSEDED = "s"
    BROKEN = "x"
    LATE = "a"
    IN_FLIGHT = "~"
    ELSEWHERE = "e"
    TWIN = "t"
    FOREIGN = "?"


#: What a repair deletes. Late ones are adopted, broken ones go by way of their row, foreign ones,
#: twins and those from elsewhere only when asked for, and those in flight never.
DELETABLE = (DocumentClass.ORPHAN, DocumentClass.DUPLICATE, DocumentClass.SUPERSEDED)

#: Left over by a lost or a copied catalog, or somebody else's: only a person can tell.
FOR_CONSENT = (DocumentClass.ELSEWHERE, DocumentClass.TWIN)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The class of one document, whose it is, and why."""

    document_name: str
    document_class: DocumentClass
    path: str | None
    reason: str


def classify(
    document: Document,
    *,
    pointing: FileRecord | None,
    claiming: FileRecord | None,
    library_id: str,
    is_superseded: bool = False,
    leftover_of: str | None = None,
    is_recorded: bool = True,
    tells_twins: bool = True,
) -> Verdict:
    """The class of a document.

    Args:
        pointing: the row that names this document, as its current or its superseded one.
        claiming: the row with the upload key that the document carries, or else with its path; for
            a document without a key the row of the raw file it is named after.
        library_id: of this catalog; documents of other libraries are foreign.
        is_superseded: the pointing row names it as the one to be deleted.
        leftover_of: the path whose older version it holds, where no row names it any more.
        is_recorded: the audit trail knows its key, or may not know it because it is older.
        tells_twins: documents of the same files under another library's id are worth a word.
    """
    if pointing is not None:
        judge = _superseded if is_superseded else _current
        document_class, reason = judge(document, pointing)
        return Verdict(document.name, document_class, pointing.file_path, reason)
    if leftover_of is not None:
        reason = "a newer version was indexed"
        return Verdict(document.name, DocumentClass.SUPERSEDED, leftover_of, reason)
    key, library = document.metadata.get(KEY), document.metadata.get(LIBRARY)
    path = str(document.metadata[PATH]) if PATH in document.metadata else None
    if key is None and claiming is not None:
        verdict, path = _of_its_raw_file(document, claiming), claiming.file_path
    elif key is None:
        verdict = (DocumentClass.FOREIGN, "objlib did not make it")
    elif library != library_id:
        verdict = _of_another_library(document, claiming if tells_twins else None)
    elif not is_recorded and (claiming is None or claiming.upload_key != key):
        verdict = _from_elsewhere(document, claiming)
    else:
        verdict = _unclaimed(document, str(key), claiming)
        if claiming is not None and claiming.upload_key == key:
            path = claiming.file_path  # it may have moved since
    return Verdict(document.name, verdict[0], path, verdict[1])


def _superseded(_document: Document, row: FileRecord) -> tuple[DocumentClass, str]:
    if row.is_deleted or row.gemini_state is State.INDEXED:
        return DocumentClass.SUPERSEDED, "a newer version is indexed"
    if row.skip_reason is not None:
        return DocumentClass.ORPHAN, "its file can no longer be uploaded"
    return DocumentClass.IN_FLIGHT, "kept until the new version is indexed"


def _current(document: Document, row: FileRecord) -> tuple[DocumentClass, str]:
    if row.is_deleted and row.gemini_state not in IN_FLIGHT:
        return DocumentClass.ORPHAN, "its file was deleted"
    if row.gemini_state is State.INDEXED:
        if not document.is_active:
            return DocumentClass.BROKEN, f"its file is indexed, but it is {document.state}"
        return DocumentClass.CANONICAL, "its file is indexed"
    return _of_file_underway(document, row)


def _of_another_library(document: Document, row: FileRecord | None) -> tuple[DocumentClass, str]:
    is_indexed = row is not None and row.gemini_state is State.INDEXED and not row.is_deleted
    if row is not None and is_indexed and holds_the_file(document, row):
        return DocumentClass.TWIN, "its file is indexed, and this is of another library id"
    return DocumentClass.FOREIGN, "it belongs to another library"


def _from_elsewhere(document: Document, row: FileRecord | None) -> tuple[DocumentClass, str]:
    """Judge a document of this library that this catalog has never heard of."""
    may_have_it = row is not None and can_be_adopted(row) and holds_the_file(document, row)
    if document.is_active and may_have_it:
        return DocumentClass.LATE, "its file lies here unchanged, and has no document"
    return DocumentClass.ELSEWHERE, "a newer state or a copy of this catalog has uploaded it"


def _unclaimed(document: Document, key: str, row: FileRecord | None) -> tuple[DocumentClass, str]:
    if row is None:
        return DocumentClass.ORPHAN, "no file claims it"
    if row.upload_key != key:
        return DocumentClass.ORPHAN, "it holds another version of its file"
    if row.gemini_state is State.INDEXED:
        return DocumentClass.DUPLICATE, "its file is indexed under another document"
    if row.gemini_state not in IN_FLIGHT and row.is_deleted:
        return DocumentClass.ORPHAN, "its file was deleted"
    if row.gemini_state not in IN_FLIGHT and row.skip_reason is not None:
        return DocumentClass.ORPHAN, "its file can no longer be uploaded"
    return _of_file_underway(document, row)


def _of_its_raw_file(document: Document, row: FileRecord) -> tuple[DocumentClass, str]:
    if row.gemini_state is State.INDEXED:
        return DocumentClass.DUPLICATE, "its file is indexed under another document"
    if row.is_deleted and row.gemini_state not in IN_FLIGHT:
        return DocumentClass.ORPHAN, "its file was deleted"
    return _of_file_underway(document, row)


def _of_file_underway(document: Document, row: FileRecord) -> tuple[DocumentClass, str]:
    is_its_own = row.upload_key is not None and document.metadata.get(KEY) == row.upload_key
    may_have_it = can_be_adopted(row) and is_its_own and holds_the_file(document, row)
    if document.is_active and may_have_it:
        return DocumentClass.LATE, f"its file is {row.gemini_state.value}, and it has come alive"
    return DocumentClass.IN_FLIGHT, f"its file is {row.gemini_state.value}"
