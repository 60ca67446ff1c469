"""Lists every document of a store and classifies it, in bounded memory.

Verdicts go to a temporary table beside the catalog, not into a list; a page of documents costs
four look-ups. A listing that fails in the middle raises and proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import (
    files_by_key,
    files_by_path,
    files_by_raw_file,
    leftovers_by_name,
    pointers_to,
)
from objlib.catalog.records import COLUMNS, FileRecord
from objlib.documents.listing import complete_pages
from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256
from objlib.gemini.resources import Document, Store
from objlib.sync.classify import DELETABLE, DocumentClass, Verdict, classify

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

_PAGE = 200


@dataclass(slots=True)
class SyncReport:
    """How store and catalog compare. Counts of documents; ghosts and missing are rows."""

    store_name: str
    library_id: str = ""
    documents: dict[DocumentClass, int] = field(
        default_factory=lambda: dict.fromkeys(DocumentClass, 0)
    )
    ghosts: int = 0
    missing: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether the store holds exactly what the catalog says. Foreign documents do not count."""
        off = (*DELETABLE, DocumentClass.BROKEN, DocumentClass.LATE)
        return not (self.ghosts or any(self.documents[kind] for kind in off))


async def survey(
    catalog: Catalog, client: FileSearchClient, store: Store, library_id: str
) -> SyncReport:
    """Classify all documents and find the ghosts. Changes nothing.

    Raises:
        Transient: the listing ended with fewer documents than the store says it has: no proof of
            absence, so no conclusion is drawn from it.
    """
    await _start_over(catalog)
    async for page in complete_pages(client, store):
        await _remember(catalog, page, await classify_documents(catalog, page, library_id))
    await _choose_among_several(catalog)
    report = SyncReport(store.name, library_id)
    for sign, number in await catalog.fetch_all(
        "SELECT class, COUNT(*) FROM temp.verdicts GROUP BY class"
    ):
        report.documents[DocumentClass(sign)] = int(number)
    report.ghosts = await _count(catalog, _GHOST)
    report.missing = await _count(catalog, _MISSING)
    return report


async def classify_documents(
    catalog: Catalog, documents: Sequence[Document], library_id: str
) -> list[Verdict]:
    """The verdicts on some documents as the catalog stands now, each by itself."""
    if not documents:
        return []
    names = [document.name for document in documents]
    # Without a key a document may be of the earlier generation: it bears its raw file's name.
    raw_files = {
        document.name: f"files/{document.display_name}"
        for document in documents
        if KEY not in document.metadata and document.display_name
    }
    pointing = await pointers_to(catalog, names, raw_files)
    leftovers = await leftovers_by_name(catalog, names, raw_files)
    by_key = await files_by_key(catalog, [str(one.metadata.get(KEY)) for one in documents])
    by_path = await files_by_path(catalog, [str(one.metadata.get(PATH)) for one in documents])
    by_raw_file = await files_by_raw_file(catalog, list(raw_files.values()))
    verdicts = []
    for document in documents:
        row, is_superseded = pointing.get(document.name, (None, False))
        leftover = leftovers.get(document.name)
        claiming = (
            by_key.get(str(document.metadata.get(KEY)))
            or by_path.get(str(document.metadata.get(PATH)))
            or by_raw_file.get(raw_files.get(document.name, ""))
        )
        verdicts.append(
            classify(
                document,
                pointing=row,
                claiming=claiming,
                library_id=library_id,
                is_superseded=is_superseded,
                leftover_of=leftover.file_path if leftover is not None else None,
            )
        )
    return verdicts


async def _start_over(catalog: Catalog) -> None:
    await catalog.fetch_all("DROP TABLE IF EXISTS temp.verdicts")
    await catalog.fetch_all(
        "CREATE TEMP TABLE verdicts (position INTEGER PRIMARY KEY, document_name TEXT UNIQUE,"
        " class TEXT, path TEXT, reason TEXT, state TEXT, display_name TEXT, identity TEXT)"
    )
    await catalog.fetch_all("CREATE INDEX temp.verdicts_by_path ON verdicts (path, class)")
    await catalog.fetch_all("DROP TABLE IF EXISTS temp.survey")
    await catalog.fetch_all(
        "CREATE TEMP TABLE survey AS SELECT COALESCE(MAX(id), 0) AS since FROM transitions"
    )


async def _remember(
    catalog: Catalog, documents: Sequence[Document], verdicts: Sequence[Verdict]
) -> None:
    await catalog.execute_many(
        "INSERT OR REPLACE INTO temp.verdicts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                verdict.document_name,
                verdict.document_class.value,
                verdict.path,
                verdict.reason,
                document.state,
                document.display_name,
                _identity(document),
            )
            for document, verdict in zip(documents, verdicts, strict=True)
        ],
    )


def _identity(document: Document) -> str:
    own = {name: document.metadata.get(name) for name in (KEY, PATH, SHA256, LIBRARY)}
    return json.dumps({name: said for name, said in own.items() if said is not None})


#: Of several documents for one file one is canonical: the one that the row names, else the first.
_ONE_CANONICAL = """
    UPDATE temp.verdicts AS verdict SET class = '2',
        reason = 'its file is indexed under another document'
    WHERE class = '=' AND EXISTS (
        SELECT 1 FROM temp.verdicts AS other WHERE other.path = verdict.path AND other.class = '='
            AND other.position < verdict.position)"""

