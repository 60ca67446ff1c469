"""Lists every document of a store and classifies it, in bounded memory.

Verdicts go to a temporary table beside the catalog, not into a list; a page of documents costs
three look-ups. A listing that fails in the middle raises and proves nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from objlib.catalog.connection import Catalog
from objlib.catalog.queries import files_by_document, files_by_key, files_by_path
from objlib.catalog.records import COLUMNS, FileRecord
from objlib.errors import Transient
from objlib.sync.classify import DELETABLE, DocumentClass, Verdict, classify
from objlib.upload.client import Document, GeminiFileSearchClient, Store
from objlib.upload.payload import KEY, PATH

_PAGE = 200


@dataclass(slots=True)
class SyncReport:
    """How store and catalog compare. Counts of documents; ghosts and missing are rows."""

    store_name: str
    documents: dict[DocumentClass, int] = field(
        default_factory=lambda: dict.fromkeys(DocumentClass, 0)
    )
    ghosts: int = 0
    missing: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether the store holds exactly what the catalog says. Foreign documents do not count."""
        return (
            not (self.ghosts or any(self.documents[kind] for kind in DELETABLE))
            and not (self.documents[DocumentClass.BROKEN])
        )


async def survey(
    catalog: Catalog, client: GeminiFileSearchClient, store: Store, library_id: str
) -> SyncReport:
    """Classify all documents and find the ghosts. Changes nothing.

    Raises:
        Transient: the listing ended with fewer documents than the store says it has: no proof of
            absence, so no conclusion is drawn from it.
    """
    await _start_over(catalog)
    report = SyncReport(store.name)
    active = 0
    async for page in client.document_pages(store.name):
        verdicts = await _classify_page(catalog, page, library_id)
        for verdict in verdicts:
            report.documents[verdict.document_class] += 1
        active += sum(document.is_active for document in page)
        await _remember(catalog, verdicts)
    expected = (await client.get_store(store.name)).active_documents
    if active < min(expected, store.active_documents):
        raise Transient(
            f"the listing of {store.name} ended after {active:,} active documents although the "
            f"store counts {expected:,}; nothing was concluded, run it again"
        )
    report.ghosts = await _count(catalog, _GHOST)
    report.missing = await _count(catalog, _MISSING)
    return report


async def _classify_page(
    catalog: Catalog, page: Sequence[Document], library_id: str
) -> list[Verdict]:
    if not page:
        return []
    pointing = await files_by_document(catalog, [document.name for document in page])
    by_key = await files_by_key(catalog, [str(document.metadata.get(KEY)) for document in page])
    by_path = await files_by_path(catalog, [str(document.metadata.get(PATH)) for document in page])
    return [
        classify(
            document,
            pointing=pointing.get(document.name),
            claiming=by_key.get(str(document.metadata.get(KEY)))
            or by_path.get(str(document.metadata.get(PATH))),
            library_id=library_id,
        )
        for document in page
    ]


async def _start_over(catalog: Catalog) -> None:
    await catalog.fetch_all("DROP TABLE IF EXISTS temp.verdicts")
    await catalog.fetch_all(
        "CREATE TEMP TABLE verdicts (document_name TEXT PRIMARY KEY, class TEXT, path TEXT,"
        " reason TEXT)"
    )


async def _remember(catalog: Catalog, verdicts: Sequence[Verdict]) -> None:
    async with catalog.transaction():
        await catalog.execute_many(
            "INSERT OR REPLACE INTO temp.verdicts VALUES (?, ?, ?, ?)",
            [
                (verdict.document_name, verdict.document_class.value, verdict.path, verdict.reason)
                for verdict in verdicts
            ],
        )


async def verdicts(catalog: Catalog, *classes: DocumentClass) -> AsyncIterator[Verdict]:
    """The verdicts of the last survey in the order of document names, all or of some classes."""
    wanted = [kind.value for kind in classes or tuple(DocumentClass)]
    marks = ", ".join("?" * len(wanted))
    after = ""
    while rows := await catalog.fetch_all(
        f"SELECT * FROM temp.verdicts WHERE class IN ({marks}) AND document_name > ?"
        " ORDER BY document_name LIMIT ?",
        (*wanted, after, _PAGE),
    ):
        for name, sign, path, reason in rows:
            yield Verdict(name, DocumentClass(sign), path, reason)
        after = rows[-1][0]


async def was_listed(catalog: Catalog, document_name: str | None) -> bool:
    """Whether the last survey saw a document of that name."""
    row = await catalog.fetch_one(
        "SELECT 1 FROM temp.verdicts WHERE document_name = ?", (document_name,)
    )
    return row is not None


#: Indexed rows whose document the survey did not see, or saw broken.
_GHOST = (
    "gemini_state = 'indexed' AND is_deleted = 0 AND NOT EXISTS (SELECT 1 FROM temp.verdicts"
    " WHERE document_name = gemini_store_doc_id AND class <> 'x')"
)
_MISSING = "gemini_state <> 'indexed' AND is_deleted = 0 AND skip_reason IS NULL"


async def _count(catalog: Catalog, condition: str) -> int:
    row = await catalog.fetch_one(f"SELECT COUNT(*) FROM files WHERE {condition}")
    return int(row[0]) if row else 0


async def ghosts(catalog: Catalog) -> AsyncIterator[FileRecord]:
    """Rows that say `indexed` while the store has no usable document for them."""
    async for record in _rows(catalog, _GHOST):
        yield record


async def missing(catalog: Catalog) -> AsyncIterator[FileRecord]:
    """Files that should be in the store and are not yet."""
    async for record in _rows(catalog, _MISSING):
        yield record


async def _rows(catalog: Catalog, condition: str) -> AsyncIterator[FileRecord]:
    after = ""
    while rows := await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE {condition} AND file_path > ?"
        " ORDER BY file_path LIMIT ?",
        (after, _PAGE),
    ):
        for row in rows:
            record = FileRecord.from_row(row)
            yield record
        after = record.file_path
