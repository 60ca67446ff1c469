"""What each document in a store is to this catalog. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from objlib.catalog.records import FileRecord
from objlib.upload.client import Document
from objlib.upload.fsm import IN_FLIGHT, State
from objlib.upload.payload import KEY, LIBRARY, PATH


class DocumentClass(Enum):
    """The classes, with the sign a report shows for each."""

    CANONICAL = "="
    ORPHAN = "-"
    DUPLICATE = "2"
    SUPERSEDED = "s"
    BROKEN = "x"
    IN_FLIGHT = "~"
    FOREIGN = "?"


#: What a repair deletes. Broken ones go by way of their row; foreign and in-flight ones never.
DELETABLE = (DocumentClass.ORPHAN, DocumentClass.DUPLICATE, DocumentClass.SUPERSEDED)


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
) -> Verdict:
    """The class of a document.

    Args:
        pointing: the row that names this document, as its current or its superseded one.
        claiming: the row with the upload key that the document carries, or else with its path.
        library_id: of this catalog; documents of other libraries are foreign.
    """
    if pointing is not None:
        document_class, reason = _pointed_at(document, pointing)
        return Verdict(document.name, document_class, pointing.file_path, reason)
    key, library = document.metadata.get(KEY), document.metadata.get(LIBRARY)
    path = str(document.metadata[PATH]) if PATH in document.metadata else None
    if key is None:
        verdict = (DocumentClass.FOREIGN, "objlib did not make it")
    elif library != library_id:
        verdict = (DocumentClass.FOREIGN, "it belongs to another library")
    else:
        verdict = _unclaimed(str(key), claiming)
    return Verdict(document.name, verdict[0], path, verdict[1])


def _pointed_at(document: Document, row: FileRecord) -> tuple[DocumentClass, str]:
    if row.gemini_store_doc_id != document.name:
        if row.is_deleted or row.gemini_state is State.INDEXED:
            return DocumentClass.SUPERSEDED, "a newer version is indexed"
        if row.skip_reason is not None:
            return DocumentClass.ORPHAN, "its file can no longer be uploaded"
        return DocumentClass.IN_FLIGHT, "kept until the new version is indexed"
    if row.is_deleted and row.gemini_state not in IN_FLIGHT:
        return DocumentClass.ORPHAN, "its file was deleted"
    if row.gemini_state is not State.INDEXED:
        return DocumentClass.IN_FLIGHT, f"its file is {row.gemini_state.value}"
    if not document.is_active:
        return DocumentClass.BROKEN, f"its file is indexed, but it is {document.state}"
    return DocumentClass.CANONICAL, "its file is indexed"


def _unclaimed(key: str, row: FileRecord | None) -> tuple[DocumentClass, str]:
    if row is None:
        return DocumentClass.ORPHAN, "no file claims it"
    if row.upload_key != key:
        return DocumentClass.ORPHAN, "it holds another version of its file"
    if row.gemini_state is State.INDEXED:
        return DocumentClass.DUPLICATE, "its file is indexed under another document"
    return DocumentClass.IN_FLIGHT, f"its file is {row.gemini_state.value}"