#: A file whose document is gone takes another that the store has of the same version.
_SUBSTITUTE = """
    UPDATE temp.verdicts AS verdict SET class = 'a',
        reason = 'the document of its file is gone, and it is the same'
    WHERE class = '2' AND state = 'STATE_ACTIVE' AND EXISTS (SELECT 1 FROM files
        WHERE file_path = verdict.path AND {ghost}
            AND upload_key = json_extract(identity, '$.objlib_key')
            AND content_hash = json_extract(identity, '$.objlib_sha256'))"""

#: Of several that could be adopted for one file the first is.
_ONE_LATE = """
    UPDATE temp.verdicts AS verdict SET class = '2', reason = 'another document of its file will do'
    WHERE class = 'a' AND EXISTS (
        SELECT 1 FROM temp.verdicts AS other WHERE other.path = verdict.path AND other.class = 'a'
            AND other.position < verdict.position)"""


async def _choose_among_several(catalog: Catalog) -> None:
    for statement in (_ONE_CANONICAL, _SUBSTITUTE.format(ghost=_GHOST), _ONE_LATE):
        await catalog.fetch_all(statement)


async def verdicts(catalog: Catalog, *classes: DocumentClass) -> AsyncIterator[Verdict]:
    """The verdicts of the last survey in the order of document names, all or of some classes."""
    after: str | None = None
    while page := await verdict_page(catalog, classes or tuple(DocumentClass), after, _PAGE):
        for verdict in page:
            yield verdict
        after = page[-1].document_name


async def verdict_page(
    catalog: Catalog, classes: Sequence[DocumentClass], after: str | None, size: int
) -> list[Verdict]:
    """The verdicts after a document's name."""
    marks = ", ".join("?" * len(classes))
    rows = await catalog.fetch_all(
        f"SELECT document_name, class, path, reason FROM temp.verdicts WHERE class IN ({marks})"
        " AND document_name > ? ORDER BY document_name LIMIT ?",
        (*(kind.value for kind in classes), after or "", size),
    )
    return [Verdict(name, DocumentClass(sign), path, reason) for name, sign, path, reason in rows]


async def listed_document(catalog: Catalog, document_name: str) -> Document | None:
    """What the last survey saw of a document: name, state and whose it says it is."""
    row = await catalog.fetch_one(
        "SELECT state, display_name, identity FROM temp.verdicts WHERE document_name = ?",
        (document_name,),
    )
    if row is None:
        return None
    state, display_name, identity = row
    return Document(document_name, str(display_name), str(state), 0, None, json.loads(identity))


async def another_is_canonical(catalog: Catalog, verdict: Verdict) -> bool:
    """Whether the last survey found another document to be the one of the same file.

    Of a file that has moved since the survey began it cannot tell: one document may have been its
    own when its page was listed, and the other by the time of its page.
    """
    row = await catalog.fetch_one(
        "SELECT 1 FROM temp.verdicts WHERE path = ?1 AND class = '=' AND document_name <> ?2"
        " AND NOT EXISTS (SELECT 1 FROM transitions AS moved, temp.survey"
        " WHERE moved.file_path = ?1 AND moved.id > since)",
        (verdict.path, verdict.document_name),
    )
    return row is not None


async def was_listed(catalog: Catalog, path: str) -> bool:
    """Whether the last survey saw a document, usable or not, that the row of a file names."""
    row = await catalog.fetch_one(
        "SELECT 1 FROM temp.verdicts WHERE path = ? AND class = 'x'", (path,)
    )
    return row is not None


#: Indexed rows whose document the survey did not see, or saw broken. A row that has moved while the
#: store was being listed may have a document that came after its page: nothing is said about it.
_GHOST = (
    "gemini_state = 'indexed' AND is_deleted = 0 AND NOT EXISTS"
    " (SELECT 1 FROM temp.verdicts AS seen WHERE seen.path = file_path AND seen.class = '=')"
    " AND NOT EXISTS (SELECT 1 FROM transitions AS moved, temp.survey"
    " WHERE moved.file_path = files.file_path AND moved.id > since)"
)
_MISSING = "gemini_state <> 'indexed' AND is_deleted = 0 AND skip_reason IS NULL"


async def _count(catalog: Catalog, condition: str) -> int:
    row = await catalog.fetch_one(f"SELECT COUNT(*) FROM files WHERE {condition}")
    return int(row[0]) if row else 0


async def ghost_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Rows that say `indexed` while the store has no usable document for them, after a path."""
    return await _page(catalog, _GHOST, after, size)


async def ghosts(catalog: Catalog) -> AsyncIterator[FileRecord]:
    """Rows that say `indexed` while the store has no usable document for them."""
    async for record in _rows(catalog, _GHOST):
        yield record


async def missing(catalog: Catalog) -> AsyncIterator[FileRecord]:
    """Files that should be in the store and are not yet."""
    async for record in _rows(catalog, _MISSING):
        yield record


async def _rows(catalog: Catalog, condition: str) -> AsyncIterator[FileRecord]:
    after: str | None = None
    while page := await _page(catalog, condition, after, _PAGE):
        for record in page:
            yield record
        after = page[-1].file_path


async def _page(catalog: Catalog, condition: str, after: str | None, size: int) -> list[FileRecord]:
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE {condition} AND file_path > ?"
        " ORDER BY file_path LIMIT ?",
        (after or "", size),
    )
    return [FileRecord.from_row(row) for row in rows]
